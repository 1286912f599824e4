"""What in the picture did a unit respond to? Its activation sent back down through the network."""

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
class Deconvnet(Method):
    """The pattern in the picture that a unit answered to, projected back from that unit's activation.

    All other activations of the unit's layer are set to zero and the rest goes down: each convolution becomes
    its transpose (flipped filters, no bias), max-pooling is undone through its switches (the places where the
    maxima were; windows that share one add up), and each ReLU hands on R · 1[R > 0], whether or not its own
    input was positive. Batch normalisation keeps its scale and drops its shift, linear layers are transposed,
    average pooling spreads evenly. What stands in for a ReLU obeys the same R · 1[R > 0]. The switches are
    all that it takes from the picture: without max-pooling it draws what the target looks for (see the notes).

    A unit (layer, channel[, y, x]) starts with its activation, at the cell where its map is largest or at
    (y, x); a silent one gives an empty map and a note. A class or output starts with 1, because its score may
    be negative; only the scale of the picture depends on that. No knobs.

    Returns a Map: `values` n h w, signed, the entry of largest magnitude among the channels; `per_channel`
    n c h w all of them. Raises as `guided_backprop`. As there, what
    is shown hardly depends on the class.

    Zeiler & Fergus 2013, arXiv:1311.2901.

    >>> import torch
    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 2, 3), ReLU(), Flatten(), Linear(8, 4))
    >>> net = Classifier(module, input_size=4, channels=1)
    >>> Deconvnet()(net, torch.rand(1, 1, 4, 4), target=("1", 0)).values.shape
    torch.Size([1, 4, 4])
    """

    title = "Deconvnet"
    kind = Map
    source = "Zeiler & Fergus 2013, arXiv:1311.2901"

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim = net.target(target, images)
        signal = backpropagate(net, aim, images.pixels, "deconvnet", seed_with_value=aim.layer is not None)
        return Map(
            caption="What the target answered to, projected back to the pixels; red: bright, blue: dark.",
            notes=(*signal.notes, *net.notes_on(aim)),
            values=strongest(signal.pixels),
            signed=True,
            unit="projected activation",
            parts=in_colour(signal.pixels, signal.labels(aim)),
            **pixel_fields(images, signal, aim, signal.pixels),
        )
