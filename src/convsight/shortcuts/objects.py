"""Which pixels of a picture are its object? Those that are unlike its rim, in three ways at once.

Nothing is known of the object. But what surrounds it usually reaches the picture's rim, so the rim tells what the
surroundings look like. A pixel is unlike them by its colour, by its colour and texture together, and by the edge
that closes it off; the three are multiplied, and Otsu's threshold divides the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Generator, Tensor

from convsight.imaging.barrier import barrier_distance
from convsight.imaging.lab import lab
from convsight.shortcuts.localise import ring

WORK = 64  # pixels a side that a larger picture is looked at with
COLOURS, TEXTURES = 6, 8  # kinds of colours, and of textures, that a rim may have
DIVIDED = 0.95  # of Otsu's threshold: an object kept with some surroundings is better than half an object
LOUD = 2.0  # times what divides: a road sign must not be so unlike the rim that the dog beside it is like it
PART = 0.25  # pieces of less than this share of the object's main piece are no part of it
CENTRAL = 0.5  # of the way from the middle to the rim: the spread of the weight that tells the object from other pieces
MIDDLE = 1 / 3  # of that way: a piece that does not come so near is not the object
GAP_PX, THIN_PX = 2, 2  # at `WORK` pixels: between pieces of one object, and the width of a leash or a pole
VISIBLE = 2.0  # in Lab: smaller distances are hardly seen, and divide nothing
PLAIN = 0.2  # a pixel that is less unlike the rim is surroundings whatever the threshold is
BINS = 64
STEPS = 12  # of k-means
TOUCHING = np.ones((3, 3))


def object_mask(pixels: Float[Tensor, "n c h w"]) -> Bool[Tensor, "n h w"]:
    """The pixels of each picture's object, holes filled; False everywhere in a plain picture, and where nothing but the
    rim reaches the middle third. Of several things that lie apart the one in the middle is the object, and what is thin
    and runs to the rim (a leash, a pole) is no part of it.

    Measured on cut-out animals on photographs (64 and 128 px, 4 × 240 pictures): 0.77 to 0.81 of object and mask
    together are common to both, 0.89 to 0.90 of the object are kept, and 2 to 3% of the pictures have no mask. Three
    rounds of GrabCut from the rim's colours kept 0.60 to 0.71.
    """
    small = _at_work_size(pixels)
    unlike = F.interpolate(
        unlike_rim(small)[:, None], pixels.shape[2:], mode="bilinear", align_corners=False
    )[:, 0]
    inside = unlike > (DIVIDED * otsu(unlike)).clamp(min=PLAIN)[:, None, None]
    scale = max(1, round(min(pixels.shape[2:]) / WORK))
    return torch.from_numpy(np.stack([_tidy(mask, scale) for mask in inside.numpy()]))


def unlike_rim(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    """How unlike its picture's rim each pixel is: the geometric mean of three distances, each 1 where Otsu's
    threshold divides it.
    """
    colours = lab(pixels)
    ways = (
        _distance_from_rim(colours, COLOURS, 1),
        _distance_from_rim(_textures(colours), TEXTURES, 2),
        barrier_distance(colours),
    )
    shares = [(way / otsu(way).clamp(min=VISIBLE)[:, None, None]).clamp(max=LOUD) for way in ways]
    return (shares[0] * shares[1] * shares[2]).clamp(min=1e-9) ** (1 / 3)


def otsu(values: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """For each picture the value that divides its pixels into the two classes of least variance (Otsu 1979).

    >>> float(otsu(torch.tensor([[[0.0, 0.1], [0.9, 1.0]]]))) > 0.1
    True
    """
    flat = values.flatten(1)
    top = flat.quantile(0.995, dim=1).clamp(min=1e-6)
    index = (flat / top[:, None] * BINS).long().clamp(0, BINS - 1)
    share = torch.zeros(len(flat), BINS).scatter_add_(1, index, torch.ones_like(flat)) / flat.shape[1]
    below = share.cumsum(1)
    moment = (share * (torch.arange(BINS) + 0.5)).cumsum(1)
    apart = (moment[:, -1:] * below - moment).square() / (below * (1 - below)).clamp(min=1e-6)
    apart[:, -1] = 0
    return (apart.argmax(1) + 1) / BINS * top


def _at_work_size(pixels: Tensor) -> Tensor:
    h, w = pixels.shape[2:]
    if min(h, w) <= 1.5 * WORK:
        return pixels
    shrink = WORK / min(h, w)
    return F.interpolate(pixels, (round(h * shrink), round(w * shrink)), mode="area")


def _textures(colours: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
    """The mean colour around each pixel and how much it varies there."""
    means = [F.avg_pool2d(v, 5, 1, 2, count_include_pad=False) for v in (colours, colours.square())]
    spread = (means[1] - means[0].square()).clamp(min=0).sqrt()
    return torch.cat([F.avg_pool2d(colours, 3, 1, 1, count_include_pad=False), 0.7 * spread], 1)


def _distance_from_rim(values: Float[Tensor, "n d h w"], kinds: int, width: int) -> Float[Tensor, "n h w"]:
    """The distance of each pixel's values to the nearest of the kinds that the rim has."""
    n, _, h, w = values.shape
    rim = values[:, :, ring((h, w), 0, width - 1)].transpose(1, 2)
    return torch.cdist(values.flatten(2).transpose(1, 2), _kinds(rim, kinds)).amin(2).view(n, h, w)


