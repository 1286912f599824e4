"""Which activations of a network are at which resolution, from the picture's own down to the coarsest?"""

from __future__ import annotations

from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer

ACTIVATIONS = {
    "relu", "relu6", "hardtanh", "clamp", "clamp_min", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu",
    "silu", "gelu", "mish", "hardswish", "softplus", "sigmoid", "tanh",
}  # fmt: skip


def stages(net: Classifier) -> list[list[Layer]]:
    """The activations (or, in a network without any, all feature maps) in runs of one resolution each."""
    maps = net.layers.maps()
    if not maps:
        raise InputError(f"{net.name} has no layer with feature maps")
    found: list[list[Layer]] = []
    for layer in [a for a in maps if a.kind in ACTIVATIONS] or maps:
        if not found or found[-1][-1].output_shape[1:] != layer.output_shape[1:]:
            found.append([])
        found[-1].append(layer)
    return found
