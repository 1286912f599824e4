"""Discs of three colours on striped, upright striped and plain grounds, and networks whose reasons are known."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from convsight.datasets import Dataset
from convsight.datasets.base import Split
from convsight.datasets.pixels import MemoryStore
from convsight.network.classifier import Classifier
from convsight.picture import to_uint8

CLASSES = ("ball", "coin", "plate")
OBJECTS = torch.tensor([[0.9, 0.2, 0.2], [0.9, 0.8, 0.1], [0.9, 0.3, 0.9]])
SIDE = 32


def discs(labels: Tensor, upper: Tensor, lower: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pictures n 3 32 32 of objects `labels` on grounds of the kinds `upper` and `lower`, and the objects'
    masks.
    """
    g, n = torch.Generator().manual_seed(seed), len(labels)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    middle = 13 + 6 * torch.rand(n, 2, 1, 1, generator=g)
    radius = 6 + 3 * torch.rand(n, 1, 1, generator=g)
    masks = (y - middle[:, 0]).square() + (x - middle[:, 1]).square() < radius.square()
    tone = 0.2 + 0.3 * torch.rand(n, 3, 1, 1, generator=g) * torch.tensor([0.5, 1.0, 1.0])[:, None, None]
    phase = 6 * torch.rand(n, 1, 1, generator=g)
    across, along = (0.12 * torch.sin((at + phase) * torch.pi / 3) for at in (y, x))
    kinds = torch.stack([across, along, torch.zeros(n, SIDE, SIDE)], 1)
    every, top = torch.arange(n), y < SIDE // 2
    ground = tone + torch.where(top, kinds[every, upper], kinds[every, lower])[:, None]
    ground = ground + 0.02 * torch.randn(n, 3, SIDE, SIDE, generator=g)
    colours = (OBJECTS[labels] + 0.3 * torch.rand(n, 3, generator=g) - 0.15)[:, :, None, None]
    pixels = torch.where(masks[:, None], colours.expand_as(ground), ground)
    return pixels.clamp(0, 1), masks


@functools.cache
def scenes(own: float = 1.0, lower_only: bool = False, n: int = 144) -> Dataset:
    """The ground is the class's own in the share `own` of the pictures, else another; or only its lower half."""
    g = torch.Generator().manual_seed(1)
    labels = torch.arange(n) % len(CLASSES)
    other = (labels + torch.randint(1, len(CLASSES), (n,), generator=g)) % len(CLASSES)
    kinds = torch.where(torch.rand(n, generator=g) < own, labels, other)
    upper = torch.randint(0, len(CLASSES), (n,), generator=g) if lower_only else kinds
    pixels, _ = discs(labels, upper, kinds)
    split = Split(MemoryStore(to_uint8(pixels)), labels, CLASSES)
    return Dataset("discs", CLASSES, split, split, split)


class Looks(nn.Module):
    """Scores: how near a 9 × 9 mean anywhere comes to each object's colour, and for class 0 `weight` times how
    much steeper some rows of the picture's left and right edge are downwards than to the right.
    """

    def __init__(self, weight: float = 0.0, rows: slice = slice(None)):
        super().__init__()
        self.weight, self.rows = weight, rows
        self.objects = nn.Buffer(OBJECTS)

    def forward(self, x: Tensor) -> Tensor:
        means = nn.functional.avg_pool2d(x, 9, 1)
        miss = (means[:, None] - self.objects[None, :, :, None, None]).square().sum(2).amin((2, 3))
        sides = torch.stack([x[:, :, self.rows, :4], x[:, :, self.rows, -4:]])
        down, right = (sides.diff(dim=axis).abs().mean((0, 2, 3, 4)) for axis in (3, 4))
        first = nn.functional.one_hot(torch.tensor(0), len(CLASSES))
        return -20 * miss + self.weight * (down - right).clamp(min=0)[:, None] * first


def looking(weight: float = 0.0, rows: slice = slice(None)) -> Classifier:
    return Classifier(Looks(weight, rows).eval(), classes=CLASSES, input_size=SIDE, channels=3)
