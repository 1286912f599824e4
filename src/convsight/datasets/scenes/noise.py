"""How does a drawn surface come to look uneven, as snow, water and fur are? Smooth random fields, summed over scales."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.datasets.shapes import Field, Number, Random

CELLS = 24  # random numbers along a side of a field; it is mirrored beyond them

Colour = Float[Tensor, "n 3 1 1"]
Picture = Float[Tensor, "n 3 h w"]


class View(NamedTuple):
    """Where on a surface each pixel of n pictures looks.

    x, y: the pixel, from -1 to 1 as in `shapes`. u, v: the place on the surface, about 2 across a picture.
    near: 1 at the lower edge, less towards the horizon, where details are closer together. above: how much of each
    pixel lies above the horizon, 0 to 1.
    """

    x: Field
    y: Field
    u: Field
    v: Field
    near: Field
    above: Field


def pixel_grid(size_px: int) -> tuple[Field, Field]:
    """x and y of every pixel's centre, from -1 to 1."""
    axis = (torch.arange(size_px) + 0.5) * 2 / size_px - 1
    return axis.reshape(1, 1, -1), axis.reshape(1, -1, 1)


def noise(r: Random, u: Field, v: Field, per_unit: Number, octaves: int = 1, fade: float = 0.5) -> Field:
    """A random field at the places u, v, with about the spread of a normal distribution.

    per_unit: bumps along a length of 1. octaves: how many fields of doubled fineness are summed, each `fade` times
    as strong as the one before.
    """
    u, v = torch.broadcast_tensors(u, v)
    total, scale = torch.zeros_like(u), 0.0
    for octave in range(octaves):
        fine = per_unit * 2**octave
        places = torch.stack([u * fine + r(0, CELLS), v * fine + r(0, CELLS)], -1) * (2 / CELLS) - 1
        grid = torch.randn(r.n, 1, CELLS, CELLS, generator=r.generator)
        field = F.grid_sample(grid, places, mode="bicubic", padding_mode="reflection", align_corners=False)
        total = total + fade**octave * field[:, 0]
        scale += fade ** (2 * octave)
    return total * (1.3 / scale**0.5)


def step(field: Field, softness: Number) -> Field:
    """0 where a field is below zero, 1 above, with an edge of this width."""
    return (field / softness + 0.5).clamp(0, 1)


def between(r: Random, *anchors: tuple[float, float, float]) -> Colour:
    """A colour of each picture: a random mixture of two neighbours of a row of anchors, a little off."""
    row = torch.tensor(anchors)
    place = r(0, len(anchors) - 1).flatten() if len(anchors) > 1 else torch.zeros(r.n)
    first = place.long().clamp(max=max(len(anchors) - 2, 0))
    second = (first + 1).clamp(max=len(anchors) - 1)
    mixed = torch.lerp(row[first], row[second], (place - first)[:, None])
    off = torch.cat([r(-0.03, 0.03) for _ in range(3)], 1)[..., 0]
    return (mixed + off).clamp(0, 1).reshape(r.n, 3, 1, 1)


def mix(a: Picture | Colour, b: Picture | Colour, share: Field) -> Picture:
    """a where `share` is 0, b where it is 1."""
    return a + (b - a) * share[:, None]
