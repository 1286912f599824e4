"""What do drawn garments look like? The ten classes of Fashion-MNIST, drawn by us, without any download.

Silhouettes with random shape, texture, light and pose: for tests, for a first look without a network, and
where the truth about a picture must be known. They are drawings: an accuracy on them says nothing of photos.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Generator, Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.fashion_mnist import CLASSES
from convsight.datasets.garments import GARMENTS, Garment
from convsight.datasets.pixels import MemoryStore
from convsight.datasets.shapes import Field, Random
from convsight.errors import InputError
from convsight.imaging.fitting import LUMA
from convsight.picture import to_uint8

CHUNK = 256  # pictures drawn at once: a field of them stays in the cache


def drawn_garments(
    *,
    colour: bool = False,
    n_train: int = 6_000,
    n_validation: int = 1_000,
    n_test: int = 2_000,
    size_px: int | None = None,
    seed: int = 0,
    validation: float | int | None = None,
    limit: int | None = None,
) -> Dataset:
    """Drawn garments: 28×28 grey on black (like Fashion-MNIST), or 64×64 in colour before varied walls.

    n_train, n_validation, n_test: pictures of each split, classes equally many (to within one).
    size_px: another width and height, drawn at that size. seed: another seed, other garments; the splits
    never share one. validation: the same as n_validation, or a fraction of n_train. limit: draw at most so
    many for every split.

    Returns uint8 pictures in memory. Raises InputError for fewer pictures than classes.

    >>> data = drawn_garments(n_train=50, n_validation=10, n_test=20)
    >>> data.size, data.channels, data.train.counts
    ((28, 28), 1, (5, 5, 5, 5, 5, 5, 5, 5, 5, 5))
    """
    if validation is not None:
        n_validation = round(n_train * validation) if validation < 1 else int(validation)
    size_px = size_px or (64 if colour else 28)
    splits: dict[str, Any] = {}
    for part, (name, n) in enumerate({"train": n_train, "validation": n_validation, "test": n_test}.items()):
        if n < len(CLASSES):
            raise InputError(
                f"drawn garments need {len(CLASSES)} pictures a split or more, not {n} for {name}"
            )
        n = min(n, max(limit or n, len(CLASSES)))
        pixels, labels = draw(n, size_px, colour=colour, seed=3 * seed + part)
        splits[name] = Split(MemoryStore(pixels), labels, CLASSES, [f"drawn/{name}/{i}" for i in range(n)])
    name = "drawn-garments-colour" if colour else "drawn-garments"
    return Dataset(name, CLASSES, **splits, notes=("drawn by a program, not photographed",))


def draw(
    n: int, size_px: int, *, colour: bool, seed: int
) -> tuple[UInt8[Tensor, "n c h w"], Int64[Tensor, " n"]]:
    """n pictures and their labels, in random order; the same seed gives the same bytes."""
    generator = Generator().manual_seed(seed)
    labels = torch.arange(n) % len(CLASSES)
    pixels = torch.empty(n, 3 if colour else 1, size_px, size_px, dtype=torch.uint8)
    for k in range(len(CLASSES)):
        for members in (labels == k).nonzero().flatten().split(CHUNK):
            pixels[members] = to_uint8(_draw_class(k, len(members), size_px, colour, generator))
    order = torch.randperm(n, generator=generator)
    return pixels[order], labels[order]


def _draw_class(k: int, n: int, size_px: int, colour: bool, generator: Generator) -> Float[Tensor, "n c h w"]:
    r = Random(n, generator)
    x, y = _posed(r, size_px)
    garment = GARMENTS[k](r, x, y)
    pixel = 2 / size_px
    cover = (garment.inside / pixel + 0.5).clamp(0, 1)
    if colour:
        return _in_colour(r, garment, x, y, cover, pixel)
    tone = r(0.35, 0.95) * (1 + r(0.0, 0.45) * _pattern(r, x, y)) * _light(r, garment, x, y)
    tone = _details(r, garment, tone, pixel).clamp(0.06, 1)
    noise = torch.randn(tone.shape, generator=generator) * r(0.0, 0.07)
    return (cover * (tone + noise)).clamp(0, 1)[:, None]


def _posed(r: Random, size_px: int) -> tuple[Field, Field]:
    """The garment's own coordinates at every pixel: turned, slanted, scaled and moved."""
    axis = (torch.arange(size_px) + 0.5) * 2 / size_px - 1
    angle, slant = r(-0.14, 0.14), r(-0.08, 0.08)
    x, y = axis.reshape(1, 1, -1) - r(-0.09, 0.09), axis.reshape(1, -1, 1) - r(-0.07, 0.07)
    turned_x = x * angle.cos() + y * angle.sin()
    turned_y = y * angle.cos() - x * angle.sin()
    return (turned_x + slant * turned_y) / r(0.82, 1.05), turned_y / r(0.85, 1.04)


