"""What do earlier layers tell of a picture that the last one has thrown away?

The vector that feeds a head keeps what the network's own classes need. Of pictures far from those it was trained on,
maps of earlier layers, averaged over places, tell more beside it (Evci et al. 2022, "Head2Toe", arXiv:2201.03529).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.images import Images
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.layers import feature_vectors


def level_layers(net: Classifier) -> tuple[str, ...]:
    """The last maps of each size below the picture's own, then the layer that feeds the head.

    Sizes are counted in halvings, so that a map with an edge of padding counts as the one inside it. Maps whose mean is what
    feeds the head are left out. A network whose maps all have one size, such as a vision transformer, has one level
    beside its last vector, or none.

    >>> from convsight.architectures import build
    >>> net = Classifier(build("lesson-2", 10, 1, (28, 28)), input_size=28, channels=1)
    >>> level_layers(net)
    ('relu#2', 'pool#2', 'drop')
    """
    maps = {round(math.log2(max(net.input_size) / max(m.output_shape[-2:]))): m for m in net.layers.maps()}
    fed = math.prod(net.layers[net.feature_layer].output_shape)
    deepest = max(maps, default=0)
    last = [m.name for n, m in sorted(maps.items()) if n > 0 and (n < deepest or m.channels != fed)]
    return tuple(dict.fromkeys([*last, net.feature_layer]))


def level_vectors(net: Classifier, *, mirrored: bool = False) -> Callable[[Images], Float[Tensor, "n d"]]:
    """A function from pictures to what all levels say of them, side by side; `mirrored`: the mean over both sides."""
    names = level_layers(net)

    def once(pixels: Tensor) -> Tensor:
        with torch.no_grad(), net.record(*names) as seen:
            net.logits(pixels)
        return torch.cat([feature_vectors(seen[name]).cpu() for name in names], 1)

    def vectors(images: Images) -> Tensor:
        pixels = net.fit(images).pixels

        def part(chosen: slice) -> Tensor:
            some = pixels[chosen]
            return (once(some) + once(some.flip(3))) / 2 if mirrored else once(some)

        return torch.cat(in_chunks(part, len(pixels), chunk_size(pixels.shape[1:])))

    return vectors
