"""Convolutions on the processor's matrix unit, which reads its cells straight out of the table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.incremental.plan import Outcome, Planner, Values
from convsight.incremental.regions import Span, Window
from convsight.incremental.rules.geometry import Axes
from convsight.incremental.split_filter import SplitFilter, scale_of, usable
from convsight.incremental.trace import Step

PRODUCT, PACK, WRITE = 0.27, 7.5, 20.0  # per product, input, output: in multiply-adds of torch's own kernels
Cells = Callable[[Values], tuple[Tensor, Tensor | None]]


def on_matrix_unit(step: Step, plan: Planner, axes: Axes) -> Outcome | None:
    """The convolution as products of half-length numbers; None where torch's kernel is quicker or the only one."""
    weight, bias, like = step.argument(1, "weight"), step.argument(2, "bias"), plan.like
    if like.device.type != "cpu" or like.dtype != torch.float32 or not quicker(weight) or not usable():
        return None
    window = plan.wanted(step.index)
    cells: Cells
    if plan.windows[step.parents[0]] is None:
        window, extent = None, step.shape[1:]
        cells, block = _padded(step, plan, axes)
        strides = [a.stride for a in axes]
    else:
        cells, block, extent = _blocks(step, plan, axes)
        strides = [a.step for a in axes]
    starts, taps = places(extent, block, axes, strides, max(plan.sizes))
    filters: SplitFilter = plan.lay_out(("split", step.index), lambda: SplitFilter.of(weight, bias))
    parent = step.parents[0]
    scale = plan.prepare(("scale", step.index), lambda: scale_of(plan.store_of(parent).maps()))
    shape, sizes = (*extent, len(weight)), plan.sizes

    def compute(values: Values) -> Tensor:
        table, index = cells(values)
        n = sizes[plan.turn]
        found = filters.run(table, index, starts[: n * extent[0] * extent[1]], taps, scale, step.after)
        found = found.view(n, *shape)
        return found.permute(0, 3, 1, 2) if window is None else found

    return Outcome(window, compute)


def quicker(weight: Tensor) -> bool:
    """Whether the matrix unit is modelled to take less time: few channels leave its tiles empty."""
    (k, c), taps = weight.shape[:2], weight.shape[2] * weight.shape[3]
    wide, deep = -(-k // 32) * 32, -(-c // 32) * 32
    return taps * deep * (PRODUCT * wide + PACK) < taps * c * k and c >= 16


def places(
    extent: tuple[int, ...], block: tuple[int, int], axes: Axes, strides: list[int], elements: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cell of its first tap for each place of the value, element by element, and how far on the taps are."""
    (height, width), (down, across) = extent, strides
    first = np.arange(elements)[:, None, None] * block[0] * block[1]
    first = first + np.arange(height)[:, None] * down * block[1] + np.arange(width) * across
    rows, columns = (np.arange(a.kernel) * a.dilation for a in axes)
    return first.ravel(), (rows[:, None] * block[1] + columns).ravel()


def _blocks(step: Step, plan: Planner, axes: Axes) -> tuple[Cells, tuple[int, int], tuple[int, int]]:
    """The cells that windows (or, where all is changed, whole maps) of the value read."""
    window, n = plan.wanted(step.index), len(plan)
    if window is None:
        spans = [Span(np.zeros(n, dtype=np.int64), size, size) for size in step.shape[1:]]
        window = Window(*spans)
    rows, columns = axes[0].reads(window.rows), axes[1].reads(window.columns)
    extent = (window.rows.size, window.columns.size)
    return plan.rows_of(step.parents[0], rows, columns), (rows.shape[1], columns.shape[1]), extent


def _padded(step: Step, plan: Planner, axes: Axes) -> tuple[Cells, tuple[int, int]]:
    """The cells of whole maps, with the padding around them."""
    value, margins, block = plan.value_of(step.parents[0]), [0, 0], []
    for extent, axis, source in zip(
        step.shape[:0:-1], axes[::-1], plan.shape_of(step.parents[0])[:0:-1], strict=True
    ):
        reach = (extent - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1
        margins += [axis.before, max(0, reach - axis.before - source)]
        block.append(source + sum(margins[-2:]))

    def cells(values: Values) -> tuple[Tensor, None]:
        maps = value(values).permute(0, 2, 3, 1)
        return (F.pad(maps, margins) if any(margins) else maps.contiguous()), None

    return cells, (block[1], block[0])
