"""How does a signal flow back through operations that only move numbers to other places?"""

from __future__ import annotations

from typing import Any

import numpy as np

from convsight.errors import ModelError
from convsight.exporting.derivatives.rule import LAST, Backs, attribute, rule
from convsight.exporting.graph import BATCH, Graph


@rule("Identity", "Dropout", "Cast")
def _same(graph: Graph, node: Any, signal: str) -> Backs:
    return [graph.node("Identity", signal)]


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshaped(graph: Graph, node: Any, signal: str) -> Backs:
    shape = graph.shapes[node.input[0]]
    if shape.count(BATCH) > 1:
        raise ModelError("a shape with two unknown sizes has no derivative here")
    return [graph.node("Reshape", signal, graph.shape(node.input[0]))]


@rule("Transpose")
def _transposed(graph: Graph, node: Any, signal: str) -> Backs:
    order = attribute(node, "perm", [*range(len(graph.shapes[node.input[0]]))][::-1])
    return [graph.node("Transpose", signal, perm=[int(i) for i in np.argsort(order)])]


@rule("Concat")
def _joined(graph: Graph, node: Any, signal: str) -> Backs:
    backs, at = [], 0
    for given in node.input:
        axis = attribute(node, "axis") % len(graph.shapes[given])
        size = graph.shapes[given][axis]
        parts = (graph.constant([value], np.int64) for value in (at, at + size, axis))
        backs.append(graph.node("Slice", signal, *parts))
        at += size
    return backs


@rule("Slice")
def _slice(graph: Graph, node: Any, signal: str) -> Backs:
    """Zeros between and beside what was taken: each place fetches its number, or a zero that is put behind the last."""
    shape = graph.shapes[node.input[0]]
    starts, ends = (graph.value(name) for name in node.input[1:3])
    given = dict(enumerate(node.input))
    axes = graph.value(given[3]) if given.get(3) else np.arange(len(starts))
    steps = graph.value(given[4]) if given.get(4) else np.ones(len(starts), int)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = int(axis) % len(shape)
        if shape[axis] == BATCH:
            raise ModelError("the derivative of a choice of pictures is not known")
        taken = np.arange(shape[axis])[slice(int(start), int(end) if end > LAST else None, int(step))]
        fetched = np.full(shape[axis], len(taken))
        fetched[taken] = np.arange(len(taken))
        edges = [0] * len(shape) + [int(i == axis) for i in range(len(shape))]
        padded = graph.node("Pad", signal, graph.constant(edges, np.int64))
        signal = graph.node("Gather", padded, graph.constant(fetched, np.int64), axis=axis)
    return [signal]


@rule("Pad")
def _padded(graph: Graph, node: Any, signal: str) -> Backs:
    if attribute(node, "mode", b"constant") != b"constant":
        raise ModelError("the derivative of a padding that mirrors or repeats is not known")
    edges = graph.value(node.input[1])
    return [graph.node("Pad", signal, graph.constant(-edges, np.int64))]
