"""3×3 convolutions on Winograd tiles, read straight out of the table of clean maps and windows.

In our own kernel where there is one for this machine, else as a few operations of torch on all tiles at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.accelerate import winograd_filter
from convsight.accelerate.rows import Cells
from convsight.accelerate.winograd_filter import WinogradFilter
from convsight.occluding import winograd
from convsight.occluding.joined import activated
from convsight.occluding.plan import Compute, Outcome, Planner, Values
from convsight.occluding.regions import Span, Window
from convsight.occluding.rules.geometry import Axes, block_cost, padded, whole_cost
from convsight.occluding.trace import Step
from convsight.occluding.winograd import TAPS, Filter

GAIN = 1.1  # tiles are taken where the model says that they are this much quicker


def tiled(step: Step, plan: Planner, axes: Axes) -> Outcome | None:
    """The convolution on tiles, of the window or of the whole maps; None where the kernel itself is quicker."""
    weight = step.argument(1, "weight")
    if any((a.kernel, a.stride, a.dilation) != (TAPS, 1, 1) for a in axes) or min(weight.shape[:2]) < 16:
        return None
    parent, macs = step.parents[0], float(weight.numel())
    window, small = plan.wanted(step.index), plan.windows[parent] is not None
    direct = whole_cost(step, plan, macs)
    if window is not None and small:
        direct = min(direct, block_cost(step, plan, window, axes, macs))
    area = window if window is not None and small else _everything(step, len(plan))
    k, c = weight.shape[:2]
    own = _own_kernel(plan, weight)
    cost = winograd_filter.cost if own else winograd.cost
    m = winograd.best(
        *plan.largest(step), c, k, cost
    )  # one size for all chunks: each size has its own filters
    if cost(m, (area.rows.size, area.columns.size), c, k) * GAIN > direct:
        return None
    of_whole = window is None or not small
    run = (_in_own_kernel if own else _by_torch)(step, plan, axes, area, m)
    return Outcome(None if of_whole else window, lambda values: _logical(run(values), of_whole))


def _logical(cells: Tensor, of_whole: bool) -> Tensor:
    return cells.permute(0, 3, 1, 2) if of_whole else cells


def _own_kernel(plan: Planner, weight: Tensor) -> bool:
    plain = plan.like.device.type == "cpu" and plan.like.dtype == torch.float32
    return plain and WinogradFilter.fits(weight) and winograd_filter.usable()


def _in_own_kernel(step: Step, plan: Planner, axes: Axes, area: Window, m: tuple[int, int]) -> Compute:
    """Getter of the cells of `area`, n h w k."""
    weight, bias, gain = step.unscaled()
    filters = plan.lay_out(("own winograd", step.index, m), lambda: WinogradFilter.of(weight, bias, m, gain))
    extent, parent, sizes = (area.rows.size, area.columns.size), step.parents[0], plan.sizes
    block = extent[0] + TAPS - 1, extent[1] + TAPS - 1
    if plan.windows[parent] is None:
        cells: Callable[[Values], Cells] = padded(step, plan, axes, block)
    else:
        sides = [
            span.at[:, None] - axis.before + np.arange(n)
            for span, axis, n in zip((area.rows, area.columns), axes, block, strict=True)
        ]
        cells = plan.rows_of(parent, sides[0], sides[1])
    return lambda values: filters.run(cells(values), block, extent, sizes[plan.turn], step.after)


def _by_torch(step: Step, plan: Planner, axes: Axes, area: Window, m: tuple[int, int]) -> Compute:
    """The same without a kernel of ours."""
    parent = step.parents[0]
    filters: Filter = plan.prepare(("winograd", step.index), lambda: Filter.of(*step.weights(), m))
    if plan.windows[parent] is None:
        tiles = _whole_tiles(plan, parent, step, axes, filters)
    else:
        tiles = _tiles(plan, parent, area, axes, filters)
    height, width = area.rows.size, area.columns.size
    down, across = -(-height // m[0]), -(-width // m[1])
    shapes = [(part.stop - part.start, down, across) for part in plan.parts]

    def compute(values: Values) -> Tensor:
        cells = filters.run(tiles(values), shapes[plan.turn])[:, :height, :width].contiguous()
        return activated(cells, step.after)

    return compute


def _everything(step: Step, elements: int) -> Window:
    at = np.zeros(elements, dtype=np.int64)
    return Window(Span(at, step.shape[1], step.shape[1]), Span(at, step.shape[2], step.shape[2]))


def _tiles(plan: Planner, parent: int, area: Window, axes: Axes, filters: Filter) -> Compute:
    """Getter of a window's tiles: n × (elements, down, across, c), overlapping cells copied into each."""
    sides = []
    for span, axis, m, tile in zip((area.rows, area.columns), axes, filters.m, filters.tile, strict=True):
        first = np.arange(0, span.size, m)[:, None] + np.arange(tile)  # tiles by cells
        sides.append(span.at[:, None] - axis.before + first.ravel())
    down, across = (side.shape[1] // tile for side, tile in zip(sides, filters.tile, strict=True))

    def arrange(where: Tensor) -> Tensor:
        cells = where.view(-1, down, filters.tile[0], across, filters.tile[1])
        return cells.permute(2, 4, 0, 1, 3)

    gathered = plan.cells_of(parent, sides[0], sides[1], 0.0, arrange)
    n = filters.tile[0] * filters.tile[1]
    return lambda values: gathered(values).view(n, -1)


def _whole_tiles(plan: Planner, parent: int, step: Step, axes: Axes, filters: Filter) -> Compute:
    """Getter of the tiles of whole maps."""
    value = plan.value_of(parent)
    margins = [0, 0]
    for extent, axis, m, source in zip(
        step.shape[:0:-1], axes[::-1], filters.m[::-1], plan.shape_of(parent)[:0:-1], strict=True
    ):
        reach = -(-extent // m) * m + TAPS - 1
        margins += [axis.before, max(0, reach - axis.before - source)]
    n = filters.tile[0] * filters.tile[1]

    def cut(values: Values) -> Tensor:
        maps = F.pad(value(values).permute(0, 2, 3, 1), margins)
        tiles = maps.unfold(1, filters.tile[0], filters.m[0]).unfold(2, filters.tile[1], filters.m[1])
        down, across = -(-step.shape[1] // filters.m[0]), -(-step.shape[2] // filters.m[1])
        return tiles[:, :down, :across].permute(4, 5, 0, 1, 2, 3).reshape(n, -1)

    return cut
