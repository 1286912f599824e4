"""Which cells of a layer's maps speak for a class? The map behind Grad-CAM and guided Grad-CAM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.backprop import differentiable, gradient_of
from convsight.chunks import chunk_size, in_chunks
from convsight.classifier import Classifier
from convsight.errors import InputError
from convsight.layers import Layer
from convsight.targets import Target


def last_maps(net: Classifier) -> Layer:
    """The last feature maps: what follows the last convolution, as long as the maps keep their size.

    So the non-linearity (and, in a ResNet, the sum with the skip) behind the last convolution is included,
    and the pooling that shrinks the maps is not.
    """
    maps = net.layers.maps()
    last = next((a for a in reversed(net.layers.convolutions()) if a in maps), None)
    if last is None:
        raise InputError(f"{net.name} has no convolution whose output is larger than one cell; name a layer")
    return [a for a in maps if a.index >= last.index and a.output_shape[1:] == last.output_shape[1:]][-1]


def map_layer(net: Classifier, name: str | None) -> Layer:
    """The layer called `name`, which must give maps; the last feature maps if no name is given."""
    layer = last_maps(net) if name is None else net.layers[name]
    if not layer.is_map:
        shape = "×".join(map(str, layer.output_shape))
        known = ", ".join(a.name for a in net.layers.maps())
        raise InputError(f"layer {layer.name!r} gives {shape}, not maps; these layers give maps: {known}")
    return layer


def class_activation(
    net: Classifier, aim: Target, pixels: Float[Tensor, "n c h w"], layer: str
) -> tuple[Float[Tensor, "n rows cols"], Float[Tensor, " n"]]:
    """Σ_c α_c A_c at the layer's own size, α_c the mean of ∂S/∂A_c over map A_c; and the scores S."""
    unreached = f"the target {aim.labels[0]!r} does not depend on layer {layer!r}; choose a layer before it"

    def run(part: slice) -> tuple[Tensor, Tensor]:
        with differentiable(aim[part], pixels[part]) as (chosen, leaf):
            with net.record(layer) as seen:
                scores = chosen.score(net, leaf)
            maps = seen[layer]
            gradient = gradient_of(scores, maps, net, torch.ones_like(scores), unreached)
            weights = gradient.mean((2, 3), keepdim=True)
            return (weights * maps.detach().float()).sum(1).cpu(), scores.detach().cpu()

    done = in_chunks(run, len(pixels), max(1, chunk_size(pixels.shape[1:]) // 3))
    return torch.cat([c for c, _ in done]), torch.cat([s for _, s in done])


def enlarged(maps: Float[Tensor, "n rows cols"], size: tuple[int, int]) -> Float[Tensor, "n h w"]:
    """The maps at picture size, bilinear."""
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
