"""Which input cells does a sliding kernel read for a window of its value, and what does that cost?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.accelerate.rows import Cells
from convsight.occluding.plan import GATHER, Planner, Values
from convsight.occluding.regions import Span, Window
from convsight.occluding.trace import Step


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


def convolution_axes(step: Step, weight: Tensor) -> Axes | None:
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
        before += step.before[a] if step.before else 0
        axes.append(Axis(kernel, stride[a], before, dilation[a]))
    return axes[0], axes[1]


def pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (tuple, list, torch.Size)) else [value]
    return int(values[0]), int(values[-1])


def block_cost(step: Step, plan: Planner, window: Window, axes: Axes, macs: float) -> float:
    """Multiply-adds (and copying, counted as such) of one element's window."""
    block = axes[0].reads(window.rows).shape[1] * axes[1].reads(window.columns).shape[1]
    return window.area * macs + GATHER * block * plan.channels(step.parents[0])


def whole_cost(step: Step, plan: Planner, macs: float) -> float:
    return step.shape[1] * step.shape[2] * macs + plan.paste_cost(step.parents[0])


def padded(step: Step, plan: Planner, axes: Axes, block: tuple[int, ...]) -> Callable[[Values], Cells]:
    """Getter of the cells of whole maps from the kernel's first tap on, rows × columns as `block` says, 0 outside."""
    value, source = plan.value_of(step.parents[0]), plan.shape_of(step.parents[0])[1:]
    sides = []
    for cells, axis, length in zip(block, axes, source, strict=True):
        at = np.arange(cells) - axis.before
        sides.append(np.where((at >= 0) & (at < length), at, -1))
    rows, columns = sides
    inside = (rows[:, None] >= 0) & (columns >= 0)
    first = np.arange(max(plan.sizes))[:, None, None] * (source[0] * source[1]) + 1
    where = torch.from_numpy(
        np.where(inside, first + rows[:, None] * source[1] + columns, 0).astype(np.int32)
    )
    nothing = plan.like.new_zeros(1, plan.channels(step.parents[0]))

    def cells_of(values: Values) -> Cells:
        maps = value(values)
        return Cells(nothing, where[: len(maps)], maps.permute(0, 2, 3, 1).contiguous(), 1)

    return cells_of
