"""Does a network end in a softmax or a sigmoid, and which value went into it?

The tape of one pass tells: from the value that the network returns we walk back through operations that only
reshape, select or average. Where the operations cannot be seen (TorchScript, compiled modules) the script's
own graph tells, or rows that are probabilities by their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convsight.network.graph import Key, Node
from convsight.network.operations import WEIGHTED

SQUASHES = {
    "softmax": "softmax", "special_softmax": "softmax", "log_softmax": "log_softmax",
    "special_log_softmax": "log_softmax", "sigmoid": "sigmoid", "special_expit": "sigmoid",
    "log_sigmoid": "log_sigmoid", "logsigmoid": "log_sigmoid",
}  # fmt: skip
RESHAPES = {
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "movedim",
    "view_as", "reshape_as", "T", "mT", "t", "expand", "unsafe_view",
}  # fmt: skip
PARTS = {"getitem", "select", "slice", "narrow", "index_select", "split", "chunk", "unbind"}
JOINS = {"stack", "cat", "concat", "mean", *RESHAPES, *PARTS}
CLOSE = 1e-3  # how far rows of probabilities may be from one; half precision rounds there


@dataclass(frozen=True)
class Ending:
    """The last operation of a network if it squashes scores: softmax, log_softmax, sigmoid or log_sigmoid.

    `before` is the key of the value that went into it, where that can be recorded. `seen` is False where the
    numbers alone say so. An empty `kind` means that the network returns its scores as they are.
    """

    kind: str = ""
    before: Key | None = None
    seen: bool = True


NONE = Ending()


def ending_of(nodes: Sequence[Node], keys: Sequence[Key], index: int) -> Ending:
    """How the value of node `index` ends, from the operations of one pass."""
    size, whole = math.prod(nodes[index].shape), True
    while index >= 0:
        node = nodes[index]
        if node.kind in SQUASHES:
            into = node.parents[0] if node.parents else -1
            can = whole and into >= 0 and math.prod(nodes[into].shape) == size
            return Ending(SQUASHES[node.kind], keys[into] if can else None)
        if node.kind not in JOINS or not node.parents:
            return Ending()
        if len(set(node.parents)) > 1:
            kinds = {ending_of(nodes, keys, parent).kind if parent >= 0 else "" for parent in node.parents}
            return Ending(kinds.pop()) if len(kinds) == 1 else Ending()
        whole &= node.kind in RESHAPES
        index = node.parents[0]
    return Ending()


def ending_of_script(module: nn.Module) -> Ending:
    """How a TorchScript module ends, from its own graph."""
    try:
        graph: Any = module.inlined_graph  # type: ignore[union-attr]
        node = next(iter(graph.outputs())).node()
        while (kind := node.kind().split("::")[-1]) in RESHAPES:
            node = next(iter(node.inputs())).node()
    except (AttributeError, RuntimeError, StopIteration, TypeError):
        return Ending()
    return Ending(SQUASHES.get(kind, ""))


def ending_by_numbers(values: Tensor) -> Ending:
    """Probabilities are known by rows (axis 1) that sum to one, log-probabilities by those of their exponentials."""
    if values.ndim < 2 or values.shape[1] < 2:
        return Ending()
    values = values.detach().double()
    if sums_to_one(values):
        return Ending("softmax", seen=False)
    if bool((values <= CLOSE).all()) and sums_to_one(values.exp()):
        return Ending("log_softmax", seen=False)
    return Ending()


def sums_to_one(values: Tensor) -> bool:
    inside = bool(((values >= -CLOSE) & (values <= 1 + CLOSE)).all())
    return inside and bool(((values.sum(1) - 1).abs() <= CLOSE).all())


def comes_from(nodes: Sequence[Node], index: int, source: int) -> str:
    """How node `index` is made from `source`: "squashed" (its softmax or sigmoid), "weighted" (by a layer), or ""."""
    at, squashed = index, False
    while at >= 0 and at != source and len(set(nodes[at].parents)) == 1:
        if nodes[at].kind in SQUASHES:
            squashed = True
        elif nodes[at].kind not in RESHAPES:
            break
        at = nodes[at].parents[0]
    if at == source and squashed:
        return "squashed"
    layers = [n for n in ancestors(nodes, index) if nodes[n].kind in WEIGHTED]
    return "weighted" if any(source in ancestors(nodes, layer, own=False) for layer in layers) else ""


def ancestors(nodes: Sequence[Node], index: int, own: bool = True) -> set[int]:
    """Every node that the value of `index` depends on, with itself if `own`."""
    found, waiting = set(), [index]
    while waiting:
        at = waiting.pop()
        if at >= 0 and at not in found:
            found.add(at)
            waiting += nodes[at].parents
    return found if own else found - {index}


def unsquashed(values: Tensor, kind: str) -> Tensor:
    """Scores whose softmax or sigmoid the values are: log p, or log p − log(1 − p); finite also at 0 and 1."""
    if kind == "softmax":
        return values.clamp_min(torch.finfo(values.dtype).tiny).log()
    if kind in ("sigmoid", "log_sigmoid"):
        tiny = torch.finfo(values.dtype).eps / 2
        return torch.logit(values.exp() if kind == "log_sigmoid" else values, eps=tiny)
    return values
