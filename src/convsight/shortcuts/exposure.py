"""How bright is a picture, and which tint does it have? The two probes for the light that it was taken in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.shortcuts.probes import Pixels, Probe


@dataclass(frozen=True, eq=False)
class Gain(Probe):
    """The exposure: the picture is multiplied by `factor` if the donor's exposure is above `threshold`.

    Without a `factor` the picture becomes so bright that its brightest pixels equal the donor's. `darker`:
    the probe measures how dark a picture is instead of how bright. The exposure is read from the brightest
    pixels, because these differ far less between objects than the bright area does.
    """

    kind: ClassVar[str] = "brightness"
    darker: bool = False
    factor: float | None = None
    threshold: float = 0.0

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        if self.factor is not None:
            return self._multiplied(onto, self.strength(of) > self.threshold, self.factor)
        factor = (brightest(of) / brightest(onto).clamp(min=0.02)).clamp(0.2, 5)
        return (onto * factor[:, None, None, None]).clamp(0, 1)

    def remove(self, onto: Pixels, of: Pixels) -> Pixels:
        if self.factor is None:
            return self.paste(onto, of)
        return self._multiplied(onto, self.strength(of) <= self.threshold, 1 / self.factor)

    def _multiplied(self, onto: Pixels, who: Tensor, factor: float) -> Pixels:
        return torch.where(who[:, None, None, None], (onto * factor).clamp(0, 1), onto)

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        return -brightest(of) if self.darker else brightest(of)


def brightest(of: Pixels) -> Float[Tensor, " n"]:
    """The 99.95% quantile of each picture's pixels, which in small pictures is about the brightest pixel."""
    return of.mean(1).flatten(1).quantile(0.9995, dim=1)


@dataclass(frozen=True, eq=False)
class Cast(Probe):
    """The tint: each channel is multiplied by its `factor` if the donor's tint in that direction is above
    `threshold`.
    """

    kind: ClassVar[str] = "colour"
    factor: tuple[float, ...]
    threshold: float

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        return self._tinted(onto, self.strength(of) > self.threshold, torch.tensor(self.factor))

    def remove(self, onto: Pixels, of: Pixels) -> Pixels:
        return self._tinted(onto, self.strength(of) <= self.threshold, 1 / torch.tensor(self.factor))

    def _tinted(self, onto: Pixels, who: Tensor, factor: Tensor) -> Pixels:
        tinted = (onto * factor[:, None, None]).clamp(0, 1)
        return torch.where(who[:, None, None, None], tinted, onto)

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """The component of the picture's tint in the direction of `factor`, in nats."""
        direction = torch.tensor(self.factor).log()
        return tint(of) @ (direction - direction.mean()) / (direction.norm() + 1e-6)


def tint(of: Pixels) -> Float[Tensor, "n c"]:
    """The logarithm of each channel's mean minus the average over the channels, in nats."""
    log = of.mean((2, 3)).clamp(min=0.01).log()
    return log - log.mean(1, keepdim=True)
