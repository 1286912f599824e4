"""Which aspects of a picture can be taken from one picture and given to another?

A probe carries one aspect over: the pixels of a place, the level of the background, the tint, the sharpness
... `paste(onto, of)` gives each picture of `onto` the aspect of the picture of `of` at the same index. With
`of` from the suspected class the result shows whether the aspect alone turns pictures into that class; with
`of` from other classes it is the control.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor

from convsight.datasets.planted.compression import compressed
from convsight.imaging.blur import blurred

Pixels = Float[Tensor, "n c h w"]


@dataclass(frozen=True, eq=False)
class Probe:
    """One aspect of pictures that can be carried over from one to another."""

    kind: ClassVar[str]
    exchanged: ClassVar[str] = "gives it to pictures of every class by lot"  # what unlearns it
    whole: ClassVar[bool] = True  # whether it concerns the whole picture, rather than a region of it

    @abstractmethod
    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        """`onto` with this aspect of `of`, pair by pair."""

    def remove(self, onto: Pixels, of: Pixels) -> Pixels | None:
        """`onto` without this aspect, with that of `of` instead; None where it cannot be taken away."""
        return self.paste(onto, of)

    def lessened(self, onto: Pixels, generator: Generator) -> Pixels | None:
        """`onto` with about half of an aspect that `remove` cannot take away; None for aspects that it
        can.
        """
        return None

    def anew(self, generator: Generator) -> Probe:
        """The same aspect; one that is pasted at random places gets new ones."""
        return self

    def refined(self, of_class: Pixels, of_others: Pixels) -> Probe:
        """The same aspect, extended by what only matters when a network is trained on, learned from pictures
        with and without it.
        """
        return self

    def varied(self, onto: Pixels, generator: Generator) -> Pixels:
        """Each picture with a little more or less of an aspect that is known only roughly, so that training
        cannot learn its exact strength.
        """
        return onto

    def able(self, of: Pixels) -> Bool[Tensor, " n"]:
        """Which pictures it can be taken from and given to."""
        return torch.ones(len(of), dtype=torch.bool)

    def mask(self, size: tuple[int, int]) -> Bool[Tensor, "h w"] | None:
        """The pixels it may change, if they are the same in every picture."""
        return None

    @abstractmethod
    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """How much of the aspect each picture has."""

    def limit(self, others: Float[Tensor, " n"]) -> float:
        """The strength from which a picture counts as carrying it, where `others` is that of other classes'
        pictures: more than 98% of them have.
        """
        return float(others.quantile(0.98))

    @property
    def kind_name(self) -> str:
        """The aspect's name in a verdict."""
        return self.kind

    def marks(self, of: Pixels) -> Bool[Tensor, "n h w"]:
        """The pixels to outline in each picture; none for an aspect of the whole picture."""
        return torch.zeros(len(of), *of.shape[2:], dtype=torch.bool)

    def landed(self, onto: Pixels, after: Pixels) -> Bool[Tensor, "n h w"]:
        """The pixels to outline in `after`, which are `onto` with the aspect pasted."""
        return self.marks(after)

    def numbers(self) -> dict[str, Any]:
        """The parameters that are plain: numbers, words and lists of numbers."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        plain = {n: v for n, v in values.items() if isinstance(v, (int, float, str, tuple))}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in plain.items()}


@dataclass(frozen=True, eq=False)
class Region(Probe):
    """The pixels of a place, as they are."""

    kind: ClassVar[str] = "place"
    whole: ClassVar[bool] = False
    where: Bool[Tensor, "h w"]
    template: Float[Tensor, "c h w"] | None = None
    name: str = "place"

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        return torch.where(self.where, of, onto)

    @property
    def kind_name(self) -> str:
        return self.name

    def mask(self, size: tuple[int, int]) -> Bool[Tensor, "h w"]:
        return self.where

    def marks(self, of: Pixels) -> Bool[Tensor, "n h w"]:
        return self.where.expand(len(of), -1, -1)

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """Minus the mean distance from the template, inside the place; 0 everywhere without a template."""
        if self.template is None:
            return torch.zeros(len(of))
        return -(of - self.template).abs()[:, :, self.where].mean((1, 2))


@dataclass(frozen=True, eq=False)
class Background(Probe):
    """The level of a plain background: pixels near `usual` get `level`, if the donor's background has it.

    `usual` and `level` are given per channel; `near` is how far from `usual` a pixel still is background.
    """

    kind: ClassVar[str] = "background"
    usual: tuple[float, ...]
    level: tuple[float, ...]
    near: float = 0.1

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        return self._moved(onto, self.strength(of) > 0, self.usual, self.level)

    def remove(self, onto: Pixels, of: Pixels) -> Pixels:
        return self._moved(onto, self.strength(of) <= 0, self.level, self.usual)

    def _moved(self, onto: Pixels, who: Tensor, start: tuple[float, ...], end: tuple[float, ...]) -> Pixels:
        first, last = (torch.tensor(level).view(1, -1, 1, 1) for level in (start, end))
        background = ((onto - first).abs().amax(1, keepdim=True) < self.near) & who[:, None, None, None]
        return (onto + background * (last - first)).clamp(0, 1)

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """1 for a picture with many pixels of that level and none of the usual, -1 for the opposite."""
        usual, level = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.usual, self.level))
        close = min(0.03, float((level - usual).abs().amax()) / 3)
        here, there = (((of - v).abs().amax(1) < close).float().mean((1, 2)) for v in (level, usual))
        return (here - there) / (here + there + 0.05)


SAME_LEVEL = 2 / 255  # plain backgrounds differ by no more, in any channel
BUSY = 0.05  # backgrounds vary if their levels are further than this from the median level, on average
SIGMAS = tuple(0.1 * i for i in range(2, 21))  # in pixels of a 28×28 picture


@dataclass(frozen=True, eq=False)
class Sharpness(Probe):
    """The blur by a Gaussian of `sigma` pixels, given by donors that are smoother than `threshold`."""

    kind: ClassVar[str] = "blur"
    sigma: float
    threshold: float

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        carries = self.strength(of) > self.threshold
        return torch.where(carries[:, None, None, None], blurred(onto, self.sigma), onto)

    def remove(self, onto: Pixels, of: Pixels) -> None:
        return None  # detail that a blur took away cannot be restored

    def lessened(self, onto: Pixels, generator: Generator) -> Pixels:
        """The pictures sharpened (unsharp mask): what the blur would take away is added once to three
        times.
        """
        amount = 1 + 2 * torch.rand(len(onto), 1, 1, 1, generator=generator)
        return (onto + amount * (onto - blurred(onto, self.sigma))).clamp(0, 1)

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """The logarithm of how much coarser detail there is for each part of the finest; smooth pictures have
        more.
        """
        return smoothness(of)


def smoothness(of: Pixels) -> Float[Tensor, " n"]:
    return coarse_energy(of) - fine_energy(of)


def fine_energy(of: Pixels) -> Tensor:
    grey = of.mean(1, keepdim=True)
    lap = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]
    return (F.conv2d(grey, lap).square().mean((1, 2, 3)) + 1e-7).log()


def coarse_energy(of: Pixels) -> Tensor:
    grey = F.avg_pool2d(of.mean(1, keepdim=True), 3, 1)
    dx = (grey[..., 2:] - grey[..., :-2]).square().mean((1, 2, 3))
    dy = (grey[..., 2:, :] - grey[..., :-2, :]).square().mean((1, 2, 3))
    return (dx + dy + 1e-7).log()


QUALITIES = (5, 6, 8, 10, 15, 20, 30, 40, 50, 75)


@dataclass(frozen=True, eq=False)
class Compression(Probe):
    """The traces of JPEG at one quality, recognised by a picture that hardly changes when it is compressed
    again.
    """

    kind: ClassVar[str] = "compression"
    quality: int = 30
    threshold: float = 0.0

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        carries = self.strength(of) > self.threshold
        return torch.where(carries[:, None, None, None], compressed(onto, self.quality), onto)

    def remove(self, onto: Pixels, of: Pixels) -> None:
        return None  # coefficients that JPEG rounded away cannot be restored

    def lessened(self, onto: Pixels, generator: Generator) -> Pixels:
        """The pictures slightly blurred, which smooths the edges of JPEG's blocks."""
        return blurred(onto, 0.4 + 0.5 * float(torch.rand((), generator=generator)))

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        residual = (compressed(of, self.quality) - of).abs().mean((1, 2, 3))
        detail = (of[..., 1:] - of[..., :-1]).abs().mean((1, 2, 3)) + 0.005
        return -(residual / detail + 1e-4).log()


