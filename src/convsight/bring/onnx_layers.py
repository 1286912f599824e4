"""What does each layer of an ONNX file compute, in PyTorch's operations: convolutions, pools, norms, quantisation?

A function takes the inputs (None where one is left out), the attributes, and returns one value or a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]
Operation = Callable[[Inputs, Attributes], Any]


def numbers(value: Any) -> list[int]:
    """Whole numbers from a tensor or an attribute; nothing is none."""
    return [] if value is None else value.flatten().tolist() if isinstance(value, Tensor) else list(value)


def given(x: Inputs, at: int, a: Attributes, name: str) -> Any:
    """What newer operator sets take as an input and older ones as an attribute."""
    return x[at] if len(x) > at and x[at] is not None else a.get(name)


def _padding(x: Tensor, a: Attributes, kernel: Sequence[int], value: float) -> tuple[Tensor, list[int]]:
    """The maps padded where both sides differ, and the padding that is left to the operation."""
    rank = len(kernel)
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    pads = list(a.get("pads", [0] * 2 * rank))
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        for i, (size, k, s, d) in enumerate(zip(x.shape[2:], kernel, strides, dilations, strict=True)):
            total = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
            less, more = total // 2, total - total // 2
            pads[i], pads[i + rank] = (less, more) if auto == "SAME_UPPER" else (more, less)
    if pads[:rank] == pads[rank:]:
        return x, pads[:rank]
    sides = [p for i in reversed(range(rank)) for p in (pads[i], pads[i + rank])]
    return F.pad(x, sides, value=value), [0] * rank


def conv(x: Inputs, a: Attributes) -> Tensor:
    weight = x[1]
    maps, padding = _padding(x[0], a, weight.shape[2:], 0.0)
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[weight.ndim]
    bias = x[2] if len(x) > 2 else None
    strides, dilations = a.get("strides", 1), a.get("dilations", 1)
    return convolve(maps, weight, bias, strides, padding, dilations, a.get("group", 1))


def conv_transpose(x: Inputs, a: Attributes) -> Tensor:
    rank = x[1].ndim - 2
    pads = a.get("pads", [0] * 2 * rank)
    if pads[:rank] != pads[rank:] or "output_shape" in a:
        raise NotImplementedError("ConvTranspose with pads that differ")
    bias, strides, dilations = x[2] if len(x) > 2 else None, a.get("strides", 1), a.get("dilations", 1)
    more, groups = a.get("output_padding", 0), a.get("group", 1)
    return F.conv_transpose2d(x[0], x[1], bias, strides, pads[:rank], more, groups, dilations)


def max_pool(x: Inputs, a: Attributes) -> Tensor:
    kernel = a["kernel_shape"]
    maps, padding = _padding(x[0], a, kernel, float("-inf"))
    strides = a.get("strides", [1] * len(kernel))
    return F.max_pool2d(maps, kernel, strides, padding, a.get("dilations", 1), bool(a.get("ceil_mode", 0)))


def average_pool(x: Inputs, a: Attributes) -> Tensor:
    kernel, counts = a["kernel_shape"], bool(a.get("count_include_pad", 0))
    strides, ceil = a.get("strides", [1] * len(kernel)), bool(a.get("ceil_mode", 0))
    maps, padding = _padding(x[0], a, kernel, 0.0)
    if maps is x[0] or counts:
        return F.avg_pool2d(maps, kernel, strides, padding, ceil, counts)
    ones, _ = _padding(torch.ones_like(x[0][:1, :1]), a, kernel, 0.0)
    return F.avg_pool2d(maps, kernel, strides, 0, ceil) / F.avg_pool2d(ones, kernel, strides, 0, ceil)


def gemm(x: Inputs, a: Attributes) -> Tensor:
    left = x[0].t() if a.get("transA") else x[0]
    weight = x[1] if a.get("transB") else x[1].t()
    bias = x[2] if len(x) > 2 else None
    if a.get("alpha", 1.0) == 1 and (bias is None or (a.get("beta", 1.0) == 1 and bias.ndim == 1)):
        return F.linear(left, weight, bias)
    product = a.get("alpha", 1.0) * F.linear(left, weight)
    return product if bias is None else product + a.get("beta", 1.0) * bias


def matmul(x: Inputs, a: Attributes) -> Tensor:
    fixed = x[1].ndim == 2 and x[0].ndim > 1 and not x[1].requires_grad
    return F.linear(x[0], x[1].t()) if fixed else torch.matmul(x[0], x[1])


def layer_norm(x: Inputs, a: Attributes) -> Tensor:
    shape = x[0].shape[a.get("axis", -1) :]
    return F.layer_norm(x[0], shape, x[1], x[2] if len(x) > 2 else None, a.get("epsilon", 1e-5))


def dequantize(x: Inputs, a: Attributes) -> Tensor:
    scale, zero = _along(x[1], x[0], a), _along(x[2], x[0], a) if len(x) > 2 and x[2] is not None else 0
    return (x[0].float() - (zero.float() if isinstance(zero, Tensor) else zero)) * scale


def quantize(x: Inputs, a: Attributes) -> Tensor:
    """Whole numbers, kept as floats so that operations can be followed.

    Rounding has no slope. Gradients pass it as if it were not there (the straight-through estimator, Bengio et al.
    2013, arXiv:1308.3432) and stop where a value is clipped. Values are clipped before the zero point is added, so
    that only a clip at the value 0, which stands for a ReLU, has the lower limit 0.
    """
    zero = x[2] if len(x) > 2 and x[2] is not None else torch.zeros((), dtype=torch.uint8)
    limits = torch.iinfo(zero.dtype)
    scaled = x[0] / _along(x[1], x[0], a)
    whole = torch.round(scaled).detach() + (scaled - scaled.detach())  # exactly the rounded value
    at = _along(zero, x[0], a).float()
    low, high = limits.min - at, limits.max - at
    return (whole.clamp(low.item(), high.item()) if at.ndim == 0 else whole.clamp(low, high)) + at


def _along(value: Tensor, like: Tensor, a: Attributes) -> Tensor:
    if value.ndim != 1 or len(value) == 1:
        return value.reshape(())
    return value.reshape([-1 if i == a.get("axis", 1) % like.ndim else 1 for i in range(like.ndim)])


def batch_norm(x: Inputs, a: Attributes) -> Tensor:
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], eps=a.get("epsilon", 1e-5))
