"""Into which pieces is a picture cut, so that one click takes a piece of the object in or out?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from torch import Tensor

from convsight.imaging.lab import lab

COUNT = 8  # centres along each side of the picture, to begin with
SHARPEST = 128  # pixels a side that a larger picture is cut at
COMPACT = 12.0  # Lab units that a step from one centre to the next is worth; more makes squarer pieces
STEPS = 8
SMALLEST = 1 / 8  # of a square of that grid: smaller pieces join their neighbours
MOST = 255


def pieces(
    picture: Float[Tensor, "c h w"], mask: Bool[Tensor, "h w"], count: int = COUNT
) -> UInt8[Tensor, "h w"]:
    """The piece of each pixel, numbered from 0: about `count`² of one colour each, every one wholly inside or
    wholly outside the mask (superpixels as in SLIC, Achanta et al. 2012, cut along the mask), and connected but for crumbs,
    which join the nearest piece.

    >>> left = torch.zeros(16, 16, dtype=torch.bool)
    >>> left[:, :8] = True
    >>> found = pieces(torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)), left, 2)
    >>> set(found[left].tolist()) & set(found[~left].tolist())
    set()
    """
    cells = _cells(picture, count).numpy()
    inside = mask.numpy()
    labels = np.zeros(cells.shape, np.int64)
    least = max(1, SMALLEST * cells.size / count**2)
    for side in (inside, ~inside):
        if side.any():
            labels[side] = (_connected(cells, side, least) + labels.max() + 1)[side]
    numbers = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return torch.from_numpy(numbers.clip(max=MOST).astype(np.uint8))


def _cells(picture: Float[Tensor, "c h w"], count: int) -> Tensor:
    """The nearest of count × count centres in colour and place, by k-means begun on a grid."""
    h, w = picture.shape[1:]
    scale = min(1.0, SHARPEST / max(h, w))
    size = (max(1, round(h * scale)), max(1, round(w * scale)))
    colours = lab(F.interpolate(picture[None], size, mode="area"))[0]
    y, x = (torch.linspace(0, count, side + 1)[:-1] + count / side / 2 for side in size)
    at = torch.stack(torch.meshgrid(y, x, indexing="ij")) * COMPACT
    points = torch.cat([colours, at]).flatten(1).T
    starts = F.adaptive_avg_pool2d(torch.cat([colours, at])[None], (min(count, size[0]), min(count, size[1])))
    centres = starts[0].flatten(1).T.contiguous()
    nearest = torch.cdist(points, centres).argmin(1)
    for _ in range(STEPS):
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        n = torch.bincount(nearest, minlength=len(centres))[:, None]
        centres = torch.where(n > 0, sums / n.clamp(min=1), centres)
        nearest = torch.cdist(points, centres).argmin(1)
    cells = nearest.view(1, 1, *size).float()
    return F.interpolate(cells, (h, w), mode="nearest")[0, 0].long()


def _connected(cells: np.ndarray, side: np.ndarray, least: float) -> np.ndarray:
    """The connected parts of each cell within `side`, numbered from 0; those smaller than `least` take the number of
    the nearest part that is not, and all become one where none is large enough."""
    parts, total = np.zeros(cells.shape, np.int64), 0
    for cell in np.unique(cells[side]):
        found, n = _labelled((cells == cell) & side)
        parts[found > 0] = found[found > 0] + total
        total += n
    size = np.bincount(parts.ravel(), minlength=total + 1)
    large = (size >= least)[parts] & side
    if not large.any():
        return np.zeros_like(parts)
    nearest: Any = ndimage.distance_transform_edt(~large, return_distances=False, return_indices=True)
    return parts[tuple(nearest)] - 1


def _labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    found: Any = ndimage.label(mask)
    return found
