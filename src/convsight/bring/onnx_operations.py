"""What does each operation of ONNX compute, in PyTorch's operations? One function each, by ONNX's name for it.

The semantics are those of https://onnx.ai/onnx/operators, for the versions of operator sets 7 and later. A function
takes the inputs (None where one is left out), the attributes, and returns one value or a tuple. Layers are in
`onnx_layers`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.bring.onnx_layers import (
    Attributes,
    Inputs,
    Operation,
    average_pool,
    batch_norm,
    conv,
    conv_transpose,
    dequantize,
    gemm,
    given,
    layer_norm,
    matmul,
    max_pool,
    numbers,
    quantize,
)  # fmt: skip


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


def _scatter_nd(x: Inputs, a: Attributes) -> Tensor:
    if a.get("reduction", "none") != "none":
        raise NotImplementedError("ScatterND with a reduction")
    return x[0].index_put(x[1].long().unbind(-1), x[2])


def _each(function: Callable[..., Any]) -> Operation:
    return lambda x, a: function(*x)


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    return lambda x, a: functools.reduce(function, x)


def _div(one: Tensor, other: Tensor) -> Tensor:
    return one / other if one.is_floating_point() else torch.div(one, other, rounding_mode="trunc")


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
    "Conv": conv, "ConvTranspose": conv_transpose, "BatchNormalization": batch_norm, "Gemm": gemm, "MatMul": matmul,
    "MaxPool": max_pool, "AveragePool": average_pool, "GlobalAveragePool": lambda x, a: F.adaptive_avg_pool2d(x[0], 1),
    "GlobalMaxPool": lambda x, a: F.adaptive_max_pool2d(x[0], 1), "LayerNormalization": layer_norm,
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
    "Einsum": lambda x, a: torch.einsum(a["equation"], *x), "QuantizeLinear": quantize, "DequantizeLinear": dequantize,
    "Trilu": lambda x, a: (torch.triu if a.get("upper", 1) else torch.tril)(x[0], int(x[1]) if len(x) > 1 else 0),
    "ScatterND": _scatter_nd, "GatherElements": lambda x, a: torch.gather(x[0], a.get("axis", 0), x[1].long()),
    "Mod": lambda x, a: torch.fmod(*x) if a.get("fmod") else torch.remainder(*x),
}  # fmt: skip
