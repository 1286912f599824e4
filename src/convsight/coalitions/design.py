"""Which coalitions are looked at, and in which order?

First each region alone and all but it, which are known in full; then coalitions of the sizes and regions that the
Shapley kernel draws, each with its complement.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
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
        """What was looked at; the single regions stand for as many draws as the kernel would spend on them."""
        shown = torch.cat(self._shown)
        weights = torch.ones(len(shown), dtype=torch.float64)
        if self.single:
            share = float(size_chances(self.game.size)[[0, -1]].sum())
            weights[: self.single] = max(self.drawn, 1) / (1 - share) * share / self.single
        return Pairs(shown, torch.cat(self._halves), weights, torch.arange(len(shown)) >= self.single)
