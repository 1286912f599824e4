"""Which input cells does a sliding kernel read for a window of its value, and what does that cost?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convsight.incremental.plan import GATHER, Planner
from convsight.incremental.regions import Span, Window
from convsight.incremental.trace import Step


@dataclass(frozen=True)
class Axis:
    """A kernel along one axis: its first tap for cell i reads the input at i · stride − before."""

    kernel: int
    stride: int
    before: int
    dilation: int = 1

    def reads(self, span: Span) -> np.ndarray:
        """The input cells of each window, m by however many; a 1-wide kernel leaves out what it skips."""
        first = span.at[:, None] * self.stride - self.before
        if self.kernel == 1:
            return first + np.arange(span.size) * self.stride
        return first + np.arange((span.size - 1) * self.stride + self.dilation * (self.kernel - 1) + 1)

    @property
    def step(self) -> int:
        return 1 if self.kernel == 1 else self.stride


Axes = tuple[Axis, Axis]


def block_cost(step: Step, plan: Planner, window: Window, axes: Axes, macs: float) -> float:
    """Multiply-adds (and copying, counted as such) of one element's window."""
    block = axes[0].reads(window.rows).shape[1] * axes[1].reads(window.columns).shape[1]
    return window.area * macs + GATHER * block * plan.channels(step.parents[0])


def whole_cost(step: Step, plan: Planner, macs: float) -> float:
    return step.shape[1] * step.shape[2] * macs + plan.paste_cost(step.parents[0])
