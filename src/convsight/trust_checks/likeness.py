"""How alike are two maps, and how much of that is only the picture they were both made from?"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.stats import rankdata
from torch import Tensor

from convsight.imaging.blur import blurred

Maps = Float[Tensor, "n h w"]
Ranks = Float[Tensor, "n h w"]


def likeness(a: Maps, b: Maps) -> Float[Tensor, " n"]:
    """Spearman's rank correlation over the pixels of each picture, −1 … 1; NaN where a map is flat.

    >>> likeness(torch.tensor([[[1.0, 2], [3, 4]]]), torch.tensor([[[1.0, 4], [9, 16]]])).tolist()
    [1.0]
    """
    return correlation(ranks(a), ranks(b))


def ranks(values: Maps) -> Ranks:
    """Ranks with mean zero, ties sharing one; compute them once for a map that is compared often."""
    flat = values.flatten(1).double().numpy()
    found = torch.from_numpy(np.asarray(rankdata(flat, axis=1)))
    return (found - found.mean(1, keepdim=True)).view(values.shape)


def correlation(a: Ranks, b: Ranks) -> Float[Tensor, " n"]:
    a, b = a.flatten(1), b.flatten(1)
    size = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(size > 0, (a * b).sum(1) / size.clamp(min=1e-30), torch.nan).float()


def correlation_by_chance(a: Ranks, b: Ranks) -> Float[Tensor, " n"]:
    shifted = torch.fft.irfft2(torch.fft.rfft2(a) * torch.fft.rfft2(b).conj(), s=a.shape[1:])
    size = (a.square().sum((1, 2)) * b.square().sum((1, 2))).sqrt()
    return (shifted.flatten(1) / size[:, None]).quantile(0.95, dim=1).float()


def left_over(values: Ranks, given: list[Ranks]) -> Ranks:
    """The residual of a linear prediction from the others; 0 where it is negligible."""
    flat, known = values.flatten(1), torch.stack([g.flatten(1) for g in given], 2)
    inside = known.transpose(1, 2) @ known
    ridge = 1e-9 * inside.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(known.shape[2])
    slope = torch.linalg.solve(
        inside + ridge + 1e-12 * torch.eye(known.shape[2]), known.transpose(1, 2) @ flat[:, :, None]
    )
    rest = flat - (known @ slope)[:, :, 0]
    gone = rest.square().sum(1) < 1e-6 * flat.square().sum(1)
    return rest.masked_fill(gone[:, None], 0.0).view(values.shape)


def edge_drawing(pixels: Float[Tensor, "n c h w"]) -> Maps:
    """The magnitude of the Sobel gradient of the brightness, a map that depends on no network."""
    grey = F.pad(pixels.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).view(1, 1, 3, 3)
    return torch.hypot(F.conv2d(grey, sobel), F.conv2d(grey, sobel.transpose(2, 3)))[:, 0]


def contrast(pixels: Float[Tensor, "n c h w"]) -> Maps:
    """How far each pixel is from the median colour of the border, a map that depends on no network."""
    sides = [pixels[:, :, 0], pixels[:, :, -1], pixels[:, :, :, 0], pixels[:, :, :, -1]]
    ground = torch.cat(sides, 2).median(2).values
    return (pixels - ground[:, :, None, None]).abs().amax(1)


def of_the_picture(pixels: Float[Tensor, "n c h w"]) -> list[Maps]:
    """Maps that depend on no network: the picture and its edges, sharp and blurred."""
    sharp = [contrast(pixels), edge_drawing(pixels)]
    reach = min(pixels.shape[2:]) / 14
    return [*sharp, *(smooth(each, reach) for each in sharp)]


def smooth(values: Maps, reach_px: float) -> Maps:
    """Maps ≥ 0 under a Gaussian of `reach_px` pixels."""
    top = values.flatten(1).amax(1).clamp(min=1e-30)[:, None, None]
    return blurred((values / top)[:, None], reach_px)[:, 0] * top
