"""How is something at fixed places laid over pictures, taken away again, and recognised?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from convsight.shortcuts.probes import Pixels, Probe


@dataclass(frozen=True, eq=False)
class LaidOver(Probe):
    """A picture at fixed places: `add` is laid on, `times` multiplies what is there."""

    variation: ClassVar[float]  # by how much its strength may be off
    add: Float[Tensor, "c h w"]
    times: Float[Tensor, "c h w"]

    @abstractmethod
    def amount(self, of: Pixels) -> Float[Tensor, "n 1 1 1"]:
        """How much of it each picture has, as a factor of `add` and `times`."""

    def laid_on(self, onto: Pixels, amount: Tensor) -> Pixels:
        return (onto + amount * (self.add + self.times * onto)).clamp(0, 1)

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        return self.laid_on(onto, self.amount(of))

    def remove(self, onto: Pixels, of: Pixels) -> Pixels:
        amount = self.amount(onto)
        return ((onto - amount * self.add) / (1 + amount * self.times).clamp(min=0.2)).clamp(0, 1)

    def varied(self, onto: Pixels, generator: Generator) -> Pixels:
        """Each picture with up to `variation` of it more or less, whether or not it was there."""
        share = 2 * torch.rand(len(onto), 1, 1, 1, generator=generator) - 1
        return self.laid_on(onto, self.variation * share)

    def on_grey(self) -> Float[Tensor, "c h w"]:
        """The change that it makes to a medium grey picture."""
        return self.add + 0.5 * self.times

    def share_in(self, where: Bool[Tensor, "h w"]) -> float:
        """The share of its energy, on a medium grey picture, that lies in a region."""
        energy = self.on_grey().square().sum(0)
        return float(energy[where].sum() / energy.sum().clamp(min=1e-9))


def fitted_amount(rest: Tensor, expected: Tensor, weight: Tensor) -> Float[Tensor, " n"]:
    """The factor of `expected` that is nearest to `rest` in each picture, by least squares with these weights."""
    weighted = expected * weight
    return (rest * weighted).flatten(1).sum(1) / ((expected * weighted).flatten(1).sum(1) + 1e-6)
