"""Which operations are weighted layers, with which weights, and what does a batch normalisation behind one make of them?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from convsight.gradients.relevance.rules import Weighted

CONVOLVING = frozenset({
    "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
})  # fmt: skip
NORMS = frozenset({"batch_norm", "native_batch_norm_legit_no_training", "cudnn_batch_norm"})


@dataclass(frozen=True)
class ArgumentPlaces:
    """Where an operation has its input, weight and bias: the position among its arguments, and the name."""

    x: tuple[int, str] = (0, "input")
    weight: tuple[int, str] = (1, "weight")
    bias: tuple[int, str] | None = (2, "bias")


PLACES = {kind: ArgumentPlaces() for kind in (*CONVOLVING, "linear")} | {
    "addmm": ArgumentPlaces((1, "mat1"), (2, "mat2"), (0, "input")),
    "matmul": ArgumentPlaces((0, "input"), (1, "other"), None),
    "mm": ArgumentPlaces((0, "input"), (1, "mat2"), None),
}


def argument(args: tuple, kwargs: Mapping[str, Any], place: tuple[int, str] | None) -> Any:
    if place is None:
        return None
    position, name = place
    return args[position] if position < len(args) else kwargs.get(name)


def weighted(kind: str, func: Callable, args: tuple, kwargs: Mapping[str, Any]) -> tuple[Weighted, Tensor]:
    """A weighted operation as a `Weighted` layer, and its input."""
    places = PLACES[kind]

    def run(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        given, named = list(args), dict(kwargs)
        values: list[tuple[tuple[int, str], Tensor | None]] = [(places.x, x), (places.weight, weight)]
        if places.bias is not None:
            none = torch.zeros_like(own) if bias is None and own is not None and kind == "addmm" else bias
            values.append((places.bias, none))
        for (position, name), value in values:
            if position < len(given):
                given[position] = value
            else:
                named[name] = value
        return func(*given, **named)

    x, weight = argument(args, kwargs, places.x), argument(args, kwargs, places.weight)
    own = argument(args, kwargs, places.bias)
    return Weighted(run, weight, own, kind in CONVOLVING), x


def output_axis(kind: str, args: tuple) -> int:
    """The axis of the weight along which the outputs lie (those of one group, in transposed convolutions)."""
    turned = "transpose" in kind or (kind == "convolution" and bool(args[6]))
    return 1 if turned or kind == "addmm" else 0


def normalised(
    kind: str, func: Callable, args: tuple, kwargs: Mapping[str, Any]
) -> tuple[Tensor, Tensor] | None:
    """The scale and shift per channel that a batch normalisation applies; None if it takes the batch's own statistics."""
    overload = getattr(func, "_schema", None)
    if overload is None and func is not torch.batch_norm:  # torch.nn.functional.batch_norm
        names = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    elif kind == "native_batch_norm_legit_no_training":
        names = ("weight", "bias", "running_mean", "running_var", "momentum", "eps")
    else:
        names = ("weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
    value = {name: argument(args, kwargs, (i, name)) for i, name in enumerate(names, 1)}
    mean, var = value["running_mean"], value["running_var"]
    if value.get("training") or mean is None:
        return None
    eps = 1e-5 if value["eps"] is None else value["eps"]
    scale = (wide(var) + eps).rsqrt()
    scale = scale if value["weight"] is None else scale * wide(value["weight"])
    shift = -wide(mean) * scale
    return scale, shift if value["bias"] is None else shift + wide(value["bias"])


def wide(value: Tensor) -> Tensor:
    """In float32 at least, because relevance divides by numbers near 0."""
    return value.detach() if value.dtype == torch.float64 else value.detach().float()


def folded(layer: Weighted, axis: int, scale: Tensor, shift: Tensor) -> Weighted:
    """The layer and the batch normalisation behind it as one layer."""
    weight, sides = wide(layer.weight), [1] * layer.weight.ndim
    if axis == 1 and layer.is_convolution:  # transposed: inputs of all groups, outputs of one group
        groups = len(scale) // weight.shape[1]
        each = scale.view(groups, -1).repeat_interleave(len(weight) // groups, 0)
        factor = each.view(*each.shape, *sides[2:])
    else:
        sides[axis] = -1
        factor = scale.view(sides)
    bias = shift if layer.bias is None else wide(layer.bias) * scale + shift
    return replace(layer, weight=weight * factor, bias=bias)
