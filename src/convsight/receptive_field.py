"""Which pixels can a unit see, exactly?

Rows and columns are independent, so for each operation's value and each axis the answer is one interval of
input pixels per position: `first[i] .. last[i]`, both included, clipped at the picture's borders. Intervals
are carried through the graph by one small rule per kind of operation; an operation without a rule is taken
to see everything, which is never too little. Araujo, Norris & Sim 2019 give the closed forms for chains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.graph import Node

NOTHING = (1 << 30, -1)  # an interval that any union replaces: a padded zero sees no pixel


@dataclass(frozen=True)
class Axis:
    """What the positions along one axis see: `first`, `last` (int64, one per position) and unclipped size."""

    first: Tensor
    last: Tensor
    size: int  # pixels a unit sees away from every border
    jump: float  # pixels between neighbouring units
    length: int  # of the picture

    @classmethod
    def of_picture(cls, length: int) -> Axis:
        at = torch.arange(length)
        return cls(at, at.clone(), 1, 1.0, length)

    def everything(self, positions: int) -> Axis:
        first, last = torch.zeros(positions, dtype=torch.long), torch.full((positions,), self.length - 1)
        return Axis(first, last, self.length, float(self.length), self.length)

    def select(self, index: Tensor, jump: float = 1.0) -> Axis:
        """Positions `index` of this axis; -1 is a padded zero."""
        pad = index < 0
        first = self.first[index.clamp(min=0)].masked_fill(pad, NOTHING[0])
        last = self.last[index.clamp(min=0)].masked_fill(pad, NOTHING[1])
        return Axis(first, last, self.size, self.jump * jump, self.length)

    def slide(self, kernel: int, stride: int, before: int, dilation: int, positions: int) -> Axis:
        """A window of `kernel` taps moved by `stride`, the first tap `before` positions outside."""
        taps = torch.arange(positions)[:, None] * stride - before + torch.arange(kernel) * dilation
        index = torch.where((taps >= 0) & (taps < len(self.first)), taps, -1)
        seen = self.select(index.flatten())
        first, last = seen.first.view(positions, kernel).amin(1), seen.last.view(positions, kernel).amax(1)
        size = self.size + int((kernel - 1) * dilation * self.jump)
        return Axis(first, last, size, self.jump * stride, self.length)

    def union(self, other: Axis) -> Axis:
        return Axis(
            torch.minimum(self.first, other.first),
            torch.maximum(self.last, other.last),
            max(self.size, other.size),
            max(self.jump, other.jump),
            self.length,
        )


Field = tuple[Axis, Axis]  # rows, columns


@dataclass(frozen=True)
class Box:
    """Pixels `top <= y < bottom`, `left <= x < right` of the picture."""

    top: int
    left: int
    bottom: int
    right: int


def fields(nodes: Sequence[Node], height: int, width: int) -> list[Field]:
    """The field of each node's value, in order, for a picture of `height` by `width` pixels."""
    picture = (Axis.of_picture(height), Axis.of_picture(width))
    found: list[Field] = []
    for node in nodes:
        inputs = [picture if index < 0 else found[index] for index in dict.fromkeys(node.parents)]
        size = tuple(node.shape[2:]) if len(node.shape) == 4 else (1, 1)
        rule = RULES.get(node.kind)
        field = rule(node, inputs) if rule and len(node.shape) == 4 else None
        if field is None or tuple(len(axis.first) for axis in field) != size:
            field = tuple(axis.everything(n) for axis, n in zip(picture, size, strict=True))
        found.append(field)  # type: ignore[arg-type]
    return found


def box(field: Field, y: int, x: int) -> Box | None:
    """The pixels that unit (y, x) sees; None for one that sees only padding."""
    rows, columns = field
    top, bottom = int(rows.first[y]), int(rows.last[y])
    left, right = int(columns.first[x]), int(columns.last[x])
    return None if bottom < top or right < left else Box(top, left, bottom + 1, right + 1)


def _argument(node: Node, position: int, name: str, default: Any = None) -> Any:
    if position < len(node.args):
        return node.args[position]
    return node.kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (tuple, list, torch.Size)) else [value]
    return (int(values[0]), int(values[-1]))


def _convolution(node: Node, inputs: list[Field]) -> Field | None:
    weight = _argument(node, 1, "weight")
    if not isinstance(weight, Tensor):
        return None
    stride, dilation = _pair(_argument(node, 3, "stride", 1)), _pair(_argument(node, 5, "dilation", 1))
    padding = _argument(node, 4, "padding", 0)
    out = []
    for axis in (0, 1):
        kernel = weight.shape[2 + axis]
        reach = dilation[axis] * (kernel - 1)
        before = reach // 2 if padding == "same" else 0 if padding == "valid" else _pair(padding)[axis]
        out.append(inputs[0][axis].slide(kernel, stride[axis], before, dilation[axis], node.shape[2 + axis]))
    return tuple(out)  # type: ignore[return-value]


def _pool(node: Node, inputs: list[Field]) -> Field:
    kernel = _pair(_argument(node, 1, "kernel_size"))
    stride = _pair(_argument(node, 2, "stride") or kernel)
    padding = _pair(_argument(node, 3, "padding", 0))
    dilated = node.kind.startswith("max")
    dilation = _pair(_argument(node, 4, "dilation", 1)) if dilated else (1, 1)
    rows, columns = (
        inputs[0][a].slide(kernel[a], stride[a], padding[a], dilation[a], node.shape[2 + a]) for a in (0, 1)
    )
    return rows, columns


