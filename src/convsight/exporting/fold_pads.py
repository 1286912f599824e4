"""How does a convolution pad its own input, where the network pads in an operation of its own in front of it?

TensorFlow's "same" convolutions arrive so: a runtime then writes the padded maps to memory and reads them again.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def fold_pads(model: Any) -> None:
    """Let each convolution behind a padding with zeros read the unpadded value and pad it itself.

    The padding stays where something else reads it or where it is an output of the file.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {each.name: each for each in graph.initializer}
    paddings = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    for node in graph.node:
        padding = paddings.get(node.input[0]) if node.op_type == "Conv" else None
        if padding is None or not all(name in constants for name in padding.input[1:] if name):
            continue
        amounts, value, axes = (_constant(constants, padding, i, numpy_helper) for i in (1, 2, 3))
        own = _attributes(node)
        added = _around(amounts, axes) if amounts is not None else None
        zeros = value is None or not np.any(value)
        if added is None or not zeros or _text(_attributes(padding), "mode", "constant") != "constant":
            continue
        if _text(own, "auto_pad", "NOTSET") != "NOTSET":
            continue
        pads = np.array(own["pads"].ints if "pads" in own else [0, 0, 0, 0]) + added
        if "pads" in own:
            node.attribute.remove(own["pads"])
        node.attribute.append(helper.make_attribute("pads", pads.tolist()))
        node.input[0] = padding.input[0]
    _drop_unread(graph, set(paddings))


def _constant(constants: dict[str, Any], node: Any, index: int, helper: Any) -> np.ndarray | None:
    name = node.input[index] if len(node.input) > index else ""
    return helper.to_array(constants[name]) if name else None


def _around(amounts: np.ndarray, axes: np.ndarray | None) -> np.ndarray | None:
    """Rows above, columns left, rows below, columns right, as a convolution has them; None for other paddings."""
    rank = len(amounts) // 2 if axes is None else 4
    named = [int(axis) % rank for axis in (range(rank) if axes is None else axes)]
    before, after = np.zeros(rank, int), np.zeros(rank, int)
    before[named], after[named] = amounts[: len(named)], amounts[len(named) :]
    if rank != 4 or before[:2].any() or after[:2].any() or (amounts < 0).any():
        return None
    return np.concatenate([before[2:], after[2:]])


def _attributes(node: Any) -> dict[str, Any]:
    return {each.name: each for each in node.attribute}


def _text(attributes: dict[str, Any], name: str, default: str) -> str:
    return attributes[name].s.decode() if name in attributes else default


def _drop_unread(graph: Any, names: set[str]) -> None:
    """Take out the nodes that make one of `names` if nothing reads it any more."""
    read = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    for node in [node for node in graph.node if node.output[0] in names - read]:
        graph.node.remove(node)
