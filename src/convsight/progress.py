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
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One report: the `fraction` done in [0, 1], a line of words, and perhaps the picture so far (c h w)."""

    fraction: float
    message: str
    picture: Tensor | None = None


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
    listener = _LISTENER.get()
    if listener is not None:
        copy = None if picture is None else picture.detach().float().cpu().clone()
        listener(Step(min(max(fraction, 0.0), 1.0), message, copy))


@contextlib.contextmanager
def span(low: float, high: float) -> Iterator[None]:
    """Scales the fractions reported inside the block to `low` … `high`, such as those of one octave of
    four.
    """
    outer = _LISTENER.get()
    if outer is None:
        yield
        return
    with listening(lambda step: outer(Step(low + (high - low) * step.fraction, step.message, step.picture))):
        yield
