"""Convolutions on compiled kernels, which read their cells where they lie, clean maps and windows alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from convsight.occluding.clean_maps import Cells
from convsight.occluding.compiled import UNLIMITED, layer_of
from convsight.occluding.plan import Outcome, Planner, Values
from convsight.occluding.regions import Span, Window
from convsight.occluding.rules.geometry import KernelAxes
from convsight.occluding.trace import Step

Size = tuple[int, int]


def compiled(step: Step, plan: Planner, axes: KernelAxes, groups: int) -> Outcome | None:
    """The convolution of windows, or of whole maps where all is changed; None where there is no kernel for it."""
    stride, dilation = (axes[0].step, axes[1].step), (axes[0].dilation, axes[1].dilation)
    layer = plan.lay_out(("compiled", step.index), lambda: layer_of(step, stride, dilation, groups))
    kernel = layer and layer.for_windows(plan.largest[step.index])
    if kernel is None:
        return None
    window, cells, block, extent = _reading(step, plan, axes)
    sizes, limits = plan.sizes, step.limits or UNLIMITED

    def compute(values: Values) -> Tensor:
        found = kernel.run(cells(values), sizes[plan.turn], block, extent, limits)
        return found.permute(0, 3, 1, 2) if window is None else found

    return Outcome(window, compute)


def _reading(
    step: Step, plan: Planner, axes: KernelAxes
) -> tuple[Window | None, Callable[[Values], Cells], Size, Size]:
    """The value's window (None for whole maps), a getter of its cells, and the sizes of their blocks and of the value."""
    parent, window = step.parents[0], plan.wanted(step.index)
    of_windows = plan.windows[parent] is not None
    area = window if window is not None and of_windows else _everything(step, len(plan))
    rows, columns = axes[0].reads(area.rows), axes[1].reads(area.columns)
    block, extent = (rows.shape[1], columns.shape[1]), (area.rows.size, area.columns.size)
    if of_windows:
        return window, plan.rows_of(parent, rows, columns), block, extent
    return None, _of_whole_maps(plan, parent, rows[0], columns[0]), block, extent


def _everything(step: Step, elements: int) -> Window:
    at = np.zeros(elements, dtype=np.int64)
    return Window(Span(at, step.shape[1], step.shape[1]), Span(at, step.shape[2], step.shape[2]))


def _of_whole_maps(
    plan: Planner, parent: int, rows: np.ndarray, columns: np.ndarray
) -> Callable[[Values], Cells]:
    """Getter of the cells rows × columns of whole maps; those outside of the maps are 0."""
    value, (height, width) = plan.value_of(parent), plan.shape_of(parent)[1:]
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    first = 1 + np.arange(max(plan.sizes))[:, None, None] * (height * width)  # row 0 is the padding
    where = np.where(inside, first + rows[:, None] * width + columns, 0).astype(np.int32)
    index, padding = torch.from_numpy(where), plan.like.new_zeros(1, plan.channels(parent))

    def cells(values: Values) -> Cells:
        maps = value(values)
        return Cells(padding, index[: len(maps)], maps.permute(0, 2, 3, 1).contiguous(), 1)

    return cells
