"""Which simple model of regions is nearest to the network around this picture?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from convsight.coalitions.figure import on_regions
from convsight.coalitions.game import Game, scores_for
from convsight.coalitions.hiding import HIDERS, hider
from convsight.coalitions.regions import as_regions, regions_of
from convsight.coalitions.surrogate import nearness, surrogate
from convsight.datasets import Dataset
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.progress import span
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Lime(Method):
    """The weights of a linear model of regions that is near the network around this picture, with 95% intervals.

    Random coalitions of regions are shown (each with chance ½), and a ridge regression of the target's score on
    which regions were shown is fitted, weighted by nearness to the whole picture, √exp(−d²/`width`²) with d = 1 −
    √(share shown), as LIME does for pictures. The weight of a region is its value here.

    `regions` and `fill` as in `shapley`. `passes` are the coalitions; more narrow the intervals. `width` is the
    neighbourhood: small ones count only pictures with nearly everything shown. `ridge` shrinks the weights to 0.

    The weights need not add up to the score, and they depend on `width`: another width is another question, and
    nothing says which is right. `shapley` has no such choice. The notes say which share of the score's variance the
    linear model explains: where it is small, the weights say little.

    Returns a signed Map as `shapley` does: `values` n h w (the weight of each pixel's region, in units of the target),
    `half_width`, `regions`, `region_values`, `region_intervals`, `clean_score`. Raises InputError and ModelError.

    Source: Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938. They explain probabilities; we explain the target's
    value, as everywhere.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)), ["a", "b"], 8, 1)
    >>> Lime(regions=2, passes=50)(net, torch.rand(1, 1, 8, 8), "a").region_values.shape
    torch.Size([1, 4])
    """

    title = "LIME"
    kind = Map
    source = "Ribeiro, Singh & Guestrin 2016, arXiv:1602.04938"
    in_report = False

    regions: int | tuple[int, int] | str = knob(
        7, "more regions show finer parts and need more passes: a grid's side, rows and columns, superpixels, or a "
        "label image's file", low=1
    )  # fmt: skip
    fill: str = knob("grey", "what hidden regions show", choices=HIDERS)
    passes: int = knob(1000, "more coalitions narrow the intervals", unit="passes", low=10)
    width: float = knob(0.25, "a smaller neighbourhood counts fewer hidden regions", low=0.01)
    ridge: float = knob(1.0, "more shrinks every weight to 0", low=0.0)
    seed: int = knob(0, "another seed draws other coalitions")

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", as_regions(self.regions))
        super().__post_init__()

    def compute(
        self, net: Classifier, images: Images, target: Any = None, data: Dataset | None = None
    ) -> Map:
        cut, aim = regions_of(self.regions, images), net.target(target, images)
        hidden = hider(self.fill, net, images, data, min(images.size) / 14, self.seed)
        found, clean = [], []
        for i in range(len(images)):
            scores = scores_for(net, aim, [i], self.passes)
            game = Game(images.pixels[i], hidden.pixels[i], cut[i], scores, self.passes)
            with span(i / len(images), (i + 1) / len(images)):
                found.append(self._fitted(game))
            clean.append(float(scores(images.pixels[i : i + 1])[0, 0]))
        made = on_regions([f.weights for f in found], [f.half for f in found], images, cut, aim.labels, clean)
        shares = ", ".join(f"{f.explained:.0%}" for f in found)
        return replace(
            made, unit="weight of the region",
            caption=f"Red: in the linear model, showing this region raises the score; blue: it lowers it. Hidden regions "
            f"show {hidden.words}.",
            notes=(
                f"The linear model explains {shares} of the score's variance near the picture, from {self.passes} passes.",
                *net.notes_on(aim),
            ),
        )  # fmt: skip

    def _fitted(self, game: Game):
        draws = torch.Generator().manual_seed(self.seed)
        coalitions = torch.rand(self.passes, game.size, generator=draws) < 0.5
        coalitions[0] = True  # the picture itself, as in LIME
        fills = torch.randint(len(game.fills), (self.passes,), generator=draws)
        values = game.values(coalitions, fills)[:, 0]
        return surrogate(coalitions, values, nearness(coalitions, self.width), self.ridge)
