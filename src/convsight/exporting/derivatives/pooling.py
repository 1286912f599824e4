"""How does a signal flow back through means and maxima?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from convsight.errors import ModelError
from convsight.exporting.derivatives.rule import Backs, attribute, rule
from convsight.exporting.graph import BATCH, Graph


@rule("MaxPool")
def _largest(graph: Graph, node: Any, signal: str) -> Backs:
    """To the first of the largest numbers of each window."""
    from onnx import helper

    places = f"{graph.prefix}:{len(graph.added)}:places"
    again = helper.make_node("MaxPool", [node.input[0]], [f"{places}:values", places])
    again.attribute.extend(each for each in node.attribute if each.name != "storage_order")
    graph.added.append(again)
    line = graph.constant([-1], np.int64)
    everywhere = graph.node("Reshape", node.input[0], line)
    zeros = graph.node("ConstantOfShape", graph.node("Shape", everywhere))
    where, what = graph.node("Reshape", places, line), graph.node("Reshape", signal, line)
    summed = graph.node("ScatterElements", zeros, where, what, axis=0, reduction="add")
    return [graph.node("Reshape", summed, graph.shape(node.input[0]))]


@rule("AveragePool")
def _average(graph: Graph, node: Any, signal: str) -> Backs:
    _, channels, *size = graph.shapes[node.input[0]]
    kernel = attribute(node, "kernel_shape")
    pads = attribute(node, "pads", [0, 0] * len(size))
    strides = attribute(node, "strides", [1] * len(size))
    out = graph.shapes[node.output[0]][2:]
    short = [
        n - ((o - 1) * s - pads[i] - pads[i + len(size)] + k)
        for i, (n, o, s, k) in enumerate(zip(size, out, strides, kernel, strict=True))
    ]
    uneven = any(pads) and not attribute(node, "count_include_pad", 0)
    if attribute(node, "ceil_mode", 0) or uneven or attribute(node, "auto_pad", b"NOTSET") != b"NOTSET":
        raise ModelError("the derivative of an average over windows of different sizes is not known")
    weight = graph.constant(np.full((channels, 1, *kernel), 1 / math.prod(kernel)))
    made = graph.node(
        "ConvTranspose", signal, weight, strides=strides, pads=pads, group=channels, output_padding=short
    )
    return [made]


@rule("GlobalAveragePool", "ReduceMean", "ReduceSum")
def _mean(graph: Graph, node: Any, signal: str) -> Backs:
    shape, axes = graph.shapes[node.input[0]], _axes(graph, node)
    if any(shape[axis] == BATCH for axis in axes):
        raise ModelError("the derivative of a mean over pictures is not known")
    kept = [1 if i in axes else size for i, size in enumerate(shape)]
    signal = graph.node("Reshape", signal, graph.constant(kept, np.int64))
    if node.op_type != "ReduceSum":
        signal = graph.node("Div", signal, graph.constant(math.prod(shape[axis] for axis in axes)))
    return [graph.node("Expand", signal, graph.constant([size if i in axes else 1 for i, size in enumerate(shape)], np.int64))]  # fmt: skip


@rule("ReduceMax", "GlobalMaxPool")
def _largest_of_all(graph: Graph, node: Any, signal: str) -> Backs:
    """In equal parts to all that are as large, as PyTorch's `amax` does."""
    shape, axes = graph.shapes[node.input[0]], _axes(graph, node)
    kept = graph.constant([1 if i in axes else size for i, size in enumerate(shape)], np.int64)
    largest, signal = (graph.node("Reshape", each, kept) for each in (node.output[0], signal))
    those = graph.node("Cast", graph.node("Equal", node.input[0], largest), to=1)
    count = graph.node("ReduceSum", those, graph.constant(axes, np.int64))
    return [graph.node("Mul", those, graph.node("Div", signal, count))]


def _axes(graph: Graph, node: Any) -> list[int]:
    rank = len(graph.shapes[node.input[0]])
    if node.op_type.startswith("Global"):
        return list(range(2, rank))
    given = graph.value(node.input[1]) if len(node.input) > 1 else attribute(node, "axes", range(rank))
    return [int(axis) % rank for axis in given]
