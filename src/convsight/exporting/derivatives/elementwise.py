"""How does a signal flow back through sums, products and activations? Times their slope, told by what they made if it can be."""

from __future__ import annotations

import math
from typing import Any

from convsight.errors import ModelError
from convsight.exporting.derivatives.rule import Backs, attribute, fitted, rule
from convsight.exporting.graph import Graph


@rule("Add")
def _sum(graph: Graph, node: Any, signal: str) -> Backs:
    return [fitted(graph, signal, graph.shapes[node.output[0]], given) for given in node.input]


@rule("Sub")
def _difference(graph: Graph, node: Any, signal: str) -> Backs:
    first = fitted(graph, signal, graph.shapes[node.output[0]], node.input[0])
    if node.input[1] not in graph.reached:
        return [first]
    return [first, fitted(graph, graph.node("Neg", signal), graph.shapes[node.output[0]], node.input[1])]


@rule("Mul")
def _times(graph: Graph, node: Any, signal: str) -> Backs:
    made = graph.shapes[node.output[0]]
    pairs = zip(node.input, reversed(node.input), strict=True)
    return [
        fitted(graph, graph.node("Mul", signal, other), made, given) if given in graph.reached else None
        for given, other in pairs
    ]


@rule("Div")
def _quotient(graph: Graph, node: Any, signal: str) -> Backs:
    if node.input[1] in graph.reached:
        raise ModelError("the derivative of a division by a computed value is not known")
    divided = graph.node("Div", signal, node.input[1])
    return [fitted(graph, divided, graph.shapes[node.output[0]], node.input[0])]


@rule("Relu")
def _relu(graph: Graph, node: Any, signal: str) -> Backs:
    return [graph.node("Mul", signal, graph.node("Sign", node.output[0]))]


@rule("Clip")
def _clip(graph: Graph, node: Any, signal: str) -> Backs:
    """Nothing at the bounds themselves, as PyTorch's `hardtanh` does."""
    bounds = [graph.value(name) if name else None for name in (*node.input[1:], "", "")[:2]]
    low, high = (None if each is None else float(each) for each in bounds)
    if low is None or high is None:
        raise ModelError("the derivative of a clip with one bound is not known")
    off = graph.node("Abs", graph.node("Sub", node.output[0], graph.constant((low + high) / 2)))
    inside = graph.node("Less", off, graph.constant((high - low) / 2))
    return [graph.node("Where", inside, signal, graph.constant(0))]


@rule("LeakyRelu")
def _leaky(graph: Graph, node: Any, signal: str) -> Backs:
    positive = graph.node("Greater", node.input[0], graph.constant(0))
    low = graph.constant(attribute(node, "alpha", 0.01))
    return [graph.node("Mul", signal, graph.node("Where", positive, graph.constant(1), low))]


@rule("Elu")
def _elu(graph: Graph, node: Any, signal: str) -> Backs:
    """1 where x > 0, else the value + α."""
    positive = graph.node("Greater", node.input[0], graph.constant(0))
    below = graph.node("Add", node.output[0], graph.constant(attribute(node, "alpha", 1.0)))
    return [graph.node("Mul", signal, graph.node("Where", positive, graph.constant(1), below))]


@rule("Pow")
def _power(graph: Graph, node: Any, signal: str) -> Backs:
    if node.input[1] not in graph.constants or graph.value(node.input[1]).size != 1:
        raise ModelError("the derivative of a power is known for one fixed exponent alone")
    exponent = float(graph.value(node.input[1]).reshape(()))
    lower = graph.node("Pow", node.input[0], graph.constant(exponent - 1))
    return [graph.node("Mul", signal, graph.node("Mul", lower, graph.constant(exponent)))]


@rule("Where")
def _choice(graph: Graph, node: Any, signal: str) -> Backs:
    """Each place hands back to the value that was chosen there."""
    graph.unclear = True
    made, zero = graph.shapes[node.output[0]], graph.constant(0)
    chosen = graph.node("Where", node.input[0], signal, zero)
    other = graph.node("Where", node.input[0], zero, signal)
    return [
        None,
        *(
            fitted(graph, back, made, name) if name in graph.reached else None
            for back, name in zip((chosen, other), node.input[1:], strict=True)
        ),
    ]


@rule("Sigmoid")
def _sigmoid(graph: Graph, node: Any, signal: str) -> Backs:
    rest = graph.node("Sub", graph.constant(1), node.output[0])
    return [graph.node("Mul", signal, graph.node("Mul", node.output[0], rest))]


@rule("Tanh")
def _tanh(graph: Graph, node: Any, signal: str) -> Backs:
    square = graph.node("Mul", node.output[0], node.output[0])
    return [graph.node("Mul", signal, graph.node("Sub", graph.constant(1), square))]


@rule("Softplus")
def _softplus(graph: Graph, node: Any, signal: str) -> Backs:
    return [graph.node("Mul", signal, graph.node("Sigmoid", node.input[0]))]


@rule("Erf")
def _erf(graph: Graph, node: Any, signal: str) -> Backs:
    """2 ÷ √π · exp(-x²)."""
    square = graph.node("Neg", graph.node("Mul", node.input[0], node.input[0]))
    slope = graph.node("Mul", graph.node("Exp", square), graph.constant(2 / math.sqrt(math.pi)))
    return [graph.node("Mul", signal, slope)]


@rule("HardSigmoid")
def _hard_sigmoid(graph: Graph, node: Any, signal: str) -> Backs:
    half = graph.constant(0.5)
    inside = graph.node("Less", graph.node("Abs", graph.node("Sub", node.output[0], half)), half)
    slope = graph.constant(attribute(node, "alpha", 0.2))
    return [graph.node("Mul", graph.node("Where", inside, signal, graph.constant(0)), slope)]


@rule("HardSwish")
def _hard_swish(graph: Graph, node: Any, signal: str) -> Backs:
    """x · clip(x ÷ 6 + ½, 0, 1): x ÷ 3 + ½ between -3 and 3, 0 below, 1 above."""
    inner = graph.node("Add", graph.node("Div", node.input[0], graph.constant(3)), graph.constant(0.5))
    below = graph.node("Less", node.input[0], graph.constant(-3))
    above = graph.node("Greater", node.input[0], graph.constant(3))
    slope = graph.node("Where", below, graph.constant(0), graph.node("Where", above, graph.constant(1), inner))  # fmt: skip
    return [graph.node("Mul", signal, slope)]
