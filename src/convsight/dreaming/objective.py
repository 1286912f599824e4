"""What is a dream to have as much of as possible: a class score, a whole feature map, or one unit?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from convsight.classifier import Classifier
from convsight.dreaming.gram import likeness
from convsight.targets import Target, resolve_target


@dataclass(frozen=True)
class Objective:
    """`aim` raised; with `diversity` also the pictures' textures in `texture_layer` driven apart.

    A channel counts by the mean of its map, or with `centre` by its middle unit; a unit by its value, a class
    by its score before the softmax.
    """

    aim: Target
    centre: bool = False
    diversity: float = 0.0
    texture_layer: str = ""

    @classmethod
    def of(cls, net: Classifier, target: Any, n: int, centre: bool, diversity: float) -> Objective:
        aim = resolve_target(net, target, n)
        maps = [layer.name for layer in net.layers.maps()]
        texture = aim.layer if aim.layer in maps else maps[-1] if maps else ""
        return cls(aim, centre, diversity if n > 1 and texture else 0.0, texture)

    def layers(self) -> tuple[str, ...]:
        named = [self.aim.layer] if self.aim.layer else []
        return tuple(dict.fromkeys([*named, *([self.texture_layer] if self.diversity else [])]))

    def score(self, net: Classifier, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """What is raised, for each picture."""
        return self.terms(net, pixels)[0]

    def terms(self, net: Classifier, pixels: Float[Tensor, "n c h w"]) -> tuple[Tensor, Tensor]:
        """Each picture's score, and how alike the pictures are (0 without `diversity`)."""
        with net.record(*self.layers(), stop=self.aim.outputs is None) as seen:
            logits = net.forward(pixels)
        like = likeness(seen[self.texture_layer]) if self.diversity else pixels.new_zeros(())
        if self.aim.layer is None:
            return self.aim.of_logits(logits), like
        return self._of_layer(seen[self.aim.layer]), like

    def _of_layer(self, value: Tensor) -> Float[Tensor, " n"]:
        chosen = value[:, self.aim.channel].float()
        if self.aim.cell is not None:
            return self.aim.of_layer(value)
        if self.centre and chosen.ndim == 3:
            middle = (chosen.shape[1] // 2, chosen.shape[2] // 2)
            return replace(self.aim, cell=middle).of_layer(value)
        return chosen.flatten(1).mean(1)
