"""Where in the picture does each number of a value belong, also where a network keeps its maps as rows of tokens?

Every number carries its place as y + x·i, both in (0, 1), and 0 where it has none (a class token, padding).
Operations that only move numbers are carried out on the places themselves; those that compute keep the place of
what they compute from. So windows, rolled maps, class tokens and reordered tokens are followed exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from convsight.network.graph import Node, Ref
from convsight.network.receptive_rules import IMAGE_KINDS, POSITION_WISE

Places = Tensor  # complex64, the shape of the value

MOVES = frozenset(["view", "reshape", "unsafe_view", "permute", "transpose", "swapaxes", "swapdims", "movedim", "flatten", "unflatten", "getitem", "slice", "select", "narrow", "cat", "concat", "concatenate", "stack", "chunk", "split", "split_with_sizes", "tensor_split", "unbind", "roll", "expand", "repeat", "tile", "flip", "squeeze", "unsqueeze", "index_select", "T", "mT", "pad", "constant_pad_nd", "repeat_interleave"])  # fmt: skip
KEEPS = frozenset(POSITION_WISE.split()) | {
    "softmax", "log_softmax", "group_norm", "instance_norm", "native_group_norm", "normalize", "batch_norm", "masked_fill",
}  # fmt: skip
OVER_LAST = frozenset({"linear", "layer_norm", "native_layer_norm", "rms_norm", "addmm"})
ATTENTION = frozenset(
    {"scaled_dot_product_attention", "multi_head_attention_forward", "native_multi_head_attention"}
)
PRODUCTS = frozenset({"matmul", "bmm", "rmatmul"})
REDUCES = frozenset({"mean", "sum", "amax", "amin", "max", "min", "logsumexp"})


def places_of(nodes: Sequence[Node], size: tuple[int, int]) -> Iterator[Places | None]:
    """The places of each node's value in turn, None where they are not known."""
    last = {parent: node.index for node in nodes for parent in node.parents}
    batch = next((node.shape[0] for node in nodes if node.shape), 1)
    known: dict[int, Places | None] = {-1: _raster((batch, 1, *size))}
    for node in nodes:
        try:
            found = _of(node, known.get)
        except (RuntimeError, TypeError, ValueError, IndexError):  # the operation does not run on places
            found = None
        known[node.index] = found if found is not None and tuple(found.shape) == node.shape else None
        yield known[node.index]
        for parent in set(node.parents):
            if last[parent] == node.index:
                known.pop(parent, None)


def _of(node: Node, known: Callable[[int], Places | None]) -> Places | None:
    kind = node.kind
    if kind in IMAGE_KINDS and len(node.shape) == 4 and kind not in KEEPS and kind not in MOVES:
        return _raster(node.shape)
    values = [known(p) for p in dict.fromkeys(node.parents)]
    if kind in MOVES:
        return _moved(node, known)
    if kind in KEEPS:
        return _kept(node, values)
    first = values[0] if values else None
    if kind in PRODUCTS:
        return _product(node, known)
    if first is None:
        return None
    if kind in OVER_LAST or kind in ATTENTION:
        return _averaged(first, (-1,), True).expand(node.shape)
    return _reduced(node, first) if kind in REDUCES else None


def _raster(shape: Sequence[int]) -> Places:
    """The places of maps n c h w."""
    rows, columns = shape[-2:]
    y = (torch.arange(rows) + 0.5) / rows
    x = (torch.arange(columns) + 0.5) / columns
    return torch.complex(*torch.meshgrid(y, x, indexing="ij")).expand(*shape)


def _moved(node: Node, known: Callable[[int], Places | None]) -> Places | None:
    """What the operation itself does to the places; other tensors in it have none."""

    def real(item: Any) -> Any:
        if isinstance(item, Ref):
            places = known(item.index)
            if places is None:
                raise ValueError("unknown places")
            return places
        if isinstance(item, Tensor) and item.is_floating_point():
            return torch.zeros((), dtype=torch.complex64).expand(item.shape)
        if type(item) in (tuple, list):
            return type(item)(real(each) for each in item)
        return item

    value = node.func(*map(real, node.args), **{k: real(v) for k, v in node.kwargs.items()})
    if not isinstance(value, (tuple, list)):
        return value
    same = all(part.shape == value[0].shape and torch.equal(part, value[0]) for part in value)
    return value[0] if same else None


def _kept(node: Node, values: Sequence[Places | None]) -> Places | None:
    """Those of an input of the same shape; of several, the first that tells places apart."""
    same = [value for value in values if value is not None and tuple(value.shape) == node.shape]
    if len(same) < 2:
        return same[0] if same else None
    return next((value for value in same if bool((slim(value) != value.flatten()[0]).any())), same[0])


def slim(places: Places) -> Places:
    """The places with one entry along each expanded axis (stride 0), whose entries are all the same."""
    for axis in range(places.ndim):
        if places.stride(axis) == 0:
            places = places.narrow(axis, 0, 1)
    return places


def _product(node: Node, known: Callable[[int], Places | None]) -> Places | None:
    """Rows of A·B belong where the rows of A do; weights from the left leave B's columns where they are."""
    left, right = node.args[:2] if node.kind != "rmatmul" else node.args[1::-1]
    a = known(left.index) if isinstance(left, Ref) else None
    if a is not None:
        return _averaged(a, (-1,), True).expand(node.shape)
    b = known(right.index) if isinstance(right, Ref) else None
    return None if b is None or isinstance(left, Ref) else _averaged(b, (-2,), True).expand(node.shape)


def _reduced(node: Node, places: Places) -> Places | None:
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis"))
    if dims is None or isinstance(dims, (Ref, Tensor)):
        return None
    keep = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
    return _averaged(places, (dims,) if isinstance(dims, int) else tuple(dims), bool(keep))


def _averaged(places: Places, dims: tuple[int, ...], keepdim: bool) -> Places:
    """The middle of the places that are put together; none if one of them has none."""
    middle, somewhere = places.mean(dims, keepdim), (places == 0).sum(dims, keepdim) == 0
    return torch.where(somewhere, middle, torch.zeros((), dtype=middle.dtype))
