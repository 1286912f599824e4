"""Which activation layers of a network have which resolution, from the finest to the coarsest?"""

from __future__ import annotations

from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.operations import NONLINEAR


def resolutions(net: Classifier) -> list[list[Layer]]:
    """The activation layers (or, in a network without any, all layers with maps), grouped into runs of one
    resolution.
    """
    maps = net.layers.maps()
    if not maps:
        raise InputError(f"{net.name} has no layer with feature maps")
    found: list[list[Layer]] = []
    for layer in [a for a in maps if a.kind in NONLINEAR] or maps:
        if not found or found[-1][-1].output_shape[1:] != layer.output_shape[1:]:
            found.append([])
        found[-1].append(layer)
    return found
