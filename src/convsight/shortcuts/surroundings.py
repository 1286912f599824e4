"""What surrounds the object: the aspect that is carried over by cutting the object out and setting it elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from convsight.imaging.blur import blurred
from convsight.shortcuts.cutouts import Cutouts
from convsight.shortcuts.objects import WORK
from convsight.shortcuts.probes import Pixels, Probe

PARTS = {
    "all": "its surroundings",
    "upper": "the upper half of its surroundings",
    "lower": "the lower half of its surroundings",
}
EDGE_PX = 0.7  # at 64 pixels a side: how soft the cut is
RIDGE = 0.03  # of standardised descriptions; 0.3 told rare surroundings of a class less well


@dataclass(frozen=True, eq=False)
class Surroundings(Probe):
    """A picture's surroundings, or their upper or lower half. `paste` sets each object of `onto`, cut out of its
    picture, into the surroundings of the picture of `of`, where what lies around goes on behind that object.

    centre, direction: which surroundings are the class's, as a linear function of `Cutouts.described`; `telling` learns
    them. cutouts: where the objects are.
    """

    kind: ClassVar[str] = "surroundings"
    exchanged: ClassVar[str] = "exchanges the surroundings among the pictures of all classes"
    part: str = "all"
    centre: Float[Tensor, " d"] | None = None
    direction: Float[Tensor, " d"] | None = None
    cutouts: Cutouts = field(default_factory=Cutouts)

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        scale = min(onto.shape[2:]) / WORK
        edge = blurred(self.cutouts.objects(onto)[:, None].float(), EDGE_PX * max(0.7, scale)).clamp(0, 1)
        weight = (1 - edge) * self._of_part(onto.shape[2])
        return onto + weight * (self.cutouts.plates(of) - onto)

    def able(self, of: Pixels) -> Bool[Tensor, " n"]:
        return self.cutouts.able(of)

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """How much the surroundings are like those of the class rather than of others; 0 before `telling`."""
        if self.centre is None or self.direction is None:
            return torch.zeros(len(of))
        return (self.cutouts.described(of) - self.centre) @ self.direction

    def limit(self, others: Float[Tensor, " n"]) -> float:
        """0: whether they are more like the class's surroundings than like others'."""
        return 0.0

    def telling(self, of_class: Pixels, of_others: Pixels) -> Surroundings:
        """The same aspect, with the direction in which the surroundings of a class differ from others'."""
        both = self.cutouts.described(torch.cat([of_class, of_others]))
        labels = (torch.arange(len(both)) >= len(of_class)).long()
        centre, directions = told_apart(both, labels, 2)
        return replace(self, centre=centre, direction=directions[:, 0])

    def marks(self, of: Pixels) -> Bool[Tensor, "n h w"]:
        return ~self.cutouts.objects(of) & (self._of_part(of.shape[2]) > 0.5)

    def landed(self, onto: Pixels, after: Pixels) -> Bool[Tensor, "n h w"]:
        return self.marks(onto)

    def _of_part(self, h: int) -> Float[Tensor, "1 h 1"]:
        """1 in the rows that are exchanged, 0 in the others, with a soft change between."""
        if self.part == "all":
            return torch.ones(1, h, 1)
        down = torch.sigmoid((torch.arange(h) + 0.5 - h / 2) / (h / 32)).view(1, h, 1)
        return down if self.part == "lower" else 1 - down


def told_apart(
    values: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], classes: int
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d k"]]:
    """A centre, and for each class the direction in which it differs from the others (ridge regression on
    standardised values, each class with the same weight), which gives the class with the largest product.
    """
    mean, spread = values.mean(0), values.std(0).clamp(min=1e-6)
    z = (values - mean) / spread
    hot = F.one_hot(labels, classes).to(values)
    weight = (1 / hot.sum(0).clamp(min=1))[labels]
    weight = (weight / weight.sum())[:, None]
    middle = (weight * z).sum(0)
    z, aim = z - middle, hot - (weight * hot).sum(0)
    spread_of_all = z.T @ (weight * z) + RIDGE * torch.eye(z.shape[1])
    directions = torch.linalg.solve(spread_of_all, z.T @ (weight * aim))
    return mean + middle * spread, directions / spread[:, None]


def lot(pool: Int64[Tensor, " m"], n: int, generator: Generator) -> Int64[Tensor, " n"]:
    """`n` of the pool, each as likely, with repetition."""
    return pool[torch.randint(len(pool), (n,), generator=generator)]
