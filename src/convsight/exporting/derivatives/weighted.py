"""How does a signal flow back through weights: convolutions, matrix products, normalisation?"""

from __future__ import annotations

from typing import Any

import numpy as np

from convsight.errors import ModelError
from convsight.exporting.derivatives.rule import LAST, Backs, attribute, fitted, rule
from convsight.exporting.graph import Graph


@rule("Conv")
def _convolution(graph: Graph, node: Any, signal: str) -> Backs:
    """A convolution with the kernels turned round; of a stride, the transposed one."""
    _, channels, *size = graph.shapes[node.input[0]]
    out, kernel = graph.shapes[node.output[0]][2:], graph.shapes[node.input[1]]
    flat = [1] * len(size)
    strides, dilations = attribute(node, "strides", flat), attribute(node, "dilations", flat)
    pads, groups = attribute(node, "pads", [0, 0] * len(size)), attribute(node, "group", 1)
    if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ModelError("the derivative of a convolution whose padding ONNX chooses is not known")
    spread = [d * (k - 1) for d, k in zip(dilations, kernel[2:], strict=True)]
    inner = zip(spread * 2, pads, strict=True)
    flipped = [most - pad for most, pad in inner]
    if all(each == 1 for each in strides) and min(flipped) >= 0:
        weight = _turned(graph, node.input[1], kernel, groups, channels)
        return [graph.node("Conv", signal, weight, pads=flipped, dilations=dilations, group=groups)]
    short = [
        n - ((o - 1) * s - pads[i] - pads[i + len(size)] + spread[i] + 1)
        for i, (n, o, s) in enumerate(zip(size, out, strides, strict=True))
    ]
    made = graph.node(
        "ConvTranspose", signal, node.input[1], strides=strides, pads=pads, dilations=dilations, group=groups,
        output_padding=short,
    )  # fmt: skip
    return [made]


def _turned(graph: Graph, weight: str, kernel: tuple[int, ...], groups: int, channels: int) -> str:
    """Kernels out·in/groups·h·w as in·out/groups·h·w, each turned by half; runtimes compute it once, when they load."""
    out, each, *area = kernel
    if groups == 1:
        order = [1, 0, *range(2, len(kernel))]
        weight = graph.node("Transpose", weight, perm=order)
    elif each > 1 or out > groups:
        split = graph.constant([groups, out // groups, each, *area], np.int64)
        order = [0, 2, 1, *range(3, len(kernel) + 1)]
        weight = graph.node("Transpose", graph.node("Reshape", weight, split), perm=order)
        weight = graph.node("Reshape", weight, graph.constant([channels, out // groups, *area], np.int64))
    axes = [i for i in range(2, len(kernel)) if kernel[i] > 1]
    if not axes:
        return weight
    start, end = ([edge] * len(axes) for edge in (-1, LAST))
    parts = (graph.constant(values, np.int64) for values in (start, end, axes, [-1] * len(axes)))
    return graph.node("Slice", weight, *parts)


@rule("Gemm")
def _linear(graph: Graph, node: Any, signal: str) -> Backs:
    if attribute(node, "transA", 0) or node.input[1] in graph.reached:
        raise ModelError("the derivative of a product of two computed matrices is not known")
    turned = 1 - attribute(node, "transB", 0)
    return [graph.node("Gemm", signal, node.input[1], transB=turned, alpha=attribute(node, "alpha", 1.0))]


@rule("MatMul")
def _product(graph: Graph, node: Any, signal: str) -> Backs:
    """A B hands G Bᵀ to A and Aᵀ G to B."""
    backs = []
    for i, other in enumerate(reversed(node.input)):
        rank = len(graph.shapes[other])
        if node.input[i] not in graph.reached:
            backs.append(None)
            continue
        if rank < 2 or len(graph.shapes[node.input[i]]) < 2:
            raise ModelError("the derivative of a matrix product with a vector is not known")
        turned = graph.node("Transpose", other, perm=[*range(rank - 2), rank - 1, rank - 2])
        product = graph.node("MatMul", *((signal, turned) if i == 0 else (turned, signal)))
        backs.append(fitted(graph, product, graph.shapes[node.output[0]], node.input[i], keep=2))
    return backs


@rule("BatchNormalization")
def _batch_norm(graph: Graph, node: Any, signal: str) -> Backs:
    """Each channel times scale ÷ √(variance + ε): the same normalisation, without shift."""
    channels = graph.shapes[node.input[1]][0]
    zero = graph.constant(np.zeros(channels))
    epsilon = attribute(node, "epsilon", 1e-5)
    return [graph.node("BatchNormalization", signal, node.input[1], zero, zero, node.input[4], epsilon=epsilon)]  # fmt: skip
