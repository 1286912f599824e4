"""In which order are positions answered, so that a usable map is there early?

First come a few rows and columns of the grid, corners among them, then those halfway between, and so on. Until a
position is answered, it shows the answer of the nearest position that is. On a budget, the last positions are chosen
where the answers so far differ most.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.occluding.answers import Answers
from convsight.results.gaps import Gaps

FIRST = 0.03  # of the positions, at most, in the first level


def levels(grid: tuple[int, int]) -> list[np.ndarray]:
    """Positions (row · columns + column), coarse levels first; all levels together are the grid.

    >>> [len(level) for level in levels((27, 27))]
    [9, 16, 39, 132, 533]
    """
    skips, most = [1], max(4, FIRST * grid[0] * grid[1])
    while _lines(grid[0], skips[-1]).size * _lines(grid[1], skips[-1]).size > most:
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


def nearest(places: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """For every position of the grid the nearest of `places`."""
    unknown = np.ones(grid, dtype=bool)
    unknown.flat[places] = False
    # Importing SciPy takes a quarter of a second, so it waits until positions are left out.
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.asarray(distance_transform_edt(unknown, return_distances=False, return_indices=True))
    return (rows * grid[1] + columns).ravel()


def filled(answers: Answers, places: np.ndarray, grid: tuple[int, int]) -> Answers:
    """The answers where `places` are answered, each other position with that of the nearest of them."""
    source = torch.from_numpy(nearest(places, grid))
    answered = torch.zeros(grid, dtype=torch.bool)
    answered.view(-1)[torch.from_numpy(places)] = True
    gaps = Gaps(answered)
    share = f"{gaps.known} of {gaps.total} positions are answered; between them the nearest is shown."
    return replace(
        answers,
        logits=answers.logits[:, source],
        readings=tuple(r[:, source] for r in answers.readings),
        notes=(*answers.notes, share),
        gaps=gaps,
    )


def most_varied(scores: Tensor, places: np.ndarray, grid: tuple[int, int], count: int) -> np.ndarray:
    """The unanswered positions around which the answered `scores` (n m) differ most, at most `count`."""
    shown = scores[:, torch.from_numpy(nearest(places, grid))].view(-1, 1, *grid)
    spread = shown.amax((2, 3)) - shown.amin((2, 3))
    edge = F.max_pool2d(shown, 3, 1, 1) + F.max_pool2d(-shown, 3, 1, 1)  # range over a position's neighbours
    varied = (edge[:, 0] / spread.clamp(min=1e-12)[..., None]).amax(0).flatten().numpy()
    open_ = np.setdiff1d(np.arange(grid[0] * grid[1]), places)
    return np.sort(open_[np.argsort(-varied[open_], kind="stable")[:count]])
