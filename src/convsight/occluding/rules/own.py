"""Convolutions on our own kernels, which read their cells straight out of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from convsight.accelerate import direct_filter, product_filter, split_filter
from convsight.accelerate.direct_filter import DirectFilter, FewFilter
from convsight.accelerate.product_filter import ProductFilter
from convsight.accelerate.rows import Cells, Reads
from convsight.accelerate.split_filter import SplitFilter, scale_of
from convsight.occluding.joined import After
from convsight.occluding.plan import Outcome, Planner, Values
from convsight.occluding.regions import Span, Window
from convsight.occluding.rules.geometry import Axes, padded
from convsight.occluding.trace import Step

PRODUCT, PACK, WRITE = 0.27, 7.5, 12.0  # per product, input, output: in multiply-adds of torch's own kernels
Run = Callable[[Cells, np.ndarray, np.ndarray, After | None], Tensor]
Reading = tuple[Window | None, tuple[int, ...], Callable[[Values, int], Reads]]


def by_own_kernel(step: Step, plan: Planner, axes: Axes, groups: int) -> Outcome | None:
    """The convolution on the matrix unit, of each channel by itself, or of few channels; None where torch's kernel is quicker."""
    run = _kernel(step, plan, groups)
    return None if run is None else _carried_out(step, plan, axes, run)


def by_product(step: Step, plan: Planner, axes: Axes, groups: int) -> Outcome | None:
    """The convolution of many channels as products of rows; None where there is no kernel for it."""
    weight = step.argument(1, "weight")
    if not _plain(plan) or not ProductFilter.fits(weight, groups) or not product_filter.usable():
        return None
    filters: ProductFilter = plan.lay_out(("product", step.index), lambda: ProductFilter.of(*step.unscaled()))
    return _carried_out(step, plan, axes, filters.run)


def _carried_out(step: Step, plan: Planner, axes: Axes, run: Run) -> Outcome:
    """The convolution of windows, or of whole maps where they are whole, by a kernel that reads rows of cells."""
    window, extent, reads = reading(step, plan, axes)
    sizes = plan.sizes

    def compute(values: Values) -> Tensor:
        n = sizes[plan.turn]
        found = run(*reads(values, n), step.after).view(n, *extent, step.shape[0])
        return found.permute(0, 3, 1, 2) if window is None else found

    return Outcome(window, compute)


def reading(step: Step, plan: Planner, axes: Axes) -> Reading:
    """The window of the value (None for whole maps), its height and width, and getter of what so many of them read."""
    window = plan.wanted(step.index)
    if plan.windows[step.parents[0]] is None:
        window, extent, strides = None, step.shape[1:], [a.stride for a in axes]
        down, across = (
            (n - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 for n, a in zip(extent, axes, strict=True)
        )
        block = down, across
        cells = padded(step, plan, axes, block)
    else:
        cells, block, extent = _blocks(step, plan, axes)
        strides = [a.step for a in axes]
    layout = tuple(extent), block, axes, tuple(strides), max(plan.sizes)
    starts, taps = plan.prepare(("places", *layout), lambda: places(*layout))
    area = extent[0] * extent[1]
    return window, extent, lambda values, n: Reads(cells(values), starts[: n * area], taps)


def _kernel(step: Step, plan: Planner, groups: int) -> Run | None:
    weight = step.argument(1, "weight")
    if not _plain(plan):
        return None
    if DirectFilter.fits(weight, groups) and direct_filter.usable():
        return plan.lay_out(("direct", step.index), lambda: DirectFilter.of(*step.weights())).run
    if FewFilter.fits(weight, groups) and direct_filter.usable():
        return plan.lay_out(("few", step.index), lambda: FewFilter.of(*step.weights())).run
    if groups > 1 or not quicker(weight) or not split_filter.usable():
        return None
    parent = step.parents[0]
    scale = plan.prepare(("scale", step.index), lambda: scale_of(plan.store_of(parent).maps()))
    filters: SplitFilter = plan.lay_out(("split", step.index), lambda: SplitFilter.of(*step.weights()))
    return lambda cells, starts, taps, after: filters.run(cells, starts, taps, after, scale)


def _plain(plan: Planner) -> bool:
    """Whether the numbers are what our kernels take."""
    return plan.like.device.type == "cpu" and plan.like.dtype == torch.float32


def quicker(weight: Tensor) -> bool:
    """Whether the matrix unit is modelled to take less time: few channels leave its tiles empty."""
    (k, c), taps = weight.shape[:2], weight.shape[2] * weight.shape[3]
    wide, deep = -(-k // 32) * 32, -(-c // 32) * 32
    return taps * deep * (PRODUCT * wide + PACK) + WRITE * wide < taps * c * k


def places(
    extent: tuple[int, ...], block: tuple[int, int], axes: Axes, strides: Sequence[int], elements: int
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
