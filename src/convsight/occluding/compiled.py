"""Which convolutions does a compiled kernel compute here? This is the only file that imports `convsight.accelerate`.

No convolution does where that package or Numba is missing, or where the processor is not one that the kernels are
made for; torch then computes every operation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from convsight.network.classifier import Classifier
from convsight.occluding.trace import Step

try:
    from convsight import accelerate
except ImportError:  # an installation may leave the package out
    accelerate = None

if TYPE_CHECKING:
    from convsight.accelerate import Layer

UNLIMITED = -math.inf, math.inf


def why_not() -> str:
    """Why this machine runs no compiled kernels, and what would help; empty if it does.

    The first call on a machine compiles them, which takes some seconds.
    """
    return accelerate.why_not() if accelerate is not None else "convsight.accelerate is not installed"


def suits(net: Classifier) -> bool:
    """Whether the network works in the numbers and on the device that the kernels are for."""
    return net.device.type == "cpu" and net.dtype == torch.float32


def layer_of(step: Step, stride: tuple[int, int], dilation: tuple[int, int], groups: int) -> Layer | None:
    """The weights of a convolution for compiled kernels; None if these do not take such numbers."""
    weight, bias, gain = step.unscaled()
    if accelerate is None or weight.dtype != torch.float32 or weight.device.type != "cpu":
        return None
    return accelerate.convolution(weight, bias, gain, stride, dilation, groups)
