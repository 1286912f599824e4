"""Which input cells does a sliding kernel read for a window of its value, and what does that cost?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.occluding.plan import GATHER, Planner
from convsight.occluding.regions import Span, Window
from convsight.occluding.trace import Step


@dataclass(frozen=True)
class KernelAxis:
    """A kernel along one axis: its first tap for cell i reads the input at i · stride − before."""

    kernel: int
    stride: int
    before: int
    dilation: int = 1

    def reads(self, span: Span) -> np.ndarray:
        """The input cells that each window reads, int64 m × cells; a kernel of width 1 leaves out the cells it skips."""
        first = span.at[:, None] * self.stride - self.before
        if self.kernel == 1:
            return first + np.arange(span.size) * self.stride
        return first + np.arange((span.size - 1) * self.stride + self.dilation * (self.kernel - 1) + 1)

    @property
    def step(self) -> int:
        """The stride on the cells that `reads` names."""
        return 1 if self.kernel == 1 else self.stride


KernelAxes = tuple[KernelAxis, KernelAxis]


def convolution_axes(step: Step, weight: Tensor) -> KernelAxes | None:
    """The kernel's geometry; None for a transposed convolution."""
    if step.kind == "convolution" and step.argument(6, "transposed"):
        return None
    stride, dilation = pair(step.argument(3, "stride", 1)), pair(step.argument(5, "dilation", 1))
    padding = step.argument(4, "padding", 0)
    axes = []
    for a in (0, 1):
        kernel = weight.shape[2 + a]
        if padding == "same":
            before = dilation[a] * (kernel - 1) // 2
        else:
            before = 0 if padding == "valid" else pair(padding)[a]
        before += step.padded[a] if step.padded else 0
        axes.append(KernelAxis(kernel, stride[a], before, dilation[a]))
    return axes[0], axes[1]


def pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (tuple, list, torch.Size)) else [value]
    return int(values[0]), int(values[-1])


def block_cost(step: Step, plan: Planner, window: Window, axes: KernelAxes, macs: float) -> float:
    """Multiply-adds for the window of one element; copying its cells is counted as multiply-adds too."""
    block = axes[0].reads(window.rows).shape[1] * axes[1].reads(window.columns).shape[1]
    return window.area * macs + GATHER * block * plan.channels(step.parents[0])


def whole_cost(step: Step, plan: Planner, macs: float) -> float:
    """The same for the whole maps of one element."""
    return step.shape[1] * step.shape[2] * macs + plan.paste_cost(step.parents[0])
