"""What does each ONNX operation hand back to its inputs of the signal that arrives at its output? One function each."""

from __future__ import annotations

from typing import Any

from convsight.errors import ModelError
from convsight.exporting.derivatives import elementwise, places, pooling, weighted  # noqa: F401 (they add their rules)
from convsight.exporting.derivatives.rule import RULES, Backs
from convsight.exporting.graph import Graph

RECTIFIERS = frozenset({"Relu", "LeakyRelu", "Elu", "HardSwish"})


def derivative(graph: Graph, node: Any, signal: str) -> Backs:
    """What flows back to each input of the node; ModelError for an operation without a rule."""
    if node.op_type not in RULES:
        raise ModelError(f"the derivative of ONNX's operation {node.op_type!r} is not known")
    source = rectified(graph, node)
    if source is not None:
        graph.rectifiers += 1
        if graph.guided:
            signal = graph.node("Relu", signal)
            if node.op_type not in ("Relu", "Clip"):  # their slope is 0 there already
                signal = graph.node("Mul", signal, graph.node("Sign", graph.node("Relu", source)))
    return RULES[node.op_type](graph, node, signal)


def rectified(graph: Graph, node: Any) -> str | None:
    """What a node rectifies, if it is a ReLU or stands in for one: also Clip from 0 on, and x · sigmoid(x)."""
    if node.op_type in RECTIFIERS:
        return node.input[0]
    if node.op_type == "Clip" and node.input[0] in graph.reached:
        low = node.input[1] if len(node.input) > 1 else ""
        return node.input[0] if low in graph.constants and not graph.value(low).any() else None
    if node.op_type == "Mul":
        for x, gate in (node.input, reversed(node.input)):
            maker = graph.makers.get(gate)
            if maker is not None and maker.op_type == "Sigmoid" and maker.input[0] == x:
                return x
    return None
