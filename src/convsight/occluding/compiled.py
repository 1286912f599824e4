"""Which convolutions does a compiled kernel compute here? The only file that reaches into the room `accelerate`.

Without that room, without Numba, or on a processor that the kernels are not made for, there are none, and every
operation is torch's.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.occluding.clean_maps import Cells
from convsight.occluding.trace import Step

try:
    from convsight import accelerate
except ImportError:  # the room was left out
    accelerate = None

UNLIMITED = -math.inf, math.inf


class Convolution(Protocol):
    """A convolution that reads its cells where they lie, and cuts its values to limits."""

    def run(
        self,
        cells: Cells,
        windows: int,
        block: tuple[int, int],
        extent: tuple[int, int],
        limits: tuple[float, float],
    ) -> Float[Tensor, "n h w k"]:
        """`windows` windows of `extent`, each from a `block` of cells that includes the padding."""
        ...


def why_not() -> str:
    """Why this machine runs no compiled kernels, and what would help; empty if it does.

    The first call on a machine compiles them, which takes some seconds.
    """
    return accelerate.why_not() if accelerate is not None else "convsight.accelerate is not installed"


def suits(net: Classifier) -> bool:
    """Whether the network works in the numbers and on the device that the kernels are for."""
    return net.device.type == "cpu" and net.dtype == torch.float32


class Layer(Protocol):
    """A convolution's weights, which are laid out for windows of a given size."""

    def for_windows(self, largest: tuple[int, int]) -> Convolution | None:
        """The quickest kernel for windows of up to `largest`; None if there is none for such weights."""
        ...


def layer_of(step: Step, stride: tuple[int, int], dilation: tuple[int, int], groups: int) -> Layer | None:
    """The weights of a convolution for compiled kernels; None if these do not take such numbers."""
    weight, bias, gain = step.unscaled()
    if accelerate is None or weight.dtype != torch.float32 or weight.device.type != "cpu":
        return None
    return accelerate.convolution(weight, bias, gain, stride, dilation, groups)
