"""How much does each pixel's own brightness add to the score, to first order?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsight.gradients.backprop import backpropagate
from convsight.gradients.notes import pixel_fields
from convsight.images import Images
from convsight.method import Method
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map


@dataclass(frozen=True)
class GradientXInput(Method):
    """Red pixels raise the score by being there, compared with black; blue ones lower it.

    M(y, x) = Σ_c I(c, y, x) · ∂S / ∂I(c, y, x), I in [0, 1]: the first-order change of the score S when the
    pixel is turned black. A black pixel therefore never counts, however much the network looks at it. (Tools
    that multiply by the normalised picture compare with the mean colour instead and call other pixels zero.)

    It has no knobs; `target` as everywhere. Returns a Map: `values` n h w, signed, and `per_channel` n c h w.
    For a network without biases, fed [0, 1] pixels, made of linear maps, ReLUs and max-pools the values sum
    to the score. Raises InputError (target) and ModelError (no gradient).

    Shrikumar et al. 2016, arXiv:1605.01713.

    >>> import torch
    >>> linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> net = Classifier(linear, input_size=2, channels=1)
    >>> result = GradientXInput()(net, torch.ones(1, 1, 2, 2), target=0)
    >>> torch.allclose(result.values.sum(), net.scores(torch.ones(1, 1, 2, 2))[0, 0])
    True
    """

    title = "Gradient × input"
    kind = Map
    source = "Shrikumar et al. 2016, arXiv:1605.01713"

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim = net.target(target, images)
        signal = backpropagate(net, aim, images.pixels)
        product = signal.pixels * images.pixels
        return Map(
            caption="Red: this pixel, compared with black, raises the score; blue: it lowers it.",
            notes=(
                *signal.notes,
                *net.notes_on(aim),
                "A black pixel counts nothing here, whatever it means.",
            ),
            values=product.sum(1),
            signed=True,
            unit="score",
            **pixel_fields(images, signal, aim, product),
        )
