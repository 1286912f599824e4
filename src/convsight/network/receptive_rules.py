"""What do the positions of an operation's value see, given what its inputs' positions see? One rule per kind.

A rule takes the operation and the fields of the values that it reads, and returns the field of its value, or
None if it does not know; a unit is then taken to see all that the operation's inputs see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.network.graph import Node
from convsight.network.intervals import Field, Intervals

Rule = Callable[[Node, list[Field]], Field | None]


def _argument(node: Node, position: int, name: str, default: Any = None) -> Any:
    if position < len(node.args):
        return node.args[position]
    return node.kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    values = list(value) if isinstance(value, (tuple, list, torch.Size)) else [value]
    return (int(values[0]), int(values[-1]))


def _per_axis(
    node: Node, inputs: list[Field], rule: Callable[[int, Intervals, int], Intervals | None]
) -> Field | None:
    """`rule(0 or 1, the input's rows or columns, how many positions come out)` for both axes of n c h w."""
    if inputs[0].places != (2, 3) or len(node.shape) != 4:
        return None
    rows, columns = (rule(a, inputs[0].axes[a], node.shape[2 + a]) for a in (0, 1))
    return None if rows is None or columns is None else Field(rows, columns)


def _by_place(field: Field, change: Callable[[int, Intervals], Intervals]) -> Field | None:
    """`change(dimension, its rows or columns)` for both; None where it is not known which dimensions these are."""
    if field.places is None:
        return None
    rows, columns = (change(p, axis) for p, axis in zip(field.places, field.axes, strict=True))
    return Field(rows, columns, field.places)


def _convolution(node: Node, inputs: list[Field]) -> Field | None:
    if node.kind == "convolution" and _argument(node, 6, "transposed"):
        return None
    weight = _argument(node, 1, "weight")
    if not isinstance(weight, Tensor) or weight.ndim != 4 or len(inputs) != 1:
        return None
    stride, dilation = _pair(_argument(node, 3, "stride", 1)), _pair(_argument(node, 5, "dilation", 1))
    padding = _argument(node, 4, "padding", 0)

    def along(a: int, axis: Intervals, positions: int) -> Intervals | None:
        kernel = weight.shape[2 + a]
        total = dilation[a] * (kernel - 1) if padding == "same" else 0
        before, after = (
            (total // 2, total - total // 2) if isinstance(padding, str) else (_pair(padding)[a],) * 2
        )
        return _window(axis, kernel, stride[a], before, after, dilation[a], positions)

    return _per_axis(node, inputs, along)


def _window(
    axis: Intervals, kernel: int, stride: int, before: int, after: int, dilation: int, positions: int
) -> Intervals | None:
    """The sliding window; None if the number of positions does not fit the input's length."""
    rest = len(axis) + before + after - dilation * (kernel - 1) - 1
    if rest < 0 or positions not in (rest // stride + 1, -(-rest // stride) + 1):  # floor, or ceil_mode
        return None
    return axis.slide(kernel, stride, before, dilation, positions)


def _pool(node: Node, inputs: list[Field]) -> Field | None:
    kernel = _pair(_argument(node, 1, "kernel_size"))
    stride = _pair(_argument(node, 2, "stride") or kernel)
    padding = _pair(_argument(node, 3, "padding", 0))
    dilation = _pair(_argument(node, 4, "dilation", 1)) if node.kind.startswith("max") else (1, 1)

    def along(a: int, axis: Intervals, positions: int) -> Intervals | None:
        return _window(axis, kernel[a], stride[a], padding[a], padding[a], dilation[a], positions)

    return _per_axis(node, inputs, along)


def _adaptive_pool(node: Node, inputs: list[Field]) -> Field | None:
    def along(a: int, axis: Intervals, positions: int) -> Intervals:
        length = len(axis)
        at = torch.arange(length)
        starts = torch.tensor([i * length // positions for i in range(positions)])[:, None]
        stops = torch.tensor([-(-(i + 1) * length // positions) for i in range(positions)])[:, None]
        return axis.gather((at >= starts) & (at < stops), length / positions)

    return _per_axis(node, inputs, along)


def _elementwise(node: Node, inputs: list[Field]) -> Field | None:
    """Each position sees what the same position of the inputs sees, and a value that is broadcast."""
    mapped = [field for field in inputs if field.extent != (1, 1)] or inputs[:1]
    where = mapped[0].places
    if where is None or any(f.places != where or f.dims != len(node.shape) for f in mapped):
        return None
    merged: list[Intervals] = []
    for a in (0, 1):
        axes = [_spread(field.axes[a], node.shape[where[a]]) for field in inputs]
        known = [axis for axis in axes if axis is not None]
        if len(known) < len(axes):
            return None
        merged.append(reduce(Intervals.union, known))
    return Field(merged[0], merged[1], where)


def _spread(axis: Intervals, positions: int) -> Intervals | None:
    if len(axis) == positions:
        return axis
    return axis.select(torch.zeros(positions, dtype=torch.long)) if len(axis) == 1 else None


def _across_channels(position: int, name: str, default: Any) -> Rule:
    """As `_elementwise`, if the dimension that an argument names is neither rows nor columns."""

    def rule(node: Node, inputs: list[Field]) -> Field | None:
        dim = _argument(node, position, name, default)
        if not isinstance(dim, int) or any(each.places is None for each in inputs):
            return None
        taken = {p for each in inputs for p in each.places or ()}
        return None if dim % len(node.shape) in taken else _elementwise(node, inputs)

    return rule


def _pad(node: Node, inputs: list[Field]) -> Field | None:
    margins = [*(_argument(node, 1, "pad") or _argument(node, 1, "padding") or ()), 0, 0, 0, 0]
    kinds = {"reflection_pad2d": "reflect", "replication_pad2d": "replicate"}
    mode = kinds.get(node.kind) or _argument(node, 2, "mode", "constant")
    # constant_pad_nd has the padding value at this place
    mode = "constant" if not isinstance(mode, str) else mode

    def along(a: int, axis: Intervals, positions: int) -> Intervals:
        before, after = margins[2:4] if a == 0 else margins[0:2]
        index = torch.arange(len(axis))
        if mode == "constant":
            return axis.select(F.pad(index, (before, after), value=-1))
        return axis.select(F.pad(index[None, None].double(), (before, after), mode=mode)[0, 0].long())

    return _per_axis(node, inputs, along)


def _getitem(node: Node, inputs: list[Field]) -> Field | None:
    chosen = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
    if chosen.count(Ellipsis) == 1:
        at = chosen.index(Ellipsis)
        chosen = (*chosen[:at], *[slice(None)] * (len(node.shape) - len(chosen) + 1), *chosen[at + 1 :])
    if not all(isinstance(item, slice) for item in chosen):
        return None
    slices = [*chosen, *[slice(None)] * (len(node.shape) - len(chosen))]
    return _by_place(inputs[0], lambda p, axis: _sliced(axis, slices[p]))


def _slice(node: Node, inputs: list[Field]) -> Field | None:
    dim = _argument(node, 1, "dim", 0) % len(node.shape)
    start, stop, step = (_argument(node, 2 + i, n) for i, n in enumerate(("start", "end", "step")))
    return _along_one(inputs[0], dim, slice(start, stop, step))


def _narrow(node: Node, inputs: list[Field]) -> Field | None:
    dim, start, length = (_argument(node, 1 + i, n) for i, n in enumerate(("dim", "start", "length")))
    stop = start + length if start >= 0 else None
    return _along_one(inputs[0], dim % len(node.shape), slice(start, stop))


def _along_one(field: Field, dim: int, chosen: slice) -> Field | None:
    return _by_place(field, lambda p, axis: _sliced(axis, chosen) if p == dim else axis)


def _sliced(axis: Intervals, chosen: slice) -> Intervals:
    return axis.select(torch.arange(len(axis))[chosen], float(chosen.step or 1))


def _reduce(node: Node, inputs: list[Field]) -> Field | None:
    """A mean over channels keeps its position; a mean over rows or columns (keepdim) sees the whole axis."""
    dims = _argument(node, 1, "dim")
    if dims is None or not _argument(node, 2, "keepdim", False):
        return None
    taken = {d % len(node.shape) for d in (dims if isinstance(dims, (tuple, list)) else [dims])}
    return _by_place(inputs[0], lambda p, axis: axis.hull(1) if p in taken else axis)


def _interpolate(node: Node, inputs: list[Field]) -> Field | None:
    """Which positions it reads shows when it runs on one channel for each: 1 at that position, 0 elsewhere."""

    def along(a: int, axis: Intervals, positions: int) -> Intervals | None:
        ones = torch.eye(len(axis))[None]
        probe = ones[..., None] if a == 0 else ones[..., None, :]
        if node.args:
            seen = node.func(probe, *node.args[1:], **node.kwargs)[0]
        else:
            seen = node.func(**{**node.kwargs, "input": probe})[0]
        used = seen[:, :, 0].T != 0 if a == 0 else seen[:, 0].T != 0
        return axis.gather(used, len(axis) / positions) if len(used) == positions else None

    return _per_axis(node, inputs, along)


def _moved(order: Sequence[int], inputs: list[Field]) -> Field | None:
    places = inputs[0].places
    if places is None:
        return None
    order = [d % len(order) for d in order]
    rows, columns = (order.index(p) for p in places)
    return Field(inputs[0].rows, inputs[0].columns, (rows, columns))


def _permute(node: Node, inputs: list[Field]) -> Field | None:
    given = node.args[1:] if len(node.args) > 2 else _argument(node, 1, "dims")
    return _moved(list(given), inputs)


def _transpose(node: Node, inputs: list[Field]) -> Field | None:
    order = list(range(len(node.shape)))
    a, b = _argument(node, 1, "dim0"), _argument(node, 2, "dim1")
    order[a], order[b] = order[b], order[a]
    return _moved(order, inputs)


def _view(node: Node, inputs: list[Field]) -> Field | None:
    """Regrouped channels (ShuffleNet): the last two dimensions stay the rows and columns."""
    field, dims = inputs[0], len(node.shape)
    if field.places != (field.dims - 2, field.dims - 1) or tuple(node.shape[-2:]) != field.extent:
        return None
    return Field(field.rows, field.columns, (dims - 2, dims - 1))


def _over_last(node: Node, inputs: list[Field]) -> Field | None:
    """Linear layers and layer norms over the last dimensions: n h w c keeps its places."""
    shape = _argument(node, 1, "normalized_shape") if "norm" in node.kind else None
    over = len(shape) if isinstance(shape, (tuple, list, torch.Size)) else 1
    places = inputs[0].places
    return inputs[0] if places and max(places) < len(node.shape) - over and len(inputs) == 1 else None


RULES: dict[str, Rule] = {
    kind: rule
    for rule, kinds in (
        (_convolution, "conv2d convolution"),
        (_pool, "max_pool2d max_pool2d_with_indices avg_pool2d"),
        (_adaptive_pool, "adaptive_avg_pool2d adaptive_max_pool2d adaptive_max_pool2d_with_indices"),
        (_pad, "pad constant_pad_nd reflection_pad2d replication_pad2d"),
        (_getitem, "getitem"),
        (_slice, "slice"),
        (_narrow, "narrow"),
        (_reduce, "mean sum amax amin"),
        (_interpolate, "interpolate upsample_nearest2d upsample_bilinear2d"),
        (_across_channels(1, "dim", None), "softmax log_softmax"),
        (_across_channels(1, "dim", 0), "cat concat concatenate"),
        (_across_channels(2, "dim", 0), "chunk split split_with_sizes"),
        (_across_channels(1, "dim", -1), "glu"),
        (_permute, "permute"),
        (_transpose, "transpose"),
        (_view, "view reshape unsafe_view"),
        (_over_last, "linear layer_norm native_layer_norm"),
    )
    for kind in kinds.split()
}
POSITION_WISE = """
    relu relu6 leaky_relu prelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh softplus rrelu
    sigmoid tanh clamp clamp_min clamp_max threshold dropout dropout1d dropout2d alpha_dropout
    feature_dropout feature_alpha_dropout batch_norm exp log sqrt rsqrt pow square abs neg add sub rsub mul
    div maximum minimum where lerp addcmul addcdiv channel_shuffle local_response_norm logsigmoid softsign
    hardshrink softshrink tanhshrink setitem
"""
RULES |= dict.fromkeys(POSITION_WISE.split(), _elementwise)
IMAGE_KINDS = frozenset(
    kind for kind in RULES if "2d" in kind or kind in ("convolution", "batch_norm", "interpolate")
)  # operations that are defined on n c h w
