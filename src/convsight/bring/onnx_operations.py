"""What does each operation of ONNX compute, in PyTorch's operations? One function each, by ONNX's name for it.

The semantics are those of https://onnx.ai/onnx/operators, for the versions of operator sets 7 and later. A function
takes the inputs (None where one is left out), the attributes, and returns one value or a tuple.
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


def _conv(x: Inputs, a: Attributes) -> Tensor:
    weight = x[1]
    maps, padding = _padding(x[0], a, weight.shape[2:], 0.0)
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[weight.ndim]
    rank = weight.ndim - 2
    bias = x[2] if len(x) > 2 else None
    return convolve(
        maps,
        weight,
        bias,
        a.get("strides", [1] * rank),
        padding,
        a.get("dilations", [1] * rank),
        a.get("group", 1),
    )


def _conv_transpose(x: Inputs, a: Attributes) -> Tensor:
    rank = x[1].ndim - 2
    pads = a.get("pads", [0] * 2 * rank)
    if pads[:rank] != pads[rank:] or "output_shape" in a:
        raise NotImplementedError("ConvTranspose with pads that differ")
    return F.conv_transpose2d(
        x[0], x[1], x[2] if len(x) > 2 else None, a.get("strides", [1] * rank), pads[:rank],
        a.get("output_padding", [0] * rank), a.get("group", 1), a.get("dilations", [1] * rank),
    )  # fmt: skip


def _max_pool(x: Inputs, a: Attributes) -> Tensor:
    kernel = a["kernel_shape"]
    maps, padding = _padding(x[0], a, kernel, float("-inf"))
    strides = a.get("strides", [1] * len(kernel))
    return F.max_pool2d(maps, kernel, strides, padding, a.get("dilations", 1), bool(a.get("ceil_mode", 0)))


def _average_pool(x: Inputs, a: Attributes) -> Tensor:
    kernel, counts = a["kernel_shape"], bool(a.get("count_include_pad", 0))
    strides, ceil = a.get("strides", [1] * len(kernel)), bool(a.get("ceil_mode", 0))
    maps, padding = _padding(x[0], a, kernel, 0.0)
    if maps is x[0] or counts:
        return F.avg_pool2d(maps, kernel, strides, padding, ceil, counts)
    ones, _ = _padding(torch.ones_like(x[0][:1, :1]), a, kernel, 0.0)
    return F.avg_pool2d(maps, kernel, strides, 0, ceil) / F.avg_pool2d(ones, kernel, strides, 0, ceil)


def _gemm(x: Inputs, a: Attributes) -> Tensor:
    left = x[0].t() if a.get("transA") else x[0]
    weight = x[1] if a.get("transB") else x[1].t()
    bias = x[2] if len(x) > 2 else None
    if a.get("alpha", 1.0) == 1 and (bias is None or (a.get("beta", 1.0) == 1 and bias.ndim == 1)):
        return F.linear(left, weight, bias)
    product = a.get("alpha", 1.0) * F.linear(left, weight)
    return product if bias is None else product + a.get("beta", 1.0) * bias


def _matmul(x: Inputs, a: Attributes) -> Tensor:
    fixed = x[1].ndim == 2 and x[0].ndim > 1 and not x[1].requires_grad
    return F.linear(x[0], x[1].t()) if fixed else torch.matmul(x[0], x[1])


def _softmax(name: str) -> Operation:
    def operation(x: Inputs, a: Attributes) -> Tensor:
        squash = getattr(torch, name)
        if a["opset"] >= 13:
            return squash(x[0], a.get("axis", -1))
        return squash(x[0].flatten(a.get("axis", 1)), -1).reshape(x[0].shape)

    return operation


def _reduce(reduce: Callable[..., Tensor]) -> Operation:
    def operation(x: Inputs, a: Attributes) -> Tensor:
        axes = numbers(given(x, 1, a, "axes"))
        if not axes and a.get("noop_with_empty_axes"):
            return x[0]
        return reduce(x[0], axes or list(range(x[0].ndim)), bool(a.get("keepdims", 1)))

    return operation


def _reshape(x: Inputs, a: Attributes) -> Tensor:
    shape = numbers(given(x, 1, a, "shape"))
    if not a.get("allowzero"):
        shape = [x[0].shape[i] if n == 0 else n for i, n in enumerate(shape)]
    fixed, n = a["batch"]
    if fixed and shape[:1] == [fixed] and n != fixed and x[0].shape[:1] == (n,):
        shape[0] = n  # the file was written for a fixed number of pictures
    return x[0].reshape(shape)


def _squeeze(x: Inputs, a: Attributes) -> Tensor:
    axes = numbers(given(x, 1, a, "axes"))
    return x[0].squeeze(tuple(axes)) if axes else x[0].squeeze()


def _unsqueeze(x: Inputs, a: Attributes) -> Tensor:
    axes = numbers(given(x, 1, a, "axes"))
    value, rank = x[0], x[0].ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        value = value.unsqueeze(axis)
    return value


def _slice(x: Inputs, a: Attributes) -> Tensor:
    starts, ends = numbers(given(x, 1, a, "starts")), numbers(given(x, 2, a, "ends"))
    axes = numbers(given(x, 3, a, "axes")) or list(range(len(starts)))
    steps = numbers(x[4] if len(x) > 4 else None) or [1] * len(starts)
    value = x[0]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 0:
            index = list(range(value.shape[axis]))[slice(start, end, step)]
            value = value.index_select(axis, torch.tensor(index))
        else:
            value = value[(slice(None),) * (axis % value.ndim) + (slice(start, end, step),)]
    return value


def _split(x: Inputs, a: Attributes) -> tuple[Tensor, ...]:
    axis, parts = a.get("axis", 0), numbers(given(x, 1, a, "split"))
    if parts:
        return torch.split(x[0], parts, axis)
    return torch.split(x[0], -(-x[0].shape[axis] // a["outputs"]), axis)


def _gather(x: Inputs, a: Attributes) -> Tensor:
    axis, index = a.get("axis", 0) % x[0].ndim, x[1].long()
    index = torch.where(index < 0, index + x[0].shape[axis], index)
    if index.ndim == 0:
        return x[0].select(axis, int(index))
    return x[0].index_select(axis, index.flatten()).unflatten(axis, index.shape)


def _pad(x: Inputs, a: Attributes) -> Tensor:
    pads, value = numbers(given(x, 1, a, "pads")), given(x, 2, a, "value")
    rank = x[0].ndim
    axes = numbers(x[3] if len(x) > 3 else None) or list(range(rank))
    sides = {axis % rank: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    flat = [p for axis in reversed(range(rank)) for p in sides.get(axis, (0, 0))]
    mode: str = a.get("mode", "constant")
    mode = "replicate" if mode == "edge" else mode
    if mode == "constant":
        return F.pad(x[0], flat, value=0.0 if value is None else float(value))
    return F.pad(x[0], flat[:4], mode=mode)


def _resize(x: Inputs, a: Attributes) -> Tensor:
    scales, sizes = (x[-1] if len(x) < 4 else x[2]), x[3] if len(x) > 3 else None
    maps, how = x[0], a.get("mode", "nearest")
    size = numbers(sizes)[2:] or [
        int(n * s) for n, s in zip(maps.shape[2:], scales.tolist()[2:], strict=True)
    ]
    where = a.get("coordinate_transformation_mode", "half_pixel" if a["opset"] > 10 else "asymmetric")
    if how == "nearest":
        if where not in ("asymmetric", "half_pixel", "pytorch_half_pixel"):
            raise NotImplementedError(f"Resize by nearest with {where}")
        return F.interpolate(maps, size, mode="nearest" if where == "asymmetric" else "nearest-exact")
    if where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise NotImplementedError(f"Resize by {how} with {where}")
    mode = {"linear": "bilinear", "cubic": "bicubic"}[how]
    return F.interpolate(maps, size, mode=mode, align_corners=where == "align_corners")


def _clip(x: Inputs, a: Attributes) -> Tensor:
    low, high = given(x, 1, a, "min"), given(x, 2, a, "max")
    low, high = (None if v is None else float(v) for v in (low, high))
    return x[0] if low is None and high is None else torch.clamp(x[0], low, high)


def _layer_norm(x: Inputs, a: Attributes) -> Tensor:
    shape = x[0].shape[a.get("axis", -1) :]
    return F.layer_norm(x[0], shape, x[1], x[2] if len(x) > 2 else None, a.get("epsilon", 1e-5))


def _depth_to_space(x: Inputs, a: Attributes) -> Tensor:
    if a.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x[0], a["blocksize"])
    n, c, h, w = x[0].shape
    b = a["blocksize"]
    return (
        x[0].reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)
    )


def _range(x: Inputs, a: Attributes) -> Tensor:
    return torch.arange(*(value.item() for value in x), dtype=x[0].dtype)


def _expand(x: Inputs, a: Attributes) -> Tensor:
    return x[0].expand(torch.broadcast_shapes(x[0].shape, tuple(numbers(x[1]))))


def _dequantize(x: Inputs, a: Attributes) -> Tensor:
    scale, zero = _along(x[1], x[0], a), _along(x[2], x[0], a) if len(x) > 2 and x[2] is not None else 0
    return (x[0].float() - (zero.float() if isinstance(zero, Tensor) else zero)) * scale


def _quantize(x: Inputs, a: Attributes) -> Tensor:
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


def _scatter_nd(x: Inputs, a: Attributes) -> Tensor:
    if a.get("reduction", "none") != "none":
        raise NotImplementedError("ScatterND with a reduction")
    return x[0].index_put(x[1].long().unbind(-1), x[2])


def _each(function: Callable[..., Any]) -> Operation:
    return lambda x, a: function(*x)


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    def operation(x: Inputs, a: Attributes) -> Tensor:
        value = x[0]
        for other in x[1:]:
            value = function(value, other)
        return value

    return operation


def _div(one: Tensor, other: Tensor) -> Tensor:
    return one / other if one.is_floating_point() else torch.div(one, other, rounding_mode="trunc")


def _batch_norm(x: Inputs, a: Attributes) -> Tensor:
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], eps=a.get("epsilon", 1e-5))


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Relu": torch.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Softplus": F.softplus, "Softsign": F.softsign,
    "Mish": F.mish, "Erf": torch.erf, "Exp": torch.exp, "Log": torch.log, "Sqrt": torch.sqrt, "Neg": torch.neg,
    "Abs": torch.abs, "Reciprocal": torch.reciprocal, "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round,
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": _div, "Pow": torch.pow, "Where": torch.where,
    "Equal": torch.eq, "Greater": torch.gt, "Less": torch.lt, "GreaterOrEqual": torch.ge, "LessOrEqual": torch.le,
    "Not": torch.logical_not, "And": torch.logical_and, "Or": torch.logical_or, "HardSwish": F.hardswish,
    "Sin": torch.sin, "Cos": torch.cos, "Sign": torch.sign, "Identity": lambda x: x,
}  # fmt: skip

OPERATIONS: dict[str, Operation] = {
    **{name: _each(function) for name, function in ELEMENTWISE.items()},
    "PRelu": lambda x, a: torch.where(x[0] >= 0, x[0], x[0] * x[1]),
    "LeakyRelu": lambda x, a: F.leaky_relu(x[0], a.get("alpha", 0.01)),
    "Elu": lambda x, a: F.elu(x[0], a.get("alpha", 1.0)),
    "Celu": lambda x, a: F.celu(x[0], a.get("alpha", 1.0)),
    "Selu": lambda x, a: F.selu(x[0]),
    "Gelu": lambda x, a: F.gelu(x[0], approximate=a.get("approximate", "none")),
    "HardSigmoid": lambda x, a: torch.clamp(a.get("alpha", 0.2) * x[0] + a.get("beta", 0.5), 0, 1),
    "Swish": lambda x, a: F.silu(x[0]) if a.get("alpha", 1.0) == 1 else x[0] * torch.sigmoid(a["alpha"] * x[0]),
    "Clip": _clip, "Softmax": _softmax("softmax"), "LogSoftmax": _softmax("log_softmax"), "Dropout": lambda x, a: x[0],
    "Conv": _conv, "ConvTranspose": _conv_transpose, "BatchNormalization": _batch_norm, "Gemm": _gemm, "MatMul": _matmul,
    "MaxPool": _max_pool, "AveragePool": _average_pool, "GlobalAveragePool": lambda x, a: F.adaptive_avg_pool2d(x[0], 1),
    "GlobalMaxPool": lambda x, a: F.adaptive_max_pool2d(x[0], 1), "LayerNormalization": _layer_norm,
    "InstanceNormalization": lambda x, a: F.instance_norm(x[0], weight=x[1], bias=x[2], eps=a.get("epsilon", 1e-5)),
    "GroupNormalization": lambda x, a: F.group_norm(x[0], a["num_groups"], x[1], x[2], a.get("epsilon", 1e-5)),
    "LRN": lambda x, a: F.local_response_norm(x[0], a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)),
    "ReduceMean": _reduce(torch.mean), "ReduceSum": _reduce(torch.sum), "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin), "ReduceL2": _reduce(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceLogSumExp": _reduce(torch.logsumexp), "ReduceSumSquare": _reduce(lambda x, d, k: torch.sum(x * x, d, k)),
    "Max": _folded(torch.maximum), "Min": _folded(torch.minimum), "Sum": _folded(torch.add),
    "Flatten": lambda x, a: x[0].flatten(a.get("axis", 1)) if a.get("axis", 1) in (1, -x[0].ndim + 1) else
        x[0].reshape(x[0].shape[: a["axis"]].numel(), -1),
    "Reshape": _reshape, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Slice": _slice, "Split": _split, "Gather": _gather,
    "Transpose": lambda x, a: x[0].permute(a.get("perm", list(range(x[0].ndim))[::-1])),
    "Concat": lambda x, a: torch.cat(list(x), a["axis"]), "Expand": _expand, "Pad": _pad, "Resize": _resize,
    "Upsample": _resize, "Tile": lambda x, a: x[0].repeat(numbers(x[1])), "Shape": lambda x, a: torch.tensor(x[0].shape)[
        a.get("start", 0) : a.get("end")], "Constant": lambda x, a: a["value"], "Range": _range,
    "ConstantOfShape": lambda x, a: torch.full(numbers(x[0]), a["value"].item() if "value" in a else 0.0),
    "Cast": lambda x, a: x[0].to(a["to"]), "CastLike": lambda x, a: x[0].to(x[1].dtype),
    "DepthToSpace": _depth_to_space, "SpaceToDepth": lambda x, a: F.pixel_unshuffle(x[0], a["blocksize"]),
    "Einsum": lambda x, a: torch.einsum(a["equation"], *x), "QuantizeLinear": _quantize, "DequantizeLinear": _dequantize,
    "Trilu": lambda x, a: (torch.triu if a.get("upper", 1) else torch.tril)(x[0], int(x[1]) if len(x) > 1 else 0),
    "ScatterND": _scatter_nd, "GatherElements": lambda x, a: torch.gather(x[0], a.get("axis", 0), x[1].long()),
    "Mod": lambda x, a: torch.fmod(*x) if a.get("fmod") else torch.remainder(*x),
}  # fmt: skip
