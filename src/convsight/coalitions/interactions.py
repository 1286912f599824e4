"""Which regions are likely to act together? The prior of the interactions of three regions, a Gaussian process.

Σ_{i<j<k} c_ijk x_i x_j x_k, where the prior variance of c_ijk is a sum over windows p, one around each region:
Σ_p g_pi g_pj g_pk √(a_i a_j a_k). g falls with the distance from the window's centre, so neighbours interact most,
as convolutions suggest; a are the regions' own effects, so those that count much may interact much. All sums over three
regions are written with sums of powers (Newton's identities), so that no triple is ever listed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

REACH = 0.75  # standard deviation of a window's weights, in sides of a mean region; see benchmarks/shapley.py
WINDOWS = (
    64  # at most; of more regions every second one, every third one, ... has a window, and these are wider
)
LEAST = 1e-3  # of the weight in the middle: regions further away are not in the window, which saves time
ROWS = 64  # of a covariance that are computed together, so that they stay in the processor's cache
FLOOR = 0.1  # of the mean effect, added to each region's own: no region is without interactions


def windows(regions: Int[Tensor, "h w"]) -> Float[Tensor, "p r"]:
    """The weights of regions in windows around their centres: 1 in the middle, falling as a Gaussian.

    >>> windows(torch.tensor([[0, 1, 2]])).round(decimals=2)
    tensor([[1.0000, 0.4100, 0.0300],
            [0.4100, 1.0000, 0.4100],
            [0.0300, 0.4100, 1.0000]], dtype=torch.float64)
    """
    height, width = regions.shape
    count, labels = int(regions.max()) + 1, regions.flatten()
    at = torch.stack(
        [torch.arange(height).repeat_interleave(width), torch.arange(width).repeat(height)], 1
    ).double()
    pixels = labels.bincount(minlength=count).clamp(min=1)
    centres = torch.zeros(count, 2, dtype=torch.float64).index_add(0, labels, at) / pixels[:, None]
    apart = -(-count // WINDOWS)
    reach = REACH * math.sqrt(height * width / count * apart)
    found = (-torch.cdist(centres[::apart], centres).square() / (2 * reach**2)).exp()
    return found.where(found > LEAST, 0.0)


@dataclass(frozen=True, eq=False)
class Interactions:
    """What the prior says about n observations of r regions, scaled so that the interactions at one have variance 1.

    among: covariance of the interactions between observations. with_values: of each region's Shapley value with the
    interactions at each observation. of_values: of the Shapley values themselves.
    """

    among: Float[Tensor, "n n"]
    with_values: Float[Tensor, "r n"]
    of_values: Float[Tensor, "r r"]


def interactions(
    x: Float[Tensor, "n r"], effects: Float[Tensor, " r"], near: Float[Tensor, "p r"]
) -> Interactions:
    """The prior for coalitions `x` (1: shown, −1: hidden) of regions with these effects and windows.

    A term of three regions adds two thirds of its coefficient to the Shapley value of each.
    """
    own = effects.abs()
    weights = near * (own / own.mean().clamp(min=1e-12) + FLOOR).sqrt()
    scale = float(_of_three(*(weights.pow(k).sum(1) for k in (1, 2, 3))).sum())
    among, with_values, of_values = _among(x, weights), _with_values(x, weights), _of_values(weights)
    return Interactions(among / scale, 2 / 3 * with_values / scale, 4 / 9 * of_values / scale)


def _of_three(one: Tensor, two: Tensor, three: Tensor) -> Tensor:
    """The sum of all products of three different numbers, from the sums of their powers."""
    return (one**3 - 3 * one * two + 2 * three) / 6


def _among(x: Float[Tensor, "n r"], weights: Float[Tensor, "p r"]) -> Float[Tensor, "n n"]:
    """Σ_p Σ_{i<j<k} of w_i w_j w_k x_i x_j x_k x'_i x'_j x'_k; only the cubes need a product for each window."""
    squares = weights.square().sum(1, keepdim=True)
    found = x * (2 * weights**3 - 3 * squares * weights).sum(0) @ x.T
    inside = [one > 0 for one in weights]
    columns = [(x[:, some] * one[some]).T.contiguous() for one, some in zip(weights, inside, strict=True)]
    for rows, block in zip(found.split(ROWS), x.split(ROWS), strict=True):
        for some, column in zip(inside, columns, strict=True):
            part = block[:, some] @ column
            rows.addcmul_(part.square(), part)
    return found / 6


def _with_values(x: Float[Tensor, "n r"], weights: Float[Tensor, "p r"]) -> Float[Tensor, "r n"]:
    """Σ_p of x_i w_i times all products of two others, for each region i."""
    found = torch.zeros_like(x)
    for one in weights:
        own = x * one
        rest = own.sum(1, keepdim=True) - own
        found += own * (rest.square() - (one.square().sum() - one.square())) / 2
    return found.T


def _of_values(weights: Float[Tensor, "p r"]) -> Float[Tensor, "r r"]:
    """Σ_p of w_i w_j times all others; on the diagonal w_i times all products of two others."""
    total, squares = weights.sum(1, keepdim=True), weights.square().sum(1, keepdim=True)
    rest = total - weights
    alone = (weights * (rest.square() - (squares - weights.square())) / 2).sum(0)
    squared = weights.square()
    both = (weights * total).T @ weights - squared.T @ weights - weights.T @ squared
    return both.where(~torch.eye(len(both), dtype=torch.bool), alone)
