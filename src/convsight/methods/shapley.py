"""How much does each region add to a score, averaged over all orders of appearing, and how certain is that?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convsight.coalitions.asking import ShapleyGames, games_of
from convsight.coalitions.hiding import HIDERS
from convsight.coalitions.regions import as_regions
from convsight.datasets import Dataset
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Shapley(Method):
    """How much each region adds to the score, averaged over all orders of appearing, with a 95% interval for each.

    φ_i = Σ_S |S|! (r − |S| − 1)! / r! · (v(S ∪ i) − v(S)), where v(S) is the target's score with the regions S shown
    and the others hidden. The values add up to the score of the picture less that of the hidden picture: what
    several regions do together is shared among them, which occlusion, hiding one region at a time, cannot show.

    `regions`: 7 for a grid of 7×7, (4, 6) for rows and columns ("4x6" on the command line), "superpixels" (SLIC, about
    49; needs scikit-image, `[segmentation]`), a label image or mask (whole numbers or True and False, h×w or n×h×w), or its
    file. Hidden regions show `fill`: a colour, the picture blurred, noise, or with "data" the pixels of 8 other
    pictures of `data`, in turn (the values are those of the mean over the 8).

    Where `passes` suffice for all coalitions of at most 16 regions (10 regions: 1,024 passes), the values are exact.
    Otherwise each region alone and all but it are looked at, then random coalitions with their complements. The
    values come from a regression with all interactions of three regions, expected to be larger between neighbours;
    interactions of two cancel in the pairs. It ends when the widest 95% interval reaches ± `precision` × the largest
    value, or at the budget of `passes`; the notes say which, which ranks are certain, and what is in the way of more.

    `rivals` explains so many more of the most probable classes in the same passes (results in `parts`). Pictures that
    are given several times with different targets share their passes too.

    Returns a signed Map: `values` n h w, each pixel with its region's value in units of the target (logits), and
    `half_width` n h w; `regions` n h w (numbers from 0), `region_values` n r, `region_intervals` n r 2, `clean_score` n;
    in `parts` a Table of the first ranks. Colours fade with the part of the value that is not certain. A region's value
    says nothing of its pixels: a larger grid is another question. Intervals are of the sampling alone: another `fill`
    is another question too. Raises InputError for regions, a fill or a budget that cannot be, and ModelError.

    Source: Shapley 1953; Štrumbelj & Kononenko 2010 (sampling); Lundberg & Lee 2017, arXiv:1705.07874 (regression); Covert
    & Lee 2021, arXiv:2012.01536 (pairs and intervals). The interactions are ours: 0.1 to 0.6 times the variance.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)), ["a", "b"], 4, 1)
    >>> result = Shapley(regions=2)(net, torch.rand(1, 1, 4, 4), "a")
    >>> result.region_values.shape, float(result.half_width.max())
    (torch.Size([1, 4]), 0.0)
    """

    title = "Shapley values"
    kind = Map
    source = "Shapley 1953; Lundberg & Lee 2017, arXiv:1705.07874; Covert & Lee 2021, arXiv:2012.01536"
    in_report = False

    regions: int | tuple[int, int] | str = knob(
        7, "more regions show finer parts and need more passes: a grid's side, rows and columns, superpixels, or a "
        "label image's file", low=1
    )  # fmt: skip
    fill: str = knob("grey", "what hidden regions show", choices=HIDERS)
    passes: int = knob(2000, "a larger budget gives narrower intervals in more time", unit="passes", low=1)
    precision: float = knob(
        0.15,
        "less asks for narrower intervals: it ends at this share of the largest value",
        low=0.0,
        high=1.0,
    )
    rivals: int = knob(0, "so many more of the most probable classes are explained in the same passes", low=0)
    seed: int = knob(0, "another seed draws other coalitions")

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", as_regions(self.regions))
        super().__post_init__()

    def compute(
        self, net: Classifier, images: Images, target: Any = None, data: Dataset | None = None
    ) -> Map:
        asked = self._asked(net, images, target, data)
        asked.finish()
        return asked.map()

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Map]:
        """The same map, early and with wide intervals first, then ever narrower ones; takes what the call takes.

        >>> import torch
        >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)), ["a", "b"], 8, 1)
        >>> maps = list(Shapley(regions=4, passes=400, precision=0.0).stream(net, torch.rand(1, 1, 8, 8)))
        >>> len(maps) > 3 and bool(maps[-1].half_width.max() <= maps[0].half_width.max())
        True
        """
        given = self._bind(args, kwargs)
        asked: ShapleyGames | None = None

        def stage() -> Map:
            nonlocal asked
            asked = asked or self._asked(**given)
            asked.step()
            return asked.map()

        while asked is None or not asked.done:
            yield self._answer(given, stage)  # type: ignore[misc]

    def _asked(self, net: Classifier, images: Images, target: Any, data: Dataset | None) -> ShapleyGames:
        return games_of(
            net, images, target, data, regions=self.regions, fill=self.fill, passes=self.passes,
            precision=self.precision, rivals=self.rivals, seed=self.seed,
        )  # fmt: skip
