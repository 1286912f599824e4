"""What is a rule of derivation, and what do several of them need?

A rule takes the graph, the node and the name of the signal that arrives at what the node makes. It adds the nodes of the
derivative and returns one name for each input of the node, or None for an input to which nothing flows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convsight.exporting.graph import Graph

Backs = Sequence[str | None]
Rule = Callable[[Graph, Any, str], Backs]
RULES: dict[str, Rule] = {}  # by the operation's name in ONNX
LAST = -(2**31)  # an end in front of the first number, for a slice that goes backwards


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    def registered(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return registered


def attribute(node: Any, name: str, default: Any = None) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def fitted(graph: Graph, signal: str, made: tuple[int, ...], given: str, keep: int = 0) -> str:
    """The signal summed over the axes along which `given` was repeated; the last `keep` axes are its own."""
    shape = graph.shapes[given]
    if shape == made:
        return signal
    missing = len(made) - len(shape)
    repeated = [
        i for i in range(len(made) - keep) if i < missing or (shape[i - missing] == 1 and made[i] != 1)
    ]
    if not repeated:
        return signal
    summed = graph.node("ReduceSum", signal, graph.constant(repeated, np.int64))
    return graph.node("Reshape", summed, graph.shape(given)) if missing else summed
