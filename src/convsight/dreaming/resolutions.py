"""Which activations of a network are at which resolution, from the picture's own down to the coarsest?"""

from __future__ import annotations

from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.operations import NONLINEAR


def resolutions(net: Classifier) -> list[list[Layer]]:
    """The activations (or, in a network without any, all feature maps) in runs of one resolution each."""
    maps = net.layers.maps()
    if not maps:
        raise InputError(f"{net.name} has no layer with feature maps")
    found: list[list[Layer]] = []
    for layer in [a for a in maps if a.kind in NONLINEAR] or maps:
        if not found or found[-1][-1].output_shape[1:] != layer.output_shape[1:]:
            found.append([])
        found[-1].append(layer)
    return found