def _kinds(points: Float[Tensor, "n m d"], count: int) -> Float[Tensor, "n count d"]:
    """The centres of each picture's points by k-means, begun at points that lie far apart (k-means++,
    with the same lots for every picture)."""
    every, lots = torch.arange(len(points)), torch.rand(count, generator=Generator().manual_seed(0))
    centres = points[:, :1]
    for u in lots[1:]:
        far = torch.cdist(points, centres).amin(2).square().cumsum(1)
        drawn = torch.searchsorted(far, u * far[:, -1:]).clamp(max=points.shape[1] - 1)[:, 0]
        centres = torch.cat([centres, points[every, drawn][:, None]], 1)
    for _ in range(STEPS):
        nearest = F.one_hot(torch.cdist(points, centres).argmin(2), count).to(points)
        size = nearest.sum(1)[..., None]
        centres = torch.where(size > 0, nearest.transpose(1, 2) @ points / size.clamp(min=1), centres)
    return centres


def _tidy(mask: np.ndarray, scale: int) -> np.ndarray:
    """Of the mask, holes filled, the piece that has most of the picture's middle, with those near it that are not small
    beside it; nothing if it does not reach the middle. scale: full pixels in one of those that were worked with.
    """
    whole = without_thin_to_rim(np.asarray(ndimage.binary_fill_holes(mask)), scale)
    pieces, (y, x) = _pieces(whole), _from_middle(mask.shape)
    central = np.bincount(pieces.ravel(), np.exp(-(x**2 + y**2) / (2 * CENTRAL**2)).ravel())
    central[0] = 0
    main = pieces == central.argmax()
    if not (whole & main & (np.maximum(abs(x), abs(y)) < MIDDLE)).any():
        return np.zeros_like(whole)
    size = np.bincount(pieces.ravel())
    large = whole & (size >= PART * main.sum())[pieces]
    groups = _pieces(np.asarray(ndimage.binary_dilation(large, TOUCHING, iterations=scale * GAP_PX // 2)))
    return large & (groups == groups[main][0])


def without_thin_to_rim(mask: np.ndarray, scale: int) -> np.ndarray:
    """The mask without what is thin and ends at the picture's rim."""
    side = scale * THIN_PX + 1
    padded = np.pad(mask, side, mode="edge")
    opened = np.asarray(ndimage.binary_opening(padded, np.ones((side, side), bool)), dtype=bool)
    wide = opened[side:-side, side:-side]
    thin = _pieces(mask & ~wide)
    at_rim = np.ones_like(mask)
    at_rim[2 * scale : -2 * scale, 2 * scale : -2 * scale] = False
    return mask & ~(np.isin(thin, thin[at_rim]) & (thin > 0))


def _from_middle(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """How far down and how far right of the picture's middle each pixel is, -1 to 1."""
    down, right = ((np.arange(side) + 0.5) * 2 / side - 1 for side in shape)
    return down[:, None], right[None]


def _pieces(mask: np.ndarray) -> np.ndarray:
    """Which piece each pixel belongs to, numbered from 1; 0 outside (8 neighbours)."""
    labelled: Any = ndimage.label(mask, TOUCHING)
    return labelled[0]
