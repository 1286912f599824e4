"""How does the learning rate change from the first step to the last?

A schedule is a function of progress (0 before the first step, 1 after the last) that returns a factor of the
peak learning rate. It has no state, so a resumed run needs only its step number.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from convsight.errors import InputError, check_known

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """The same rate throughout, as the lesson has it."""
    return 1.0


def triangular(peak: float = 0.25) -> Schedule:
    """Linear up to 1 at `peak` (share of the run), then linear down to 0 (Smith 2017, arXiv 1708.07120).

    >>> rate = triangular(0.25)
    >>> rate(0.125), rate(0.25), rate(1.0)
    (0.5, 1.0, 0.0)
    """

    def factor(progress: float) -> float:
        if progress < peak:
            return progress / peak
        return max(0.0, (1 - progress) / (1 - peak))

    return factor


def cosine(peak: float = 0.05) -> Schedule:
    """Linear up to 1 at `peak`, then half a cosine down to 0 (Loshchilov and Hutter 2016, arXiv 1608.03983).

    >>> rate = cosine(0.0)
    >>> rate(0.0), round(rate(0.5), 6), rate(1.0)
    (1.0, 0.5, 0.0)
    """

    def factor(progress: float) -> float:
        if progress < peak:
            return progress / peak
        return (1 + math.cos(math.pi * min(1.0, (progress - peak) / (1 - peak)))) / 2

    return factor


SCHEDULES: dict[str, Callable[[float], Schedule]] = {
    "constant": lambda peak: constant,
    "triangular": triangular,
    "cosine": cosine,
}


def schedule(name: str, peak: float) -> Schedule:
    """The schedule called `name`; `peak` is the share of the run spent warming up, from 0 up to below 1."""
    check_known(name, SCHEDULES, f"no schedule '{name}'")
    if not 0 <= peak < 1:
        raise InputError(f"the schedule's peak is a share of the run, 0 or more and below 1, not {peak}")
    return SCHEDULES[name](peak)
