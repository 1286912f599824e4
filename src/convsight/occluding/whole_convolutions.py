"""How are convolutions of whole maps done in the least time, when the same network runs on many pictures?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.network.graph import Ref
from convsight.network.operations import is_convolution
from convsight.occluding.clean_maps import Cells
from convsight.occluding.compiled import UNLIMITED, layer_of
from convsight.occluding.regions import Span
from convsight.occluding.rules.geometry import KernelAxes, convolution_axes, pair
from convsight.occluding.trace import Program, Step, limited

Run = Callable[[Tensor], Tensor]


def laid_out(program: Program, compiled: bool) -> Program:
    """A folded program (see `simplified`) whose convolutions' weights are scaled and laid out once, and then kept.

    With `compiled`, 3×3 convolutions of many channels run on Winograd's tiles in a third of the time of torch's, and
    depthwise ones behind a padding on a kernel that reads the padding without a copy of the maps.
    """
    key = ("whole", compiled)
    if key not in program.prepared:
        steps = tuple(_laid_out(step, compiled) for step in program.steps)
        program.prepared[key] = Program(steps, program.output)
    return program.prepared[key]


def _laid_out(step: Step, compiled: bool) -> Step:
    weight = step.argument(1, "weight") if is_convolution(step.kind) else None
    if not isinstance(weight, Tensor) or weight.ndim != 4 or len(step.parents) != 1:
        return step
    groups = step.argument(8 if step.kind == "convolution" else 6, "groups", 1)
    axes = convolution_axes(step, weight)
    if axes is None or step.field.places != (2, 3):
        return step
    run = (_on_kernel(step, axes, groups) if compiled else None) or _on_torch(step, axes, groups)
    return step if run is None else replace(step, func=run, args=(Ref(step.parents[0]),), kwargs={})


def _on_torch(step: Step, axes: KernelAxes, groups: int) -> Run | None:
    """torch's own convolution with scaled weights; None for padding that is not two numbers."""
    padding = step.argument(4, "padding", 0)
    if isinstance(padding, str) or step.padded:
        return None
    weight, bias = step.weights()
    weight = weight.contiguous(memory_format=torch.channels_last)
    stride, dilation = [a.stride for a in axes], [a.dilation for a in axes]

    def run(maps: Tensor) -> Tensor:
        return limited(
            F.conv2d(maps, weight, bias, stride, list(pair(padding)), dilation, groups), step.limits
        )

    return run


def _on_kernel(step: Step, axes: KernelAxes, groups: int) -> Run | None:
    """The compiled kernel, where it is clearly quicker than torch's on whole maps."""
    stride, dilation = (axes[0].step, axes[1].step), (axes[0].dilation, axes[1].dilation)
    extent = step.shape[1], step.shape[2]
    layer = layer_of(step, stride, dilation, groups)
    if layer is None or not (layer.on_tiles(extent) or (step.padded and groups > 1)):
        return None
    kernel = layer.for_windows(extent)
    if kernel is None:
        return None

    @functools.lru_cache(maxsize=8)  # as many as there are sizes of batches
    def where(pictures: int, height: int, width: int) -> tuple[Tensor, tuple[int, int]]:
        return _index(axes, extent, pictures, height, width)

    def run(maps: Tensor) -> Tensor:
        index, block = where(len(maps), *maps.shape[2:])
        rows = maps.permute(0, 2, 3, 1).contiguous()
        cells = Cells(maps.new_zeros(1, maps.shape[1]), index, rows, 1)
        found = kernel.run(cells, len(maps), block, extent, step.limits or UNLIMITED)
        return found.permute(0, 3, 1, 2)

    return run


def _index(
    axes: KernelAxes, extent: tuple[int, int], pictures: int, height: int, width: int
) -> tuple[Tensor, tuple[int, int]]:
    """Which row each cell of each picture's block is, counted from 1; row 0 is the padding. And the block's size."""
    at = np.zeros(1, dtype=np.int64)
    rows, columns = (axis.reads(Span(at, size, size))[0] for axis, size in zip(axes, extent, strict=True))
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    first = 1 + np.arange(pictures)[:, None, None] * (height * width)
    index = np.where(inside, first + rows[:, None] * width + columns, 0).astype(np.int32)
    return torch.from_numpy(index), (len(rows), len(columns))
