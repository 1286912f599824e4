"""With which weights, and on which values, does a layer compute the numbers of its maps?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.network.graph import Ref

Kind = Literal["convolution", "linear", "largest", "mean"]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """How one layer makes a number of its input. source: the layer whose value goes in; None: the prepared picture.

    size: of the window that goes over maps. whole: the window is all of the map, and the result has no place.
    """

    kind: Kind
    source: str | None
    weight: Tensor | None = None  # o i h w, or o i
    bias: Tensor | None = None  # o
    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    whole: bool = False


def step_of(net: Classifier, layer: str) -> Step | None:
    """None for layers that are neither a convolution, a pooling nor linear, or work in a way not told here."""
    node = net.layers.nodes[net.layers[layer].index]
    reads, names = READERS.get(node.kind, (None, ()))
    if reads is None or not node.args or not isinstance(node.args[0], Ref):
        return None
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    index = node.args[0].index
    if index < 0:
        return reads(None, given)
    source = list(net.layers.values())[index]
    readable = len(source.output_shape) == 1 if node.kind == "linear" else source.is_map
    return reads(net.layers.nodes[index].name, given) if readable else None


def _convolution(source: str | None, given: dict[str, Any]) -> Step | None:
    if isinstance(given.get("padding"), str):
        return None
    weight: Tensor = given["weight"]
    padding, stride, dilation = (_pair(given.get(name), default) for name, default in SLIDES)
    size = (weight.shape[2], weight.shape[3])
    groups = given.get("groups") or 1
    return Step("convolution", source, weight, given.get("bias"), size, stride, padding, dilation, groups)


def _linear(source: str | None, given: dict[str, Any]) -> Step | None:
    return None if source is None else Step("linear", source, given["weight"], given.get("bias"))


def _pooling(kind: Kind, source: str | None, given: dict[str, Any]) -> Step | None:
    size = _pair(given["kernel_size"], 1)
    padding, _, dilation = (_pair(given.get(name), default) for name, default in SLIDES)
    stride = _pair(given.get("stride") or size, 1)
    if given.get("ceil_mode") or given.get("divisor_override") or (kind == "mean" and any(padding)):
        return None
    return Step(kind, source, None, None, size, stride, padding, dilation)


def _over_everything(kind: Kind, source: str | None, given: dict[str, Any]) -> Step | None:
    axes, side = given.get("dim"), given.get("output_size")
    both_axes = isinstance(axes, tuple | list) and {a % 4 for a in axes} == {2, 3}
    return Step(kind, source, whole=True) if both_axes or side in (1, (1, 1), [1, 1]) else None


def _pair(value: Any, default: int) -> Pair:
    if value is None or value == []:
        return (default, default)
    if isinstance(value, int):
        return (value, value)
    first, second = (*value, *value)[:2]
    return (int(first), int(second))


SLIDES = (("padding", 0), ("stride", 1), ("dilation", 1))
POOLED = ("input", "kernel_size", "stride", "padding")
# By the operation's name: what reads it, and its arguments in PyTorch's order.
READERS: dict[str, tuple[Callable[[str | None, dict[str, Any]], Step | None], tuple[str, ...]]] = {
    "conv2d": (_convolution, ("input", "weight", "bias", "stride", "padding", "dilation", "groups")),
    "linear": (_linear, ("input", "weight", "bias")),
    "max_pool2d": (partial(_pooling, "largest"), (*POOLED, "dilation", "ceil_mode")),
    "avg_pool2d": (
        partial(_pooling, "mean"),
        (*POOLED, "ceil_mode", "count_include_pad", "divisor_override"),
    ),
    "adaptive_avg_pool2d": (partial(_over_everything, "mean"), ("input", "output_size")),
    "adaptive_max_pool2d": (partial(_over_everything, "largest"), ("input", "output_size")),
    "mean": (partial(_over_everything, "mean"), ("input", "dim")),
    "amax": (partial(_over_everything, "largest"), ("input", "dim")),
}


def window(step: Step, y: int, x: int, size: Pair) -> tuple[list[int], list[int]]:
    """Rows and columns of the input of `size` that the cell (y, x) reads; those outside are padding."""
    if step.whole:
        return list(range(size[0])), list(range(size[1]))
    tops = (y, x)
    rows, columns = (
        [tops[a] * step.stride[a] - step.padding[a] + i * step.dilation[a] for i in range(step.size[a])]
        for a in (0, 1)
    )
    return rows, columns


def channels_of(step: Step, channel: int, inputs: int) -> range:
    """The input's channels that an output channel reads: all of them, those of its group, or its own."""
    if step.weight is None:
        return range(channel, channel + 1)
    outputs = step.weight.shape[0]
    each = inputs // step.groups
    start = channel // math.ceil(outputs / step.groups) * each
    return range(start, start + each)
