"""What might a picture show where a hole was cut into it? What lies around goes on, with texture from elsewhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Generator, Tensor

COARSE = 5  # pixels a side of the mean that separates tone from texture
SHIFTS = 12  # texture is laid into the hole from so many places, until nothing is open


def filled(
    pixels: Float[Tensor, "n c h w"], hole: Bool[Tensor, "n h w"], generator: Generator
) -> Float[Tensor, "n c h w"]:
    """The pictures with their holes filled: the tone by push-pull (Gortler et al. 1996), the texture as what
    the same picture has beyond its local mean somewhere else. Pixels outside the hole stay as they are.

    A picture that is all hole becomes black.
    """
    known = ~hole[:, None]
    tone = push_pull(pixels, known)
    whole = torch.where(known, pixels, tone)
    texture = (whole - _local_mean(whole)) * known
    return torch.where(known, pixels, (tone + _laid(texture, hole, generator)).clamp(0, 1))


def push_pull(pixels: Float[Tensor, "n c h w"], known: Bool[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
    """Unknown pixels from the known ones around: means over ever larger squares, taken where nothing finer is
    known.

    >>> row = torch.tensor([[[[1.0, 0.0, 0.0, 1.0]]]])
    >>> push_pull(row, row > 0).flatten().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    weight = known.to(pixels)
    levels = [(pixels * weight, weight)]
    while max(levels[-1][0].shape[2:]) > 1:
        values, weight = levels[-1]
        levels.append((_halved(values), _halved(weight)))
    values, weight = levels.pop()
    fill = values / weight.clamp(min=1e-6)
    for values, weight in reversed(levels):
        wide = F.interpolate(fill, values.shape[2:], mode="bilinear", align_corners=False)
        fill = values + wide * (1 - weight)
    return fill


def _halved(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, 2, ceil_mode=True, count_include_pad=False)


def _local_mean(pixels: Tensor) -> Tensor:
    return F.avg_pool2d(pixels, COARSE, 1, COARSE // 2, count_include_pad=False)


def _laid(texture: Tensor, hole: Tensor, generator: Generator) -> Tensor:
    """The texture of known places, shifted into the hole by random steps, the same for all pictures."""
    h, w = hole.shape[1:]
    laid, open_still = torch.zeros_like(texture), hole.clone()
    for _ in range(SHIFTS):
        shift = [int(torch.randint(1, max(2, s), (1,), generator=generator)) for s in (h, w)]
        there = open_still & torch.roll(~hole, shift, (1, 2))
        laid = torch.where(there[:, None], torch.roll(texture, shift, (2, 3)), laid)
        open_still = open_still & ~there
    return laid
