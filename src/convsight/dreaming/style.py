"""How far is a picture from the content of one picture and the texture of another (Gatys et al. 2015)?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.dreaming.gram import gram
from convsight.dreaming.resolutions import resolutions
from convsight.network.classifier import Classifier

TINY = 1e-12


@dataclass(frozen=True)
class Goal:
    """The values that the picture's layers should approach."""

    net: Classifier
    content_layer: str
    style_layers: tuple[str, ...]
    content: Tensor
    grams: tuple[Tensor, ...]

    @classmethod
    def of(
        cls, net: Classifier, picture: Tensor, style: Tensor, content_layer: str, style_layers: list[str]
    ) -> Goal:
        with torch.no_grad():
            with net.record(content_layer, stop=True) as seen:
                net.forward(picture)
            content = seen[content_layer].float()
            with net.record(*style_layers, stop=True) as seen:
                net.forward(style)
            grams = tuple(gram(seen[name]) for name in style_layers)
        return cls(net, content_layer, tuple(style_layers), content, grams)

    def losses(self, pixels: Float[Tensor, "1 c h w"]) -> Float[Tensor, " 3"]:
        """Content, style and TV loss of a picture."""
        layers = dict.fromkeys([self.content_layer, *self.style_layers])
        with self.net.record(*layers, stop=True) as seen:
            self.net.forward(pixels)
        content = relative(seen[self.content_layer].float(), self.content)
        style = [relative(gram(seen[name]), g) for name, g in zip(self.style_layers, self.grams, strict=True)]
        return torch.stack([content, torch.stack(style).mean(), total_variation(pixels).to(content)])


def relative(found: Tensor, wanted: Tensor) -> Float[Tensor, ""]:
    """‖found − wanted‖² ÷ ‖wanted‖²."""
    return (found - wanted).square().sum() / wanted.square().sum().clamp(min=TINY)


def total_variation(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Squared differences to the pixel below and to the right, summed and divided by the number of values."""
    down, right = pixels.diff(dim=2), pixels.diff(dim=3)
    return (down.square().sum() + right.square().sum()) / pixels.numel()


def default_layers(net: Classifier) -> tuple[str, list[str]]:
    """Content and style layers: in VGG the choice of Gatys et al., elsewhere its counterpart."""
    found = resolutions(net)
    late = found[max(0, len(found) - 2)]
    return late[min(1, len(late) - 1)].name, [stage[0].name for stage in found]
