"""Which layer is the non-linearity behind a convolution, and what enters it?"""

from __future__ import annotations

from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.operations import NONLINEAR

# What may lie between a layer and its non-linearity.
PASSED = {"batch_norm", "layer_norm", "group_norm", "instance_norm", "permute", "dropout", "dropout2d"}


def after(net: Classifier, name: str) -> Layer:
    """The non-linearity that a layer's value goes into, perhaps through a normalisation; itself if it is one."""
    layers, nodes = list(net.layers.values()), net.layers.nodes
    layer = net.layers[name]
    while layer.kind not in NONLINEAR:
        readers = [layers[node.index] for node in nodes if layer.index in node.parents]
        onward = [a for kinds in (NONLINEAR, PASSED) for a in readers if a.kind in kinds]
        if not onward:
            raise InputError(
                f"no non-linearity follows layer {name!r} ({layer.kind}); stage='layer' shows its own value"
            )
        layer = onward[0]
    return layer


def before(net: Classifier, name: str) -> Layer:
    """The value that enters the non-linearity behind (or called) `name`."""
    rectified = after(net, name)
    parents = [index for index in net.layers.nodes[rectified.index].parents if index >= 0]
    if not parents:
        raise InputError(f"the picture itself enters layer {rectified.name!r}; nothing comes before it")
    return list(net.layers.values())[parents[0]]


def rectified_maps(net: Classifier) -> list[Layer]:
    """Layers with maps of more than one cell behind a non-linearity; all such maps if there is none."""
    maps = net.layers.maps()
    if not maps:
        raise InputError(f"{net.name} has no feature maps; name one of its layers: {', '.join(net.layers)}")
    return [a for a in maps if a.kind in NONLINEAR] or maps
