"""Which coalitions are looked at, and in which order?

First each region alone and all but it, which are known in full; then coalitions of the sizes and regions that the
Shapley kernel draws, each with its complement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from convsight.coalitions.game import Game
from convsight.coalitions.regression import Pairs


def size_chances(regions: int) -> Float[Tensor, " s"]:
    """How often the Shapley kernel draws coalitions of 1 … r−1 regions: 1 ÷ (s (r − s)), summing to 1.

    >>> size_chances(4)
    tensor([0.3636, 0.2727, 0.3636], dtype=torch.float64)
    """
    sizes = torch.arange(1, regions, dtype=torch.float64)
    kernel = 1 / (sizes * (regions - sizes))
    return kernel / kernel.sum()


@dataclass(eq=False)
class Sampling:
    """The pairs of coalitions of a game that were looked at so far, drawn by `draws`.

    Where one fill hides, each region alone and all but it are looked at once and are known; where several fills do,
    these are drawn like all others.
    """

    game: Game
    draws: torch.Generator
    _shown: list[Tensor] = field(default_factory=list)
    _halves: list[Tensor] = field(default_factory=list)

    @property
    def single(self) -> int:
        """How many pairs of a single region and all others are known without chance."""
        return self.game.size if len(self.game.fills) == 1 else 0

    @property
    def drawn(self) -> int:
        """How many pairs chance has chosen so far."""
        return sum(map(len, self._shown)) - (self.single if self._shown else 0)

    def draw(self, pairs: int) -> None:
        """Look at so many further pairs; before the first ones, at every single region."""
        if not self._shown and self.single:
            self._look(torch.eye(self.game.size, dtype=torch.bool))
        self._look(self._coalitions(pairs))

    def _coalitions(self, pairs: int) -> Bool[Tensor, "n r"]:
        regions, first = self.game.size, 2 if self.single else 1
        chances = size_chances(regions)[first - 1 : regions - first]
        sizes = first + torch.multinomial(chances, pairs, True, generator=self.draws)
        standing = torch.rand(pairs, regions, generator=self.draws).argsort(1).argsort(1)
        return standing < sizes[:, None]

    def _look(self, shown: Bool[Tensor, "n r"]) -> None:
        fills = torch.randint(len(self.game.fills), (len(shown),), generator=self.draws)
        values = self.game.values(torch.cat([shown, ~shown]), fills.repeat(2))
        self._shown.append(shown)
        self._halves.append((values[: len(shown)] - values[len(shown) :]) / 2)

    def pairs(self) -> Pairs:
        """What was looked at; the single regions stand for as many draws as the kernel would spend on them.

        A pair that was drawn several times becomes one observation with that weight. As several observations, each
        would be predicted from its own copies, and the intervals, which rest on those errors, would be too narrow.
        """
        shown, halves = torch.cat(self._shown), torch.cat(self._halves)
        known, drawn = torch.arange(self.single), torch.arange(self.single, len(shown))
        at, counts = _each_once(shown[drawn], halves[drawn])
        at = torch.cat([known, self.single + at])
        weights = torch.cat([torch.ones(self.single, dtype=torch.float64), counts.double()])
        if self.single:
            share = float(size_chances(self.game.size)[[0, -1]].sum())
            weights[: self.single] = max(self.drawn, 1) / (1 - share) * share / self.single
        sampled = torch.arange(len(at)) >= self.single
        return Pairs(shown[at], halves[at], weights, sampled, self._seen(shown[at][sampled]))

    def _seen(self, shown: Bool[Tensor, "n r"]) -> float:
        """The share of all possible draws that these different pairs make up, each weighted by its chance."""
        regions, first = self.game.size, 2 if self.single else 1
        chances = size_chances(regions)[first - 1 : regions - first]
        each = [float(c) / math.comb(regions, first + k) for k, c in enumerate(chances / chances.sum())]
        return 2 * sum(each[size - first] for size in shown.sum(1).tolist()) / len(self.game.fills)


def _each_once(
    shown: Bool[Tensor, "n r"], halves: Float[Tensor, "n t"]
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """The row in which each different pair first occurs, in either order of its coalitions, and how often it occurs."""
    turned = torch.where(shown[:, :1], 1.0, -1.0)
    rows = torch.cat([turned * (2.0 * shown.double() - 1), turned * halves], 1)
    _, of, counts = rows.unique(dim=0, return_inverse=True, return_counts=True)
    first = torch.full((len(counts),), len(rows)).scatter_reduce(0, of, torch.arange(len(rows)), "amin")
    first, order = first.sort()
    return first, counts[order]
