"""What do feature maps look like as maps: smooth or speckled, alike or different?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def morans_i(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c"]:
    """Moran's I of each map (Moran 1950, Biometrika 37): 1 is smooth, about 0 noise, −1 a checkerboard.

    I = (N ÷ W) Σᵢⱼ wᵢⱼ (xᵢ − x̄)(xⱼ − x̄) ÷ Σᵢ (xᵢ − x̄)², with wᵢⱼ = 1 for cells that share an edge and 0
    for all others, W = Σᵢⱼ wᵢⱼ and N cells. Noise has mean −1 ÷ (N − 1). NaN for a map without variation.
    """
    h, w = maps.shape[2:]
    pairs = h * (w - 1) + w * (h - 1)
    x = maps.double()
    x = x - x.mean((2, 3), keepdim=True)
    squares = x.square().sum((2, 3))
    beside = (x[..., :, 1:] * x[..., :, :-1]).sum((2, 3))
    below = (x[..., 1:, :] * x[..., :-1, :]).sum((2, 3))
    flat = squares <= 1e-12 * maps.double().square().sum((2, 3))  # what rounding alone leaves
    return torch.where(flat, torch.nan, h * w / max(pairs, 1) * (beside + below) / squares)


def correlation(gram: Float[Tensor, "c c"], sums: Float[Tensor, " c"], n: int) -> Float[Tensor, "c c"]:
    """Pearson's r of channels over n cells, from Σ x xᵀ and Σ x; 0 for a channel that never varies."""
    cov = gram - sums[:, None] * sums[None] / n
    variance = cov.diagonal()
    varies = variance > 1e-12 * gram.diagonal()
    scale = torch.where(varies, variance.clamp(min=0).rsqrt(), 0.0)
    return (cov * scale[:, None] * scale[None]).clamp(-1, 1)


def eta_squared(
    counts: Float[Tensor, " k"], sums: Float[Tensor, "k c"], squares: Float[Tensor, " c"]
) -> Float[Tensor, " c"]:
    """Share of a number's variance that classes explain: η² = SS between ÷ SS total, in [0, 1].

    From each class's count and sum, and the sum of squares over all; 0 where nothing varies. Classes that
    mean nothing explain (k − 1) ÷ (n − 1) on average.
    """
    n, total = counts.sum(), sums.sum(0)
    between = (sums.square() / counts.clamp(min=1)[:, None]).sum(0) - total.square() / n
    spread = squares - total.square() / n
    share = between.clamp(min=0) / spread
    return torch.where(spread > 1e-12 * squares, share, 0.0).clamp(max=1)
