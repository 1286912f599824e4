"""How does an ONNX file that gives scores also give their gradient with respect to the picture?

The graph is walked from the scores back to the pixels, and every operation adds the nodes of its derivative
(`derivatives`). They read the forward pass's own values and weights, so that the file hardly grows, and whoever asks
for the scores alone computes none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convsight.errors import ModelError
from convsight.exporting.derivatives import derivative
from convsight.exporting.graph import Graph

GRADIENT, GUIDED = "pixels:gradient", "pixels:guided"  # outputs; no layer can have a name with a colon
TOWARD = "scores:weights"  # input n k: the gradient is that of Σ_k weight_k · score_k


def with_gradients(model: Any, pixels: str, scores: str, rectifiers: int) -> tuple[str, ...]:
    """Add the outputs `GRADIENT` and `GUIDED`, and the input `TOWARD` that says of which scores; returns the outputs.

    rectifiers: how many operations of the network the guided rule acts on; where the graph shows another number of
    them, or none, there is no `GUIDED`.

    Raises ModelError, which names the operation, for a graph with an operation of which the derivative is not known.
    """
    from onnx import TensorProto, helper

    plain = _walked(model, pixels, scores, GRADIENT, guided=False)
    outputs = [GRADIENT]
    model.graph.node.extend(plain.added)
    if rectifiers and plain.rectifiers == rectifiers and not plain.unclear:
        model.graph.node.extend(_walked(model, pixels, scores, GUIDED, guided=True).added)
        outputs.append(GUIDED)
    shape = [dim.dim_param or dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim]
    model.graph.input.append(helper.make_tensor_value_info(TOWARD, TensorProto.FLOAT, shape))
    like = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, like) for name in outputs)  # fmt: skip
    return tuple(outputs)


def _walked(model: Any, pixels: str, scores: str, name: str, guided: bool) -> Graph:
    """The nodes that make `name`, the gradient at `pixels`, of what flows back from `scores`."""
    graph = Graph(model, name, guided)
    forward = [node for node in model.graph.node if not any(":" in made for made in node.output)]
    graph.reached.add(pixels)
    for node in forward:
        if graph.reached.intersection(node.input):
            graph.reached.update(node.output)
    arrived: dict[str, list[str]] = {scores: [TOWARD]}
    for node in reversed(forward):
        if node.output[0] not in arrived or node.output[0] not in graph.reached:
            continue
        signal = _sum(graph, arrived.pop(node.output[0]))
        for given, back in zip(node.input, derivative(graph, node, signal), strict=False):
            if back is not None and given in graph.reached:
                arrived.setdefault(given, []).append(back)
    if pixels not in arrived:
        raise ModelError("its scores do not depend on the picture by operations that have a derivative")
    graph.node("Identity", _sum(graph, arrived[pixels]))
    graph.added[-1].output[0] = name
    return graph


def _sum(graph: Graph, signals: Sequence[str]) -> str:
    total = signals[0]
    for each in signals[1:]:
        total = graph.node("Add", total, each)
    return total
