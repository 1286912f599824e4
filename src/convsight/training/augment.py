"""How is a training batch varied, all pictures at once, so that the network cannot learn it by heart?

Everything here takes a batch `n c h w` of any dtype, draws from the generator given, and returns a batch of
the same shape and dtype. Only training pictures pass through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from convsight.errors import InputError
from convsight.training.photo_augment import recoloured, resized_crops


@dataclass(frozen=True)
class Augment:
    """What is done to each training batch.

    flip: "alternate" mirrors half of the pictures in the first epoch, the other half in the next and so on
        (every two epochs show both sides of each picture; Jordan 2024, arXiv 2404.00498), "random" tosses a
        coin each time, "" never.
    shift_px: each picture moves by up to so many pixels up or down and left or right; the edge is repeated.
        0 turns it off; on 28 to 64 pixels 1 to 4 is usual.
    cutout_px: a square hole of this side at a random place, filled with the picture's mean
        (DeVries and Taylor 2017, arXiv 1708.04552). 0 turns it off; a quarter of the side is mild.
    crop: a rectangle of at least this share of the picture's area, enlarged again (`photo_augment`). 0 turns it
        off; 0.5 is mild, 0.08 what ImageNet is trained with.
    colour: brightness, contrast and, unless `hues` is off, saturation times 1 ± this. 0 turns it off; 0.2 is mild.
    """

    flip: str = ""
    shift_px: int = 0
    cutout_px: int = 0
    crop: float = 0.0
    colour: float = 0.0
    hues: bool = True

    def __post_init__(self) -> None:
        for name, value in (("crop", self.crop), ("colour", self.colour)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} must be from 0 to 1, not {value}")

    def __call__(
        self, pixels: Shaped[Tensor, "n c h w"], coins: Bool[Tensor, " n"], generator: torch.Generator
    ) -> Shaped[Tensor, "n c h w"]:
        """The batch, varied; `coins` says which pictures the alternating flip mirrors in this epoch."""
        if self.flip == "random":
            coins = torch.rand(len(pixels), generator=generator) < 0.5
        if self.flip:
            pixels = mirrored(pixels, coins)
        if self.shift_px:
            pixels = shifted(pixels, self.shift_px, generator)
        if self.crop:
            pixels = resized_crops(pixels, self.crop, generator)
        if self.colour:
            pixels = recoloured(pixels, self.colour, generator, hues=self.hues)
        if self.cutout_px:
            pixels = cut_out(pixels, self.cutout_px, generator)
        return pixels


def mirrored(pixels: Shaped[Tensor, "n c h w"], coins: Bool[Tensor, " n"]) -> Shaped[Tensor, "n c h w"]:
    """Left and right exchanged in the pictures whose coin is true."""
    return torch.where(coins.view(-1, 1, 1, 1), pixels.flip(3), pixels)


def alternating_coins(count: int, epoch: int, seed: int) -> Bool[Tensor, " n"]:
    """The side each of `count` training pictures shows in `epoch`: fixed by the seed, swapped every epoch."""
    first = torch.rand(count, generator=torch.Generator().manual_seed(seed)) < 0.5
    return first ^ (epoch % 2 == 1)


def shifted(
    pixels: Shaped[Tensor, "n c h w"], most: int, generator: torch.Generator
) -> Shaped[Tensor, "n c h w"]:
    """Each picture moved by its own whole number of pixels, -most to most on both axes, edges repeated."""
    n, c, h, w = pixels.shape
    down, right = torch.randint(-most, most + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(h) + down).clamp_(0, h - 1)
    cols = (torch.arange(w) + right).clamp_(0, w - 1)
    source = (rows[:, :, None] * w + cols[:, None, :]).view(n, 1, h * w).expand(n, c, h * w)
    return pixels.reshape(n, c, h * w).gather(2, source).view(n, c, h, w)


def cut_out(
    pixels: Shaped[Tensor, "n c h w"], side: int, generator: torch.Generator
) -> Shaped[Tensor, "n c h w"]:
    """A square of `side` pixels around a random pixel (it may hang over the edge) becomes the mean."""
    n, _, h, w = pixels.shape
    rows = torch.randint(0, h, (n, 1), generator=generator) - side // 2
    cols = torch.randint(0, w, (n, 1), generator=generator) - side // 2
    y, x = torch.arange(h), torch.arange(w)
    tall, wide = (y >= rows) & (y < rows + side), (x >= cols) & (x < cols + side)
    hole = (tall[:, :, None] & wide[:, None, :])[:, None]
    mean = pixels.float().mean((1, 2, 3), keepdim=True).to(pixels.dtype)
    return torch.where(hole, mean, pixels)
