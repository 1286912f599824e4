"""Which fine structures of the picture excite a class or a unit? Gradients through open ReLUs only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsight.gradients.backprop import backpropagate
from convsight.gradients.notes import in_colour, pixel_fields, strongest
from convsight.images import Images
from convsight.method import Method
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map


@dataclass(frozen=True)
class GuidedBackprop(Method):
    """Crisp lines trace the structures that excite the target: red pixels would raise it by being brighter.

    The signal 1 goes back from the target as a gradient does, except at each ReLU, which hands on
    R · 1[x > 0] · 1[R > 0]: only through units that were active and that raise what lies above them. However
    the ReLU is written (module, `F.relu`, in place, used twice, `clamp`), the rule applies; what stands in
    for a ReLU (ReLU6, LeakyReLU, GELU, SiLU, ...) obeys R · f'(x) · 1[x > 0] · 1[R > 0].

    No knobs. `target` is a class, or a unit (layer, channel[, y, x]); without (y, x) the cell where its map
    is largest. The picture is sharp because of the ReLU gates, and for that reason depends little on the class
    (Nie et al. 2018, arXiv:1805.07039; Adebayo et al. 2018, arXiv:1810.03292): it shows what the network
    detects, not what the class rests on. `guided_gradcam` adds the latter.

    Returns a Map: `values` n h w, signed, the entry of largest magnitude among the channels; `per_channel`
    n c h w all of them. Raises InputError (target) and ModelError: no gradient, or no ReLU for the rule to
    act on, in which case other tools return the plain gradient without a word.

    Springenberg et al. 2014, arXiv:1412.6806.

    >>> import torch
    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 2, 3), ReLU(), Flatten(), Linear(8, 4))
    >>> net = Classifier(module, input_size=4, channels=1)
    >>> GuidedBackprop()(net, torch.rand(1, 1, 4, 4)).values.shape
    torch.Size([1, 4, 4])
    """

    title = "Guided backpropagation"
    kind = Map
    source = "Springenberg et al. 2014, arXiv:1412.6806"

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim = net.target(target, images)
        signal = backpropagate(net, aim, images.pixels, "guided")
        return Map(
            caption="Lines trace what excites the target: red where brighter would, blue where darker would.",
            notes=(*signal.notes, *net.notes_on(aim)),
            values=strongest(signal.pixels),
            signed=True,
            unit="guided gradient",
            parts=in_colour(signal.pixels, signal.labels(aim)),
            **pixel_fields(images, signal, aim, signal.pixels),
        )
