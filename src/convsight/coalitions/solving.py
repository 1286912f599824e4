"""When are the Shapley values of a game certain enough, and how many passes may that take?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.coalitions.design import Sampling
from convsight.coalitions.exact import MOST, every, shapley_values
from convsight.coalitions.game import Game
from convsight.coalitions.regression import Estimate, estimate
from convsight.errors import InputError

FEWEST = 24  # pairs in the first stage
GROWTH = 1.4  # of the number of pairs from stage to stage


@dataclass(eq=False)
class Solving:
    """The values of one game, stage by stage: `step` until `done`.

    budget: passes at most. precision: half the length of the widest 95% interval at which it ends, as a share of the
    largest value. With a budget for every coalition of at most 16 regions all are looked at, and the values are exact.
    """

    game: Game
    budget: int
    precision: float
    seed: int
    estimate: Estimate | None = None
    ended: str = ""  # why it ended, in words

    def __post_init__(self) -> None:
        self.game.budget = self.budget
        self._sampling = Sampling(self.game, torch.Generator().manual_seed(self.seed))
        regions, fills = self.game.size, len(self.game.fills)
        self.exact = regions <= MOST and 2**regions * fills <= self.budget
        needed = self._left_after(0) // 2
        if not self.exact and needed < self._fewest():
            least = self.budget + 2 * (self._fewest() - needed)
            raise InputError(
                f"passes={self.budget} are too few for {regions} regions",
                works=f"give {least} or more, or fewer regions",
            )

    @property
    def done(self) -> bool:
        return bool(self.ended)

    @property
    def rise(self) -> Float[Tensor, " t"]:
        """The score with all regions less that with none."""
        none, all_ = self.game.ends()
        return all_ - none

    def step(self) -> None:
        """Look at further coalitions and estimate the values anew."""
        if self.exact:
            self._solve()
            return
        drawn = self._sampling.drawn
        wanted = self._fewest() if not drawn else round(drawn * (GROWTH - 1))
        most = self._left_after(drawn) // 2
        rise = self.rise
        self._sampling.draw(min(wanted, most))
        self.estimate = estimate(self._sampling.pairs(), rise, self.game.near)
        if self._narrow(self.estimate):
            self.ended = f"stopped after {self.game.passes} passes: no 95% interval is wider than asked"
        elif wanted >= most:
            self.ended = f"stopped by the budget of {self.budget} passes"

    def _fewest(self) -> int:
        """Pairs of the first stage: where nothing is known without chance, enough to tell all regions apart."""
        return FEWEST if self._sampling.single else self.game.size + FEWEST

    def _left_after(self, drawn: int) -> int:
        return self.budget - len(self.game.fills) - 1 - 2 * (self._sampling.single + drawn)

    def _narrow(self, found: Estimate) -> bool:
        """Whether every interval is as narrow as asked; not before the regions have been drawn about once each."""
        enough = self._sampling.drawn >= self.game.size
        widest, largest = found.half.amax(0), found.values.abs().amax(0)
        return enough and bool((widest <= self.precision * largest).all())

    def _solve(self) -> None:
        """All coalitions under every fill."""
        coalitions, fills = every(self.game.size), len(self.game.fills)
        total = torch.stack(
            [self.game.values(coalitions, torch.full((len(coalitions),), fill)) for fill in range(fills)]
        ).mean(0)
        self.game.know_ends(total[0], total[-1])
        values = shapley_values(total)
        regions, targets = values.shape
        self.estimate = Estimate(values, torch.zeros(targets, regions, regions, dtype=torch.float64))
        self.ended = f"exact: all {len(coalitions)} coalitions were looked at"
