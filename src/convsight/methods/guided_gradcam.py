"""Which fine structures lie where the class is seen? Guided backpropagation, weighted with Grad-CAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsight.gradients.backprop import backpropagate
from convsight.gradients.cam import averaging_notes, class_activation, enlarged, map_layer
from convsight.gradients.notes import empty_cam_notes, in_colour, pixel_fields, strongest
from convsight.images import Images
from convsight.method import Method
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map


@dataclass(frozen=True)
class GuidedGradcam(Method):
    """Crisp lines, but only where the class has its evidence: the fine structures of that class.

    M(c, y, x) = G(c, y, x) · L(y, x), with G the guided backpropagation of the target and L its Grad-CAM at
    `layer` (the last feature maps by default), enlarged bilinearly to the picture. No knobs.

    Returns a Map: `values` n h w, signed, the entry of largest magnitude among the channels; `per_channel`
    n c h w all of them. Raises as `guided_backprop` and `gradcam`.

    Selvaraju et al. 2016, arXiv:1610.02391, section 3.2.

    >>> import torch
    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 2, 3), ReLU(), Flatten(), Linear(72, 4))
    >>> net = Classifier(module, input_size=8, channels=1)
    >>> GuidedGradcam()(net, torch.rand(2, 1, 8, 8)).values.shape
    torch.Size([2, 8, 8])
    """

    title = "Guided Grad-CAM"
    kind = Map
    source = "Selvaraju et al. 2016, arXiv:1610.02391"

    def compute(self, net: Classifier, images: Images, target: Any = None, layer: str | None = None) -> Map:
        aim = net.target(target, images)
        chosen = map_layer(net, layer, aim, images.pixels)
        signal = backpropagate(net, aim, images.pixels, "guided")
        found = class_activation(net, aim, images.pixels, chosen.name)
        cam = found.cam.clamp(min=0)
        product = signal.pixels * enlarged(cam, images.size)[:, None]
        return Map(
            caption=f"Lines trace what excites the target, where the features of {chosen.name} speak for it.",
            notes=(
                *signal.notes,
                *empty_cam_notes(cam, True),
                *averaging_notes(found),
                *net.notes_on(aim),
            ),
            values=strongest(product),
            signed=True,
            unit="guided gradient × class activation",
            parts=in_colour(product, signal.labels(aim)),
            **pixel_fields(images, signal, aim, product),
        )