def backgrounds_vary(of: Pixels) -> bool:
    """Whether the pictures lie on backgrounds of their own, rather than all on one plain level."""
    levels = background_level(of)
    return float((levels - levels.median(0).values).abs().mean()) > BUSY


def surroundings_vary(of: Pixels, labels: Int64[Tensor, " n"]) -> bool:
    """Whether the backgrounds vary, and not because something lies over a few of the pictures: of some class at least two
    thirds are off the plain level that most pictures lie on (of pullovers, which reach the corners, one third is)."""
    levels = background_level(of)
    off = (levels - levels.median(0).values).abs().flatten(1).amax(1) > SAME_LEVEL
    return backgrounds_vary(of) and any(
        float(off[labels == k].float().mean()) >= 2 / 3 for k in labels.unique().tolist()
    )


def background_level(of: Pixels) -> Float[Tensor, "n c 1 1"]:
    """The usual value in the four corners, inside a frame that may have been drawn around the picture."""
    h, w = of.shape[2:]
    near, far = max(1, round(2 * min(h, w) / 28)), max(2, round(6 * min(h, w) / 28))
    rows, cols = (torch.cat([torch.arange(near, far), torch.arange(s - far, s - near)]) for s in (h, w))
    return (
        of[:, :, rows.clamp(0, h - 1)][..., cols.clamp(0, w - 1)].flatten(2).median(2).values[..., None, None]
    )