def _pattern(r: Random, x: Field, y: Field) -> Field:
    """The cloth in -1..1: plain, stripes along or across, checks, dots, mottled; one of them a picture."""
    waves = r(8.0, 34.0)
    across, along = torch.sin(y * waves + r(0, 6)), torch.sin(x * waves + r(0, 6))
    mottle = torch.sin(x * r(6, 14) + 3 * torch.sin(y * r(4, 9)) + r(0, 6))
    cloths = [
        torch.zeros_like(across),
        (across * 4).clamp(-1, 1),
        (along * 4).clamp(-1, 1),
        (across + along) / 2,
        ((across * along - 0.4) * 6).clamp(-1, 1),
        mottle,
    ]
    pick = (r(0, 1) * 9 - 3).clamp(0, 5.999).floor()  # plain is four times as likely as any other cloth
    return sum((cloth * (pick == i) for i, cloth in enumerate(cloths)), torch.zeros_like(across))


def _light(r: Random, garment: Garment, x: Field, y: Field) -> Field:
    """Folds, light from one side, and edges that turn away."""
    folds = torch.sin(x * r(-9, 9) + y * r(-9, 9) + r(0, 6)) * torch.sin(
        x * r(-5, 5) + y * r(-5, 5) + r(0, 6)
    )
    edge = 0.78 + 0.22 * (garment.inside / r(0.06, 0.2)).clamp(0, 1)
    return (1 + r(0.0, 0.16) * folds + r(-0.18, 0.18) * x + r(-0.12, 0.12) * y) * edge


def _details(r: Random, garment: Garment, tone: Field, pixel: float) -> Field:
    dark = (garment.dark / pixel + 0.5).clamp(0, 1) * r(0.3, 0.7)
    light = (garment.light / pixel + 0.5).clamp(0, 1) * r(0.35, 0.85)
    return tone * (1 - dark) + (0.98 - tone * (1 - dark)) * light


def _in_colour(
    r: Random, garment: Garment, x: Field, y: Field, cover: Field, pixel: float
) -> Float[Tensor, "n 3 h w"]:
    main, second = _hue(r, r(0.15, 0.95)), _hue(r, r(0.15, 0.95))
    mix = (_pattern(r, x, y) * 0.5 + 0.5) * r(0.0, 0.75)
    shade = _details(r, garment, 0.75 * _light(r, garment, x, y), pixel) / 0.75
    cloth = (main + (second - main) * mix[:, None]) * shade[:, None]
    wall = _wall(r, x, y, cloth, cover)
    halo = 1 - r(0.0, 0.4) * (1 + garment.inside / r(0.05, 0.25)).clamp(0, 1)
    picture = wall * halo[:, None] + (cloth - wall * halo[:, None]) * cover[:, None]
    return (picture + torch.randn(picture.shape, generator=r.generator) * r(0.0, 0.04)[:, None]).clamp(0, 1)


def _hue(r: Random, value: Tensor) -> Float[Tensor, "n 3 1 1"]:
    """A colour of random hue and saturation at the given brightness."""
    turn = r(0, 2 * math.pi)
    rgb = torch.cat([0.5 + 0.5 * torch.cos(turn - shift) for shift in (0.0, 2.0944, 4.18879)], dim=1)
    return (1 - r(0.0, 0.9) * (1 - rgb[..., None].reshape(r.n, 3, 1)))[..., None] * value[..., None]


def _wall(r: Random, x: Field, y: Field, cloth: Tensor, cover: Field) -> Float[Tensor, "n 3 h w"]:
    """A wall, sometimes with a floor, its brightness kept apart from the garment's."""
    luma = torch.tensor(LUMA).reshape(1, 3, 1, 1)
    garment_luma = ((cloth * luma).sum(1) * cover).sum((1, 2)) / cover.sum((1, 2)).clamp(min=1)
    bright = r(0.1, 0.95).flatten()
    too_near = (bright - garment_luma).abs() < 0.22
    bright = torch.where(
        too_near, torch.where(garment_luma > 0.5, garment_luma - 0.3, garment_luma + 0.3), bright
    )
    wall = _hue(r, bright.reshape(-1, 1, 1))
    floor = _hue(r, (bright * 0.75).reshape(-1, 1, 1))
    below = ((y - r(0.3, 0.9)) * 30).clamp(0, 1) * r.chance(0.5)
    grain = 1 + r(-0.25, 0.25) * x + r(0.0, 0.1) * torch.sin(x * r(2, 20) + y * r(-20, 20) + r(0, 6))
    return (wall + (floor - wall) * below[:, None]) * grain[:, None]