def _adaptive_pool(node: Node, inputs: list[Field]) -> Field:
    def axis(source: Axis, positions: int) -> Axis:
        length = len(source.first)
        starts = [i * length // positions for i in range(positions)]
        stops = [-(-(i + 1) * length // positions) for i in range(positions)]
        first = torch.stack([source.first[a:b].amin() for a, b in zip(starts, stops, strict=True)])
        last = torch.stack([source.last[a:b].amax() for a, b in zip(starts, stops, strict=True)])
        widest = max(b - a for a, b in zip(starts, stops, strict=True))
        size = source.size + int((widest - 1) * source.jump)
        return Axis(first, last, size, source.jump * length / positions, source.length)

    rows, columns = (axis(inputs[0][a], node.shape[2 + a]) for a in (0, 1))
    return rows, columns


def _elementwise(node: Node, inputs: list[Field]) -> Field | None:
    """Same position in, same position out; a value broadcast along an axis is seen by every position."""
    out = []
    for a in (0, 1):
        positions = node.shape[2 + a]
        axes = [field[a] if len(field[a].first) == positions else None for field in inputs]
        spread = [f[a] for f, axis in zip(inputs, axes, strict=True) if axis is None]
        if any(len(axis.first) != 1 for axis in spread):
            return None
        axes = [axis for axis in axes if axis is not None]
        for axis in spread:
            one = axis.select(torch.zeros(positions, dtype=torch.long))
            axes.append(one)
        merged = axes[0]
        for axis in axes[1:]:
            merged = merged.union(axis)
        out.append(merged)
    return tuple(out)  # type: ignore[return-value]


def _pad(node: Node, inputs: list[Field]) -> Field | None:
    margins = list(_argument(node, 1, "pad") or ()) + [0] * 4
    mode = _argument(node, 2, "mode", "constant")
    out = []
    for a, (before, after) in ((0, margins[2:4]), (1, margins[0:2])):
        index = torch.arange(len(inputs[0][a].first))
        if mode == "constant":
            index = F.pad(index, (before, after), value=-1)
        else:
            index = F.pad(index[None, None].float(), (before, after), mode=mode)[0, 0].long()
        out.append(inputs[0][a].select(index))
    return tuple(out)  # type: ignore[return-value]


def _getitem(node: Node, inputs: list[Field]) -> Field | None:
    chosen = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    if not all(isinstance(item, slice) for item in chosen):
        return None
    slices = [*chosen, *[slice(None)] * (4 - len(chosen))][2:]
    out = []
    for a in (0, 1):
        index = torch.arange(len(inputs[0][a].first))[slices[a]]
        out.append(inputs[0][a].select(index, float(slices[a].step or 1)))
    return tuple(out)  # type: ignore[return-value]


def _slice(node: Node, inputs: list[Field]) -> Field:
    dim = _argument(node, 1, "dim", 0) % 4
    start, stop, step = (_argument(node, 2 + i, n) for i, n in enumerate(("start", "end", "step")))
    fields = list(inputs[0])
    if dim >= 2:
        axis = fields[dim - 2]
        fields[dim - 2] = axis.select(torch.arange(len(axis.first))[start:stop:step], float(step or 1))
    return fields[0], fields[1]


def _mean(node: Node, inputs: list[Field]) -> Field | None:
    """A mean over channels keeps its place; one over rows or columns (keepdim) sees the whole axis."""
    dims = _argument(node, 1, "dim")
    dims = (
        {d % 4 for d in (dims if isinstance(dims, (tuple, list)) else [dims])} if dims is not None else set()
    )
    if not dims:
        return None
    out = [axis.everything(1) if 2 + a in dims else axis for a, axis in enumerate(inputs[0])]
    return out[0], out[1]


def _interpolate(node: Node, inputs: list[Field]) -> Field | None:
    mode = _argument(node, 3, "mode", "nearest")
    out = []
    for a in (0, 1):
        source, positions = inputs[0][a], node.shape[2 + a]
        length = len(source.first)
        probe = torch.eye(length)[None, :, None]  # one channel per source position
        seen = F.interpolate(probe, size=(1, positions), mode="nearest" if mode == "nearest" else "bilinear")
        if mode not in ("nearest", "bilinear"):
            return None
        used = seen[0, :, 0].T > 0  # positions by length
        if mode == "bilinear":  # aligned corners shift a tap by at most one place
            used = used | used.roll(1, 1) | used.roll(-1, 1)
        first = torch.where(used, source.first, NOTHING[0]).amin(1)
        last = torch.where(used, source.last, NOTHING[1]).amax(1)
        size = source.size + int(source.jump) * (2 if mode == "bilinear" else 0)
        out.append(Axis(first, last, size, source.jump * length / positions, source.length))
    return tuple(out)  # type: ignore[return-value]


Rule = Callable[[Node, list[Field]], Field | None]
RULES: dict[str, Rule] = {
    "conv2d": _convolution,
    "convolution": lambda node, inputs: (
        None if _argument(node, 6, "transposed") else _convolution(node, inputs)
    ),
    "max_pool2d": _pool,
    "max_pool2d_with_indices": _pool,
    "avg_pool2d": _pool,
    "adaptive_avg_pool2d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "getitem": _getitem,
    "slice": _slice,
    "mean": _mean,
    "interpolate": _interpolate,
}
POSITION_WISE = """
    relu relu6 leaky_relu prelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh softplus rrelu
    sigmoid tanh clamp clamp_min clamp_max threshold softmax log_softmax dropout dropout1d dropout2d
    alpha_dropout feature_dropout feature_alpha_dropout batch_norm exp log sqrt rsqrt pow square abs neg
    add sub mul div maximum minimum cat concat concatenate where lerp addcmul addcdiv channel_shuffle
    local_response_norm logsigmoid softsign hardshrink softshrink tanhshrink
"""
RULES |= dict.fromkeys(POSITION_WISE.split(), _elementwise)
