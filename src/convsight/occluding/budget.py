"""What can be said about every position when only some may be answered?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from convsight.occluding.answers import Answers
from convsight.occluding.coarse_to_fine import filled, levels, most_varied
from convsight.occluding.sweep import Sweep

COARSE = 0.5  # of the budget at most goes to the even grid, the rest to where the scores vary
SAMPLE = 16  # positions outside of the budget that are answered only to measure the error


def on_budget(work: Sweep, scores: Callable[[Answers], tuple[Tensor, Tensor]], budget: float) -> Answers:
    """Answers for all positions of which a share of `budget` was computed, with its measured error."""
    grid, m = work.occluders.grid, len(work.occluders)
    most = max(4, round(budget * m))
    order = levels(grid)
    work.run(order[0])
    for level in order[1:]:
        if len(work.answered()) + len(level) > COARSE * most:
            break
        work.run(level)
    while (left := most - len(work.answered())) > 0:
        known = work.answered()
        work.run(most_varied(scores(work.answers())[0], known, grid, -(-left // 2)))
    known = work.answered()
    coarse = filled(work.answers(), known, grid)
    return measured(work, scores, coarse, known)


def measured(
    work: Sweep, scores: Callable[[Answers], tuple[Tensor, Tensor]], coarse: Answers, known: np.ndarray
) -> Answers:
    """The answers with how far the shown scores are off, on positions drawn at random among those left out."""
    open_ = np.setdiff1d(np.arange(len(work.occluders)), known)
    drawn = np.sort(np.random.default_rng(0).permutation(open_)[:SAMPLE])
    if not len(drawn):
        return replace(coarse, notes=(*coarse.notes, "The budget covered every position."), gaps=None)
    shown, clean = scores(coarse)
    work.run(drawn)
    right = scores(work.answers())[0]
    effect = float((shown - clean[:, None]).abs().max()) or 1.0
    off = (shown[:, drawn] - right[:, drawn]).abs() / effect
    mean, largest = float(off.mean()), float(off.max())
    words = (
        f"A budget, not the full map: on {len(drawn)} random positions left out the score is off by "
        f"{mean:.1%} of the largest effect on average, {largest:.1%} at most."
    )
    assert coarse.gaps is not None
    gaps = replace(coarse.gaps, error=(mean, largest), measured=len(drawn))
    return replace(coarse, notes=(*coarse.notes, words), gaps=gaps)
