"""Which weighted linear model of its regions is nearest to a score around the whole picture? (LIME)"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from scipy.stats import norm
from torch import Tensor


class Surrogate(NamedTuple):
    """The weight of each region, half the length of its 95% interval, and the share of the score's variance explained."""

    weights: Float[Tensor, " r"]
    half: Float[Tensor, " r"]
    explained: float


def nearness(coalitions: Bool[Tensor, "m r"], width: float) -> Float[Tensor, " m"]:
    """√exp(−d² ÷ width²), d = 1 − √(share of regions shown), the cosine distance to the whole picture."""
    distance = 1 - coalitions.double().mean(1).sqrt()
    return (-(distance**2) / width**2).exp().sqrt()


def surrogate(
    coalitions: Bool[Tensor, "m r"], scores: Float[Tensor, " m"], near: Float[Tensor, " m"], ridge: float
) -> Surrogate:
    """Ridge regression with an intercept that is not shrunk, weighted by nearness.

    The intervals are those of the sampling (errors of predicting each score from all others), about the weights
    that infinitely many coalitions would give with the same share of shrinking.
    """
    x = torch.cat([torch.ones(len(scores), 1), coalitions.double()], 1).double()
    shrink = ridge * torch.eye(x.shape[1], dtype=torch.float64)
    shrink[0, 0] = 0
    influence = torch.linalg.solve(x.T * near @ x + shrink, x.T * near)
    found = influence @ scores
    fitted = x @ found
    left_out = (scores - fitted) / (1 - (x * influence.T).sum(1)).clamp(min=1e-3)
    half = float(norm.ppf(0.975)) * (influence * left_out).square().sum(1).sqrt()
    mean = (near * scores).sum() / near.sum()
    missed, all_ = ((near * (scores - other).square()).sum() for other in (fitted, mean))
    return Surrogate(found[1:], half[1:], float(1 - missed / all_.clamp(min=1e-30)))
