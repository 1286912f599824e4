"""Up to which layer need a page compute only the part of the maps that a changed part of the picture changes?

MobileNetV2 spends a third of its time in its first maps, of which a hidden patch changes a tenth. In front of the cut
the page runs the network on a window of the picture and puts the result into the maps of the untouched picture; behind
it, where most cells change, it runs the network in full.
"""

from __future__ import annotations

from typing import Any

import torch

from convsight.network.classifier import Classifier
from convsight.network.intervals import Intervals
from convsight.network.layers import Layer

FEWEST_MACS = 50e6  # of a pass; quicker networks gain nothing
WORTH = 0.9  # of the whole pass: a cut must cost less than that
MEMORY = 8  # multiply-adds that take as long as writing one number
PATCH = 14  # the patch that is reckoned with is a fourteenth of the picture's side


def cut_of(net: Classifier, layers: tuple[str, ...]) -> dict[str, Any] | None:
    """Where to cut: the layer, the pixels by which a window may move, and the stride of each of `layers` up to it.

    None where no cut pays, or where the network has none: a layer that all later ones are computed from alone.
    """
    ordered = list(net.layers.values())
    costs = [layer.macs + MEMORY * torch.Size(layer.output_shape).numel() for layer in ordered]
    if sum(layer.macs for layer in ordered) < FEWEST_MACS:
        return None
    strides, found = {}, {}
    for layer in ordered:
        strides[layer.name] = _stride(net, layer)
        if None in strides.values():
            break  # a window of the picture gives no window of this layer's value
        step = max(strides.values())
        if layer.name in layers and _is_narrow(net, layer) and all(step % each == 0 for each in strides.values()):  # fmt: skip
            before, after = sum(costs[: layer.index + 1]), sum(costs[layer.index + 1 :])
            found[layer.name] = (_share(net, layer, step) * before + after, step)
    if not found or min(found.values())[0] > WORTH * sum(costs):
        return None
    best = min(found, key=lambda name: found[name])
    ahead = [name for name in layers if net.layers[name].index <= net.layers[best].index]
    return {"layer": best, "step": found[best][1], "strides": {name: strides[name] for name in ahead}}


def _is_narrow(net: Classifier, layer: Layer) -> bool:
    """Whether all that comes later is computed from this layer's value alone."""
    return all(min(node.parents, default=layer.index) >= layer.index for node in net.layers.nodes[layer.index + 1 :])  # fmt: skip


def _stride(net: Classifier, layer: Layer) -> int | None:
    """Pixels from one cell of the layer to the next, if these are as many along rows as along columns."""
    rows, columns = net.layers.fields[layer.index].axes if layer.is_map else (None, None)
    if rows is None or columns is None or rows.jump != columns.jump or rows.jump != int(rows.jump):
        return None
    return int(rows.jump)


def _share(net: Classifier, layer: Layer, step: int) -> float:
    """Which share of the picture the window has that a patch in the middle needs."""
    share = 1.0
    for axis, length in zip(net.layers.fields[layer.index].axes, net.input_size, strict=True):
        share *= _window(axis, length, step) / length
    return share


def _window(axis: Intervals, length: int, step: int) -> int:
    patch = max(1, length // PATCH)
    start = (length - patch) // 2
    changed = (axis.last >= start) & (axis.first < start + patch)
    first, last = int(axis.first[changed].min()), int(axis.last[changed].max())
    return min(length, -(-(last + 1) // step) * step) - first // step * step
