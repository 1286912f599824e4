"""Sliding kernels: a window of the value needs a larger block of the input, with the padding written out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.occluding.plan import Outcome, Planner, Rule, logical, physical
from convsight.occluding.regions import Span, Window
from convsight.occluding.rules.compiled import compiled
from convsight.occluding.rules.geometry import (
    KernelAxes,
    KernelAxis,
    block_cost,
    convolution_axes,
    pair,
    whole_cost,
)
from convsight.occluding.trace import Step, limited


def slide(
    step: Step, plan: Planner, axes: KernelAxes, pad: float, macs: float, run: Callable[[Tensor], Tensor]
) -> Outcome | None:
    """The windows of a value, by `run` on blocks of cells (n c h w); None if whole maps are cheaper.

    `macs` are the multiply-adds for one cell, and `pad` is the value of cells outside of the maps.
    """
    window = plan.wanted(step.index)
    if window is None or block_cost(step, plan, window, axes, macs) > whole_cost(step, plan, macs):
        return None
    rows, columns = axes[0].reads(window.rows), axes[1].reads(window.columns)
    blocks = plan.cells_of(step.parents[0], rows, columns, pad)
    return Outcome(window, lambda values: physical(run(logical(blocks(values), (2, 3))), (2, 3)))


def convolution(step: Step, plan: Planner) -> Outcome | None:
    weight = step.argument(1, "weight")
    if not isinstance(weight, Tensor) or weight.ndim != 4 or len(set(step.parents)) > 1:
        return None
    axes = convolution_axes(step, weight)
    if axes is None or plan.places_of(step.parents[0]) != (2, 3):
        return None
    groups = step.argument(8 if step.kind == "convolution" else 6, "groups", 1)
    outcome = compiled(step, plan, axes, groups) if plan.compiled else None
    if outcome is not None:
        return outcome
    if plan.windows[step.parents[0]] is None:
        return _whole(step, plan, axes, groups)
    run = _kernel(step, plan, [a.step for a in axes], [0, 0], axes, groups)
    return slide(step, plan, axes, 0.0, float(weight.numel()), run)


def _kernel(
    step: Step, plan: Planner, stride: list[int], padding: list[int], axes: KernelAxes, groups: int
) -> Callable[[Tensor], Tensor]:
    """The convolution, and the activation joined to it, of maps whose channels are last."""
    dilation = [a.dilation for a in axes]

    def laid_out() -> tuple[Tensor, Tensor | None]:
        weight, bias = step.weights()
        return weight.contiguous(memory_format=torch.channels_last), bias

    weight, bias = plan.lay_out(("channels last", step.index), laid_out)

    def run(maps: Tensor) -> Tensor:
        return limited(F.conv2d(maps, weight, bias, stride, padding, dilation, groups), step.limits)

    return run


def _whole(step: Step, plan: Planner, axes: KernelAxes, groups: int) -> Outcome | None:
    """The convolution of whole maps, whose channels are already last; None for padding that is not two numbers."""
    value, padding = plan.value_of(step.parents[0]), step.argument(4, "padding", 0)
    if isinstance(padding, str) or step.padded:
        return None
    run = _kernel(step, plan, [a.stride for a in axes], list(pair(padding)), axes, groups)
    return Outcome(None, lambda values: run(value(values)))


def _can_slide(step: Step, plan: Planner) -> bool:
    return plan.windows[step.parents[0]] is not None and plan.places_of(step.parents[0]) == (2, 3)


def _pool_axes(step: Step, dilated: bool) -> KernelAxes:
    kernel = pair(step.argument(1, "kernel_size"))
    stride = pair(step.argument(2, "stride") or kernel)
    padding = pair(step.argument(3, "padding", 0))
    dilation = pair(step.argument(4, "dilation", 1)) if dilated else (1, 1)
    rows, columns = (KernelAxis(kernel[a], stride[a], padding[a], dilation[a]) for a in (0, 1))
    return rows, columns


def max_pool(step: Step, plan: Planner) -> Outcome | None:
    if not _can_slide(step, plan):
        return None
    axes = _pool_axes(step, dilated=True)
    kernel, dilation = [a.kernel for a in axes], [a.dilation for a in axes]
    steps = [a.step for a in axes]
    cost = kernel[0] * kernel[1] * step.shape[0]

    def run(block: Tensor) -> Tensor:
        return torch.max_pool2d(block, kernel, steps, 0, dilation)

    return slide(step, plan, axes, float("-inf"), cost, run)


def average_pool(step: Step, plan: Planner) -> Outcome | None:
    """Sums over the padded block, divided by how many cells the average counts at each place."""
    window = plan.wanted(step.index)
    if window is None or not _can_slide(step, plan):
        return None
    axes = _pool_axes(step, dilated=False)
    kernel, steps = [a.kernel for a in axes], [a.step for a in axes]
    divisor = step.argument(6, "divisor_override")
    cost = kernel[0] * kernel[1] * step.shape[0]
    if divisor is None and not any(a.before for a in axes) and not _overhangs(step, plan, axes):
        return slide(step, plan, axes, 0.0, cost, lambda block: F.avg_pool2d(block, kernel, steps))
    counts = [divisor] * len(plan.parts) if divisor else plan.by_part(_counts(step, plan, axes, window))

    def run(block: Tensor) -> Tensor:
        return F.avg_pool2d(block, kernel, steps, divisor_override=1) / counts[plan.turn]

    return slide(step, plan, axes, 0.0, cost, run)


def _overhangs(step: Step, plan: Planner, axes: KernelAxes) -> bool:
    """Whether the last cell of a ceil_mode pool reads beyond the maps."""
    extent = plan.clean_maps_of(step.parents[0]).shape[1:3]
    return any(
        (n - 1) * a.stride + a.kernel > e for n, a, e in zip(step.shape[1:], axes, extent, strict=True)
    )


def _counts(step: Step, plan: Planner, axes: KernelAxes, window: Window) -> Tensor:
    extent = plan.clean_maps_of(step.parents[0]).shape[1:3]
    padded = bool(step.argument(5, "count_include_pad", True))
    rows, columns = (
        _taps(axis, span, length, padded)
        for axis, span, length in zip(axes, (window.rows, window.columns), extent, strict=True)
    )
    counts = rows[:, :, None] * columns[:, None, :]
    return torch.from_numpy(counts)[:, None].to(plan.like)


def _taps(axis: KernelAxis, span: Span, length: int, padded: bool) -> np.ndarray:
    """How many cells each place's average divides by along one axis."""
    margin = axis.before if padded else 0
    first = span.cells() * axis.stride - axis.before
    return np.minimum(first + axis.kernel, length + margin) - np.maximum(first, -margin)


RULES: dict[str, Rule] = {
    "conv2d": convolution,
    "convolution": convolution,
    "max_pool2d": max_pool,
    "max_pool2d_with_indices": max_pool,
    "avg_pool2d": average_pool,
}
