"""Which pixels would change the score most if they changed a little? The gradient's magnitude."""

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
class Saliency(Method):
    """Bright pixels are those where a small change moves the score of the class most.

    M(y, x) = max_c |∂S / ∂I(c, y, x)|, with S the score before the softmax and I the pixels in [0, 1]. (Other
    tools differentiate by the normalised picture; their numbers are ours times the channel's std.)

    It has no knobs. `target` is a class, an output, or a unit (layer, channel[, y, x]); without (y, x) the
    cell where that channel's map is largest.

    Returns a Map: `values` n h w ≥ 0, `per_channel` n c h w the gradient itself, signed. The gradient says
    what a small change would do, not what the network has used: a saturated score has a small one everywhere.
    Raises InputError (target) and ModelError (the network lets no gradient through).

    Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 3.

    >>> import torch
    >>> linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> result = Saliency()(Classifier(linear, input_size=2, channels=1), torch.zeros(1, 1, 2, 2), target=1)
    >>> torch.equal(result.values.flatten(), linear[1].weight[1].abs())
    True
    """

    title = "Saliency"
    kind = Map
    source = "Simonyan et al. 2013, arXiv:1312.6034"

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim = net.target(target, images)
        signal = backpropagate(net, aim, images.pixels)
        return Map(
            caption="Bright: a small change of this pixel changes the score most.",
            notes=(*signal.notes, *net.notes_on(aim)),
            values=signal.pixels.abs().amax(1),
            unit="|∂ score ÷ ∂ pixel|",
            **pixel_fields(images, signal, aim, signal.pixels),
        )
