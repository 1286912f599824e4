"""In which order are positions answered, so that a usable map is there early?

First a few rows and columns of the grid, corners among them, then those between, and so on. Until a position
is answered it shows the answer of the nearest row and column that are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from convsight.incremental.answers import Answers

FIRST = 0.03  # of the positions, at most, in the first stage


def stages(grid: tuple[int, int]) -> list[np.ndarray]:
    """Positions (row · columns + column) in the order of coming; all of them together are the grid.

    >>> [len(stage) for stage in stages((27, 27))]
    [9, 16, 39, 132, 533]
    """
    skips = [1]
    while _lines(grid[0], skips[-1]).size * _lines(grid[1], skips[-1]).size > max(
        4, FIRST * grid[0] * grid[1]
    ):
        skips.append(2 * skips[-1])
    found, seen = [], np.zeros(0, dtype=np.int64)
    for skip in reversed(skips):
        rows, columns = (_lines(n, skip) for n in grid)
        places = np.setdiff1d((rows[:, None] * grid[1] + columns).ravel(), seen)
        seen = np.union1d(seen, places)
        if len(places):
            found.append(places)
    return found


def _lines(n: int, skip: int) -> np.ndarray:
    """Every so many-th row, and the last."""
    return np.unique(np.append(np.arange(0, n, skip), n - 1))


def filled(answers: Answers, places: np.ndarray, grid: tuple[int, int]) -> Answers:
    """The answers where `places` are answered, each other position with that of the nearest of them."""
    rows, columns = np.unique(places // grid[1]), np.unique(places % grid[1])
    down, across = _nearest(rows, grid[0]), _nearest(columns, grid[1])
    source = torch.from_numpy((down[:, None] * grid[1] + across).ravel())
    words = (
        f"Coarse so far: {len(places)} of {grid[0] * grid[1]} positions; between them the nearest is shown."
    )
    return replace(
        answers,
        logits=answers.logits[:, source],
        readings=tuple(r[:, source] for r in answers.readings),
        notes=(*answers.notes, words),
    )


def _nearest(known: np.ndarray, n: int) -> np.ndarray:
    return known[np.abs(known[:, None] - np.arange(n)).argmin(0)]
