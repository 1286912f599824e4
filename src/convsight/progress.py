"""How far is a long computation, and who wants to know?

A technique calls `report` as it goes; nothing happens unless somebody listens:

>>> with listening(lambda step: print(f"{step.fraction:.0%} {step.message}")):
...     report(0.5, "step 50 of 100")
50% step 50 of 100
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One report: the `fraction` done in [0, 1], what is being done, and perhaps the picture so far (c h w).

    done, total, unit: how many of how many "pictures", "steps", ... where these are counted; total is 0 where not.
    """

    fraction: float
    message: str
    picture: Tensor | None = None
    done: int = 0
    total: int = 0
    unit: str = ""

    @property
    def words(self) -> str:
        """A line for the terminal.

        >>> Step(0.5, "features", done=1000, total=2000, unit="pictures").words
        'features: 1,000 of 2,000 pictures'
        """
        counted = f"{self.done:,} of {self.total:,} {self.unit}" if self.total else ""
        return ": ".join(part for part in (self.message, counted) if part)


Listener = Callable[[Step], Any]
_LISTENER: ContextVar[Listener | None] = ContextVar("convsight_listener", default=None)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send every report of the block to `listener`; one that raises (an interrupt) ends the computation."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report(fraction: float, message: str, picture: Float[Tensor, "c h w"] | None = None) -> None:
    """Tell whoever listens how far the work is; the picture is handed over as an own copy on the CPU."""
    _tell(Step(fraction, message, picture))


def report_count(
    done: int,
    total: int,
    unit: str,
    message: str = "",
    picture: Float[Tensor, "c h w"] | None = None,
    within: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Tell whoever listens that `done` of `total` pictures, steps, ... are through, the part `within` of the work.

    >>> with listening(lambda step: print(step.fraction, step.words)):
    ...     report_count(3, 4, "steps", within=(0.0, 0.5))
    0.375 3 of 4 steps
    """
    low, high = within
    fraction = low + (high - low) * min(done / max(total, 1), 1.0)
    _tell(Step(fraction, message, picture, done, total, unit))


def _tell(step: Step) -> None:
    listener = _LISTENER.get()
    if listener is not None:
        picture = None if step.picture is None else step.picture.detach().float().cpu().clone()
        listener(replace(step, fraction=min(max(step.fraction, 0.0), 1.0), picture=picture))


@contextlib.contextmanager
def span(low: float, high: float) -> Iterator[None]:
    """Scales the fractions reported inside the block to `low` … `high`, such as those of one octave of
    four.
    """
    outer = _LISTENER.get()
    if outer is None:
        yield
        return
    with listening(lambda step: outer(replace(step, fraction=low + (high - low) * step.fraction))):
        yield
