"""Under which lamp was a picture taken? Probes of how bright it is and of its tint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.shortcuts.probes import Pixels, Probe


@dataclass(frozen=True, eq=False)
class Gain(Probe):
    """The exposure: everything multiplied by `factor`, if the donor has more of it than `threshold`.

    Without a factor, so that the brightest parts are as bright as the donor's. darker: whether a picture has the more
    of it the darker it is. Objects differ in how much of them is bright, far less in their brightest pixels, so those
    tell the exposure.
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

    def numbers(self) -> dict[str, Any]:
        return {"darker": self.darker, "factor": self.factor, "threshold": self.threshold}


def brightest(of: Pixels) -> Float[Tensor, " n"]:
    """The level that one pixel in 2,000 of each picture is above (of small pictures, about the brightest one)."""
    return of.mean(1).flatten(1).quantile(0.9995, dim=1)


@dataclass(frozen=True, eq=False)
class Cast(Probe):
    """The tint: each channel multiplied by its `factor`, if the donor's tint goes that way by `threshold`."""

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
        """The picture's tint along that of the factor; in nats."""
        direction = torch.tensor(self.factor).log()
        return tint(of) @ (direction - direction.mean()) / (direction.norm() + 1e-6)

    def numbers(self) -> dict[str, Any]:
        return {"factor": list(self.factor), "threshold": self.threshold}


def tint(of: Pixels) -> Float[Tensor, "n c"]:
    """How much each channel's mean is above that of all channels; in nats."""
    log = of.mean((2, 3)).clamp(min=0.01).log()
    return log - log.mean(1, keepdim=True)
