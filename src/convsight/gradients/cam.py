"""Which cells of a layer's maps speak for a class? The map behind Grad-CAM and guided Grad-CAM."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.gradients.backprop import differentiable, gradient_of
from convsight.gradients.cam_weights import WEIGHTINGS
from convsight.network.batching import backward_chunk, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.targets import Target
from convsight.results.draw import number

STREAM = ("add", "layer_norm", "native_layer_norm", "rms_norm", "batch_norm", "group_norm")
WORTH = 0.5  # share of the gradient below which its mean is called a poor stand-in


def map_layer(net: Classifier, name: str | None, aim: Target, pixels: Float[Tensor, "n c h w"]) -> Layer:
    """The layer called `name`, which must give maps or tokens of places; without a name, the last that counts.

    That is the last feature maps, and in a network that goes on with tokens (or maps with their channels last) the
    last of these that the first picture's score depends on: behind the last attention of a class token none does.
    """
    if name is None:
        return _last_that_counts(net, aim, pixels)
    layer = net.layers[name]
    if not layer.is_map and net.layers.grid(name) is None:
        shape = "×".join(map(str, layer.output_shape))
        known = ", ".join(a.name for a in net.layers.maps())
        raise InputError(
            f"layer {layer.name!r} gives {shape}, not maps",
            given=name,
            works=f"these layers give maps: {known}",
        )
    return layer


def _last_that_counts(net: Classifier, aim: Target, pixels: Float[Tensor, "n c h w"]) -> Layer:
    maps, end = net.layers.last_maps(), len(net.layers) if aim.layer is None else net.layers[aim.layer].index
    tokens = [a for a in net.layers.tokens() if a.index < end and (maps is None or a.index > maps.index)]
    if not tokens and maps is not None:
        return maps
    sums = [a for a in tokens if a.kind in STREAM]  # what a block hands on, not what is inside of one
    wanted = [*(sums or tokens)[::-1], *net.layers.maps()[::-1]]
    if not wanted:
        raise InputError(
            f"{net.name} has no layer whose output is maps larger than one cell, or tokens of places"
        )
    with differentiable(aim[:1], pixels[:1]) as (first, leaf):
        with net.record(*(a.name for a in wanted)) as seen:
            scores = first.score(net, leaf)
        reached = torch.autograd.grad(scores.sum(), [seen[a.name] for a in wanted], allow_unused=True)
    for layer, slope in zip(wanted, reached, strict=True):
        if slope is not None and bool(net.layers.as_maps(layer.name)(slope).any()):
            return layer
    raise InputError(f"the target {aim.labels[0]!r} depends on no feature maps of {net.name}; name a layer")


@dataclass(frozen=True)
class Activation:
    """`cam` at the layer's own size, the scores, and which share of the gradient would be left after averaging."""

    cam: Float[Tensor, "n rows cols"]
    scores: Float[Tensor, " n"]
    kept: Float[Tensor, " n"]


def class_activation(
    net: Classifier, aim: Target, pixels: Float[Tensor, "n c h w"], layer: str, weights: str = "gradcam"
) -> Activation:
    """The maps of a layer, weighted with what the gradient ∂S/∂A says by one of the `WEIGHTINGS`, and summed.

    `kept` is |mean|² ÷ |∂S/∂A|², 1 where every place counts alike (global average pooling behind the layer).
    """
    as_maps = net.layers.as_maps(layer)
    unreached = f"the target {aim.labels[0]!r} does not depend on layer {layer!r}; choose a layer before it"

    def run(part: slice) -> tuple[Tensor, Tensor, Tensor]:
        with differentiable(aim[part], pixels[part]) as (chosen, leaf):
            with net.record(layer) as seen:
                scores = chosen.score(net, leaf)
            value = seen[layer]
            gradient = as_maps(gradient_of(scores, value, net, torch.ones_like(scores), unreached))
            maps = as_maps(value)
            mean = gradient.mean((2, 3), keepdim=True).expand_as(gradient)
            kept = _energy(mean) / _energy(gradient).clamp(min=1e-30)
            cam = WEIGHTINGS[weights](maps.detach().float(), gradient)
            return cam.cpu(), scores.detach().cpu(), kept.cpu()

    done = in_chunks(run, len(pixels), backward_chunk(pixels.shape))
    cam, scores, kept = (torch.cat(parts) for parts in zip(*done, strict=True))
    return Activation(cam, scores, kept)


def _energy(values: Tensor) -> Tensor:
    return values.flatten(1).square().sum(1)


def averaging_notes(found: Activation) -> tuple[str, ...]:
    """A warning where the mean is a poor stand-in for the gradient, as in networks that flatten their maps."""
    least = float(found.kept.min())
    if least >= WORTH or float(found.cam.abs().max()) == 0:
        return ()
    return (
        f"Averaging keeps only {number(100 * least)}% of the gradient at this layer: the network counts the same "
        "feature differently from place to place, and this map can point to a wrong one. gradcam(average=False) "
        "gives each cell its own weight.",
    )


def enlarged(maps: Float[Tensor, "n rows cols"], size: tuple[int, int]) -> Float[Tensor, "n h w"]:
    """The maps at picture size, bilinear."""
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
