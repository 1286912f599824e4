"""What is the score when only some regions of a picture are shown?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from convsight.coalitions.interactions import windows
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.occluding.whole import WholePasses
from convsight.progress import report_count

Coalitions = Bool[Tensor, "m r"]  # which of r regions each of m coalitions shows
Scores = Callable[[Float[Tensor, "m c h w"]], Float[Tensor, "m t"]]


@dataclass(eq=False)
class Game:
    """One picture's regions as players: `values` of coalitions are t scores, those of the targets.

    picture: pixels in [0, 1]. fills: d pictures whose pixels hidden regions show; the game is their mean.
    regions: the number of each pixel's region, 0 … r−1. scores: of pictures, in one pass each. passes: how many there were.
    """

    picture: Float[Tensor, "c h w"]
    fills: Float[Tensor, "d c h w"]
    regions: Int[Tensor, "h w"]
    scores: Scores
    budget: int = 0  # passes at most, for reports of progress
    passes: int = 0
    _ends: list[Float[Tensor, " t"]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many regions there are."""
        return int(self.regions.max()) + 1

    @functools.cached_property
    def near(self) -> Float[Tensor, "p r"]:
        """Which regions lie together, and so are likely to interact."""
        return windows(self.regions)

    def values(self, coalitions: Coalitions, fills: Int[Tensor, " m"]) -> Float[Tensor, "m t"]:
        """Each coalition's scores, its hidden regions under the fill of that number, in float64."""

        def run(part: slice) -> Tensor:
            shown = coalitions[part][:, self.regions][:, None]
            found = self.scores(torch.where(shown, self.picture, self.fills[fills[part]])).double()
            self.passes += len(found)
            report_count(self.passes, max(self.budget, self.passes), "passes at most")
            return found

        return torch.cat(in_chunks(run, len(coalitions), chunk_size(self.picture.shape)))

    def ends(self) -> tuple[Float[Tensor, " t"], Float[Tensor, " t"]]:
        """The scores with every region hidden (the mean over fills) and with every region shown."""
        if not self._ends:
            d = len(self.fills)
            none = torch.zeros(d + 1, self.size, dtype=torch.bool)
            none[d] = True
            found = self.values(none, torch.tensor([*range(d), 0]))
            self._ends = [found[:d].mean(0), found[d]]
        return self._ends[0], self._ends[1]

    def know_ends(self, none: Float[Tensor, " t"], every: Float[Tensor, " t"]) -> None:
        """Take both scores from a caller that has computed all coalitions."""
        self._ends = [none, every]


def scores_for(net: Classifier, aims: Target, asked: list[int], expected: int) -> Scores:
    """How pictures are scored for the targets `asked` of `aims`, all in the same pass."""
    if aims.outputs is None:
        unit = aims[asked[0] : asked[0] + 1]

        def of_unit(pixels: Tensor) -> Tensor:
            with torch.no_grad():
                return unit.score(net, pixels).float().cpu()[:, None]

        return of_unit
    outputs = aims.outputs[asked].cpu()
    rows = WholePasses(aims.through or net, expected)
    return lambda pixels: rows(pixels)[:, outputs].float()
