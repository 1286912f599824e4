"""What does a dream maximise: a class score, a whole feature map, or one unit?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.dreaming.gram import likeness
from convsight.network.classifier import Classifier
from convsight.network.operations import NONLINEAR
from convsight.network.targets import Target, resolve_target


@dataclass(frozen=True)
class Objective:
    """Raises `aim`; with `diversity` it also makes the pictures' textures in `texture_layer` differ.

    A channel counts by the mean of its map, or with `centre` by its middle unit; a unit by its value, a class
    by its score before the softmax. Where a rectifier leaves a picture's score at exactly 0, and so without a
    gradient, `climb` raises what goes into the rectifier (`before`) until it fires.
    """

    aim: Target
    centre: bool = False
    diversity: float = 0.0
    texture_layer: str = ""
    before: str = ""

    @classmethod
    def of(cls, net: Classifier, target: Any, n: int, centre: bool, diversity: float) -> Objective:
        aim = resolve_target(net, target, n)
        maps = [layer.name for layer in net.layers.maps()]
        texture = aim.layer if aim.layer in maps else maps[-1] if maps else ""
        diversity = diversity if n > 1 and texture else 0.0
        return cls(aim, centre, diversity, texture, _before(net, aim.layer) if aim.layer else "")

    def score(self, net: Classifier, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The score that is reported, for each picture."""
        if self.aim.layer is None:
            return self.aim.score(net, pixels)
        with net.record(self.aim.layer, stop=True) as seen:
            net.forward(pixels)
        return self._of_layer(seen[self.aim.layer])

    def climb(self, net: Classifier, pixels: Float[Tensor, "n c h w"]) -> tuple[Tensor, Tensor]:
        """The score whose gradient is followed, for each picture, and how alike the pictures are (0 without
        `diversity`).
        """
        layers = [self.aim.layer or "", self.before, self.texture_layer if self.diversity else ""]
        with net.record(*filter(None, layers), stop=self.aim.outputs is None) as seen:
            logits = net.forward(pixels)
        like = likeness(seen[self.texture_layer]) if self.diversity else pixels.new_zeros(())
        if self.aim.layer is None:
            return self.aim.of_logits(logits), like
        score = self._of_layer(seen[self.aim.layer])
        if self.before:
            score = torch.where(score == 0, self._of_layer(seen[self.before]), score)
        return score, like

    def _of_layer(self, value: Tensor) -> Float[Tensor, " n"]:
        if self.aim.cell is not None:
            return self.aim.of_layer(value)
        chosen = value[:, self.aim.channel].float()
        if self.centre and chosen.ndim == 3:
            middle = (chosen.shape[1] // 2, chosen.shape[2] // 2)
            return replace(self.aim, cell=middle).of_layer(value)
        return chosen.flatten(1).mean(1)


def _before(net: Classifier, name: str) -> str:
    """The layer whose value goes into rectifier `name`; "" if that is no rectifier."""
    layer = net.layers[name]
    parents = net.layers.nodes[layer.index].parents if layer.kind in NONLINEAR else ()
    return net.layers.nodes[parents[0]].name if parents and parents[0] >= 0 else ""
