"""Which steps are carried out together, on how many positions at a time, so that values stay in the cache?

A step on many positions writes more than the cache holds, and the next step has to fetch it from memory again. Where
only one value passes from one step to the next, such as at the end of a residual block, the steps before can be
carried out for a few positions at a time. A turn takes as many positions as keep the block's values in the cache, but
enough of them to make reading the block's weights cheap, since every turn reads the weights again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from convsight.occluding.trace import Step

CACHED = 400_000  # numbers (1.6 MB): most of a core's second-level cache
AMORTISED = 30.0  # a turn reads this many times more values than weights
FEWEST = 3  # positions at a time: below, starting an operation takes longer than it saves
ALIKE = 1.6  # neighbouring blocks whose sizes differ by less are one


@dataclass(frozen=True)
class Stretch:
    """Steps without a narrow place between them: how many positions they want at a time."""

    steps: tuple[Step, ...]
    size: float
    numbers: int  # of the values that its largest step reads and writes, for one position


def stretches(live: Sequence[Step], numbers: Callable[[int], int], most: int) -> list[Stretch]:
    """The steps in order; `numbers(index)` counts one position's window of a value; `most` are a chunk."""
    found: list[Stretch] = []
    for block in _blocks(live):
        one = _stretch(block, numbers, most)
        if found and not any(map(_weights, block)):  # an activation, a sum: done where its inputs are made
            one = replace(one, size=found[-1].size)
        if found and max(one.size, found[-1].size) < ALIKE * min(one.size, found[-1].size):
            before = found.pop()
            steps = (*before.steps, *block)
            one = Stretch(steps, min(one.size, before.size), max(one.numbers, before.numbers))
        found.append(one)
    return found


def _blocks(live: Sequence[Step]) -> list[tuple[Step, ...]]:
    """Cut after each step whose value is written, and the only one that later steps read."""
    last = {parent: at for at, step in enumerate(live) for parent in step.parents}
    open_: set[int] = {-1}
    found, start = [], 0
    for at, step in enumerate(live):
        open_.add(step.index)
        open_ = {i for i in open_ if last.get(i, -1) > at}
        if open_ <= {step.index}:
            found.append(tuple(live[start : at + 1]))
            start = at + 1
    return found


def _stretch(block: tuple[Step, ...], numbers: Callable[[int], int], most: int) -> Stretch:
    touched = [numbers(s.index) + sum(numbers(p) for p in set(s.parents)) for s in block]
    largest = max(touched)
    size = max(CACHED / largest, FEWEST)
    for step, some in zip(block, touched, strict=True):
        size = max(size, AMORTISED * _weights(step) / some)
    return Stretch(block, min(size, most), largest)


def _weights(step: Step) -> int:
    tensors = [a for a in (*step.args, *step.kwargs.values()) if isinstance(a, Tensor) and a.ndim >= 2]
    return max((math.prod(t.shape) for t in tensors), default=0)
