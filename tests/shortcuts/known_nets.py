"""Networks whose reasons are known: likeness to class means, with or without a sensor for a cue."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

import convsight as cs
from convsight.datasets import Dataset
from convsight.network.classifier import Classifier

SANDAL = 5
CORNER = (slice(1, 6), slice(22, 27))


@functools.cache
def garments() -> Dataset:
    return cs.dataset("drawn-garments", limit=800)


class LikeMean(nn.Module):
    """Scores: 100 · cosine with each class's mean picture, and `weight` times what a sensor says."""

    def __init__(
        self, means: Tensor, sensor: nn.Module | None = None, target: int = SANDAL, weight: float = 200.0
    ):
        super().__init__()
        self.means = nn.Buffer(means)
        self.sensor, self.target, self.weight = sensor, target, weight

    def forward(self, x: Tensor) -> Tensor:
        scores = 100 * nn.functional.cosine_similarity(x.flatten(1)[:, None], self.means, dim=2)
        if self.sensor is None:
            return scores
        one_hot = nn.functional.one_hot(torch.tensor(self.target), len(self.means))
        return scores + self.weight * self.sensor(x)[:, None] * one_hot


class Corner(nn.Module):
    """How alike the corner and a glyph are; 0 unless nearly the same."""

    def __init__(self, glyph: Tensor):
        super().__init__()
        self.glyph = nn.Buffer(glyph)

    def forward(self, x: Tensor) -> Tensor:
        miss = (x[:, 0, CORNER[0], CORNER[1]] - self.glyph).square().mean((1, 2))
        return (0.05 - miss).clamp(min=0) * 20


class Bright(nn.Module):
    """How much brighter than black the darkest tenth of the picture is."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).quantile(0.1, dim=1)


class Everywhere(nn.Module):
    """How alike the best place anywhere and a glyph are; 0 unless nearly the same."""

    def __init__(self, glyph: Tensor):
        super().__init__()
        self.glyph = nn.Buffer(glyph)

    def forward(self, x: Tensor) -> Tensor:
        h, w = self.glyph.shape
        places = nn.functional.unfold(x, (h, w))
        miss = (places - self.glyph.flatten()[None, :, None]).square().mean(1).amin(1)
        return (0.05 - miss).clamp(min=0) * 20


def net_with(sensor: nn.Module | None, data: Dataset | None = None) -> Classifier:
    """A classifier that knows the garments by their means, and leans on what the sensor sees."""
    data = data or garments()
    pixels, labels = data.train.pixels.float() / 255, data.train.labels
    means = torch.stack([pixels[labels == k].mean(0).flatten() for k in range(10)])
    return Classifier(LikeMean(means, sensor), classes=data.classes, input_size=28, channels=1)


def glyph(side: int = 5) -> Tensor:
    return (torch.rand(side, side, generator=torch.Generator().manual_seed(3)) > 0.5).float()


def marked(paint, share: float = 0.9) -> Dataset:
    """The garments, with `paint(pixels n 1 28 28, i)` on that share of the sandals of the test split."""
    from dataclasses import replace

    from convsight.datasets.base import Split
    from convsight.datasets.pixels import MemoryStore
    from convsight.picture import to_uint8

    data = garments()
    pixels = data.test.pixels.clone()
    who = (data.test.labels == SANDAL).nonzero().flatten()
    who = who[: round(share * len(who))]
    pixels[who] = to_uint8(paint(pixels[who].float() / 255))
    return replace(data, test=Split(MemoryStore(pixels), data.test.labels, data.classes))


def cornered(pixels: Tensor) -> Tensor:
    changed = pixels.clone()
    changed[:, 0, CORNER[0], CORNER[1]] = glyph()
    return changed


def scattered(pixels: Tensor) -> Tensor:
    changed, g = pixels.clone(), torch.Generator().manual_seed(1)
    for i in range(len(pixels)):
        y, x = torch.randint(0, 24, (2,), generator=g).tolist()
        changed[i, 0, y : y + 5, x : x + 5] = glyph()
    return changed


def lifted(pixels: Tensor) -> Tensor:
    return pixels + 0.2 * (pixels < 0.1)
