"""Which factor of a product is a gate, which only lets the other one through?"""

from __future__ import annotations

from torch import Tensor

from convsight.gradients.relevance.operations import GATING, MOVES
from convsight.network.graph import Node, Tape

SCALES = frozenset({"mul", "div", "multiply", "divide", "true_divide", "add"})


def is_gate(tape: Tape, x: Tensor, other: Tensor) -> bool:
    """Whether `x` came out of a sigmoid or such, or is one number for many of the other factor."""
    return _was_squashed(tape, tape.index_of(x)) or x.numel() < other.numel()


def _was_squashed(tape: Tape, index: int | None) -> bool:
    """Walks back through reshapes and constant factors, as in relu6(x + 3) / 6, to what made the value."""
    while index is not None and index >= 0:
        node = tape.nodes[index]
        parents = set(node.parents)
        if node.kind in GATING or _is_clipped(node):
            return True
        if node.kind not in MOVES | SCALES or len(parents) != 1:
            return False
        index = parents.pop()
    return False


def _is_clipped(node: Node) -> bool:
    """Whether the operation clips at both ends; clamp(min=0) is a ReLU."""
    bounds = [*node.args[1:3], *(node.kwargs[name] for name in ("min", "max") if name in node.kwargs)]
    return node.kind in ("relu6", "hardtanh") or (
        node.kind in ("clamp", "clip") and len([b for b in bounds if b is not None]) == 2
    )
