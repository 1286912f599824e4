"""How alike are pictures before any network has been trained? Features learnt from their own patches, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor

from convsight.images import Images
from convsight.imaging.fitting import fit_pixels

SIDE_PX = 32  # pictures are brought to this side; smaller ones keep theirs
PATCH_PX, STRIDE_PX = 6, 2
PATCHES = 40_000  # drawn to learn the whitening and the centres from
ROUNDS = 12  # of k-means
EPSILON = 0.1  # of the whitening, in units of the mean variance: more of it smooths fine structure away
AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class PatchFeatures:
    """k centres of whitened patches; a picture's features are how near they come to it in each of four quarters.

    mean: of all patches (p = channels · 6 · 6 numbers). whitening: what makes their pixels independent. centres: of
    k-means among the whitened patches.

    Source: Coates, Lee & Ng 2011, "An analysis of single-layer networks in unsupervised feature learning". Here the
    centres are compared by distance with the "triangle" activation of that paper, and pictures are shrunk to 32 pixels.

    >>> images = Images(torch.rand(8, 3, 40, 40, generator=torch.Generator().manual_seed(0)))
    >>> learnt = PatchFeatures.learn([images], centres=16)
    >>> learnt(images).shape
    torch.Size([8, 64])
    """

    mean: Float[Tensor, " p"]
    whitening: Float[Tensor, "p p"]
    centres: Float[Tensor, "k p"]

    @classmethod
    def learn(cls, batches: list[Images], centres: int = 200, seed: int = 0) -> PatchFeatures:
        """Whitening and centres of patches drawn from these pictures; the labels are not looked at."""
        generator = Generator().manual_seed(seed)
        total = sum(map(len, batches))
        parts = [_drawn(_small(b), round(PATCHES * len(b) / total), generator) for b in batches]
        patches = _even(torch.cat(parts))
        mean, whitening = _whitening(patches)
        white = (patches - mean) @ whitening
        return cls(mean, whitening, _k_means(white, min(centres, len(white)), generator))

    def __call__(self, images: Images) -> Float[Tensor, "n d"]:
        """d = 4 × centres numbers a picture, none of them negative; their square roots spread more evenly."""
        return torch.cat([self._of(chunk) for chunk in _small(images).split(AT_ONCE)])

    def _of(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        h, w = ((size - PATCH_PX) // STRIDE_PX + 1 for size in pixels.shape[2:])
        columns = F.unfold(pixels, PATCH_PX, stride=STRIDE_PX).transpose(1, 2)  # n, places, p
        white = (_even(columns) - self.mean) @ self.whitening
        inner = white @ self.centres.T
        squared = white.square().sum(2, keepdim=True) + self.centres.square().sum(1) - 2 * inner
        distance = squared.clamp_(min=0).sqrt_()
        near = (distance.mean(2, keepdim=True) - distance).clamp_(min=0)
        maps = near.transpose(1, 2).reshape(len(pixels), -1, h, w)
        return F.adaptive_avg_pool2d(maps, 2).flatten(1).sqrt_()


def _small(images: Images) -> Float[Tensor, "n c h w"]:
    h, w = images.size
    scale = min(1.0, SIDE_PX / max(h, w))
    size = (max(PATCH_PX + 1, round(h * scale)), max(PATCH_PX + 1, round(w * scale)))
    return fit_pixels(images.pixels, size, images.channels, "stretch")


def _drawn(pixels: Float[Tensor, "n c h w"], wanted: int, generator: Generator) -> Float[Tensor, "m p"]:
    """About `wanted` patches from random places of the pictures."""
    n, c, h, w = pixels.shape
    which = torch.randint(n, (wanted,), generator=generator)
    y = torch.randint(h - PATCH_PX + 1, (wanted, 1, 1), generator=generator) + torch.arange(PATCH_PX)[:, None]
    x = torch.randint(w - PATCH_PX + 1, (wanted, 1, 1), generator=generator) + torch.arange(PATCH_PX)
    return pixels[which[:, None, None], :, y, x].permute(0, 3, 1, 2).reshape(wanted, c * PATCH_PX**2)


def _even(patches: Float[Tensor, "... p"]) -> Float[Tensor, "... p"]:
    """Every patch with mean 0 and about standard deviation 1, as under another light."""
    mean = patches.mean(-1, keepdim=True)
    std = patches.std(-1, keepdim=True)
    return (patches - mean) / (std + 10 / 255)


def _whitening(patches: Float[Tensor, "m p"]) -> tuple[Tensor, Tensor]:
    """ZCA: after it, neighbouring pixels of a patch say different things."""
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((patches - mean).T))
    scale = (values.clamp(min=0) + EPSILON * values.mean()).rsqrt()
    return mean, (vectors * scale) @ vectors.T


def _k_means(points: Float[Tensor, "m p"], k: int, generator: Generator) -> Float[Tensor, "k p"]:
    centres = points[torch.randperm(len(points), generator=generator)[:k]].clone()
    for _ in range(ROUNDS):
        nearest = (points @ centres.T - centres.square().sum(1) / 2).argmax(1)
        counts = torch.bincount(nearest, minlength=k)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        there = counts > 0
        centres[there] = sums[there] / counts[there, None]
    return centres
