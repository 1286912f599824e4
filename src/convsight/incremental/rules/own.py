"""Convolutions on our own kernels, which read their cells straight out of the table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from convsight.incremental import direct_filter, split_filter
from convsight.incremental.direct_filter import DirectFilter, FewFilter
from convsight.incremental.joined import After
from convsight.incremental.plan import Outcome, Planner, Values
from convsight.incremental.regions import Span, Window
from convsight.incremental.rows import Cells
from convsight.incremental.rules.geometry import Axes
from convsight.incremental.split_filter import SplitFilter, scale_of
from convsight.incremental.trace import Step

PRODUCT, PACK, WRITE = 0.27, 7.5, 12.0  # per product, input, output: in multiply-adds of torch's own kernels
Run = Callable[[Cells, np.ndarray, np.ndarray, After | None], Tensor]


def by_own_kernel(step: Step, plan: Planner, axes: Axes, groups: int) -> Outcome | None:
    """The convolution on the matrix unit, of each channel by itself, or of few channels; None where torch's kernel is quicker."""
    run = _kernel(step, plan, groups)
    if run is None:
        return None
    window = plan.wanted(step.index)
    if plan.windows[step.parents[0]] is None:
        window, extent, strides = None, step.shape[1:], [a.stride for a in axes]
        cells, block = _padded(step, plan, axes)
    else:
        cells, block, extent = _blocks(step, plan, axes)
        strides = [a.step for a in axes]
    sizes = plan.sizes
    starts, taps = places(extent, block, axes, strides, max(sizes))

    def compute(values: Values) -> Tensor:
        n = sizes[plan.turn]
        found = run(cells(values), starts[: n * extent[0] * extent[1]], taps, step.after)
        found = found.view(n, *extent, step.shape[0])
        return found.permute(0, 3, 1, 2) if window is None else found

    return Outcome(window, compute)


def _kernel(step: Step, plan: Planner, groups: int) -> Run | None:
    weight, bias, like = step.argument(1, "weight"), step.argument(2, "bias"), plan.like
    if like.device.type != "cpu" or like.dtype != torch.float32:
        return None
    if DirectFilter.fits(weight, groups) and direct_filter.usable():
        return plan.lay_out(("direct", step.index), lambda: DirectFilter.of(weight, bias)).run
    if FewFilter.fits(weight, groups) and direct_filter.usable():
        return plan.lay_out(("few", step.index), lambda: FewFilter.of(weight, bias)).run
    if groups > 1 or not quicker(weight) or not split_filter.usable():
        return None
    parent = step.parents[0]
    scale = plan.prepare(("scale", step.index), lambda: scale_of(plan.store_of(parent).maps()))
    filters: SplitFilter = plan.lay_out(("split", step.index), lambda: SplitFilter.of(weight, bias))
    return lambda cells, starts, taps, after: filters.run(cells, starts, taps, after, scale)


def quicker(weight: Tensor) -> bool:
    """Whether the matrix unit is modelled to take less time: few channels leave its tiles empty."""
    (k, c), taps = weight.shape[:2], weight.shape[2] * weight.shape[3]
    wide, deep = -(-k // 32) * 32, -(-c // 32) * 32
    return taps * deep * (PRODUCT * wide + PACK) + WRITE * wide < taps * c * k


def places(
    extent: tuple[int, ...], block: tuple[int, int], axes: Axes, strides: list[int], elements: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cell of its first tap for each place of the value, element by element, and how far on the taps are."""
    (height, width), (down, across) = extent, strides
    first = np.arange(elements)[:, None, None] * block[0] * block[1]
    first = first + np.arange(height)[:, None] * down * block[1] + np.arange(width) * across
    rows, columns = (np.arange(a.kernel) * a.dilation for a in axes)
    return first.ravel(), (rows[:, None] * block[1] + columns).ravel()


def _blocks(
    step: Step, plan: Planner, axes: Axes
) -> tuple[Callable[[Values], Cells], tuple[int, int], tuple[int, int]]:
    """The cells that windows (or, where all is changed, whole maps) of the value read."""
    window, n = plan.wanted(step.index), len(plan)
    if window is None:
        spans = [Span(np.zeros(n, dtype=np.int64), size, size) for size in step.shape[1:]]
        window = Window(*spans)
    rows, columns = axes[0].reads(window.rows), axes[1].reads(window.columns)
    extent = (window.rows.size, window.columns.size)
    return plan.rows_of(step.parents[0], rows, columns), (rows.shape[1], columns.shape[1]), extent


def _padded(step: Step, plan: Planner, axes: Axes) -> tuple[Callable[[Values], Cells], tuple[int, int]]:
    """The cells of whole maps, and around them one row of zeros."""
    value, source = plan.value_of(step.parents[0]), plan.shape_of(step.parents[0])[1:]
    sides = []
    for extent, axis, length in zip(step.shape[1:], axes, source, strict=True):
        cells = np.arange((extent - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1) - axis.before
        sides.append(np.where((cells >= 0) & (cells < length), cells, -1))
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

    return cells_of, (len(rows), len(columns))
