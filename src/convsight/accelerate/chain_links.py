"""Which steps of a network can a chain carry out, and as what: a weighted sum, or the largest of some cells?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate.rows import limits
from convsight.occluding.rules.geometry import Axis, convolution_axes, pair
from convsight.occluding.simplify import activation
from convsight.occluding.tail import linear_weight
from convsight.occluding.trace import Step

WIDEST = 64  # channels: beyond, large products are quicker than sums in registers
WEIGHTS = 65_536  # of a linear layer: beyond, they are better read once for many positions
POOLS = ("max_pool2d", "max_pool2d_with_indices")


@dataclass(frozen=True)
class Link:
    """One step on maps: the largest of its taps' cells or, with a weight, their weighted sum; between limits."""

    index: int
    source: int
    axes: tuple[Axis, Axis]
    between: tuple[np.float32, np.float32]
    weight: Float[Tensor, "k c h w"] | None = None
    bias: Float[Tensor, " k"] | None = None

    @classmethod
    def of(cls, step: Step, source: int, maps: tuple[int, ...]) -> Link | None:
        """None for a step of another kind; `maps` is the shape of what it reads."""
        between = limits(step.after)
        if (linear := linear_weight(step)) is not None:
            weight, axes = linear.view(-1, *maps), (Axis(maps[1], 1, 0), Axis(maps[2], 1, 0))
            large = max(weight.shape[:2]) > WIDEST or weight.numel() > WEIGHTS
            return None if large else cls(step.index, source, axes, between, weight, step.argument(2, "bias"))
        if step.kind in ("conv2d", "convolution"):
            weight = step.argument(1, "weight")
            groups = step.argument(8 if step.kind == "convolution" else 6, "groups", 1)
            if (
                not isinstance(weight, Tensor)
                or weight.ndim != 4
                or groups != 1
                or max(weight.shape[:2]) > WIDEST
            ):
                return None
            axes = convolution_axes(step, weight)
            return None if axes is None else cls(step.index, source, axes, between, *step.weights())
        if step.kind in POOLS:
            return _pool(step, source)
        after = activation(step)
        one = Axis(1, 1, 0)
        return None if after is None else cls(step.index, source, (one, one), limits(after))


def _pool(step: Step, source: int) -> Link | None:
    kernel = pair(step.argument(1, "kernel_size"))
    stride = pair(step.argument(2, "stride") or kernel)
    padding, dilation = pair(step.argument(3, "padding", 0)), pair(step.argument(4, "dilation", 1))
    if any(padding):
        return None
    axes = tuple(Axis(kernel[a], stride[a], 0, dilation[a]) for a in (0, 1))
    return Link(step.index, source, (axes[0], axes[1]), limits(None))
