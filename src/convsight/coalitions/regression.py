"""Which Shapley values do the scores of sampled coalitions speak for, and how certain are they?

The unknown score is split into an even part, which no Shapley value depends on, and an odd part: half the difference
between a coalition and its complement (Covert & Lee 2021, "paired samples"). The odd part is fitted by

    h(x) = Σ_i β_i x_i + Σ_{i<j<k} c_ijk x_i x_j x_k,     x_i = 1 where region i is shown, −1 where it is hidden.

β is free; the interactions are a Gaussian process, larger between neighbours and between regions whose own effects are
large (see `interactions`). A term of three regions adds two thirds of c_ijk to each one's Shapley value, so the
values are linear in what was observed. The difference between full and empty picture is an observation without
noise, so that the values add up to it. Since the space of fitted functions holds every additive one, the estimate
tends to the exact values as samples grow, whatever the game (the weighted projections are nested).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from scipy.stats import t as student
from torch import Tensor

from convsight.coalitions.interactions import Interactions, interactions

RIDGES = (0.03, 0.3, 3.0)  # noise ÷ variance of the interactions; the best by the left-out errors is taken
MODEL = 0.65  # how much the process's own posterior counts in the intervals; see benchmarks/shapley.py
BLOCK = 1000  # sampled pairs that are fitted together
CERTAIN = 1e-9  # noise of an observation without any


@dataclass(frozen=True, eq=False)
class Pairs:
    """n coalitions, each observed with its complement.

    shown: the regions that the first coalition of each pair shows. halves: half the difference of the two scores.
    weights: how many draws of the Shapley kernel an observation stands for. sampled: False for pairs that were not
    drawn at random. seen: the share of all pairs that may be drawn that are among these.
    """

    shown: Bool[Tensor, "n r"]
    halves: Float[Tensor, "n t"]
    weights: Float[Tensor, " n"]
    sampled: Bool[Tensor, " n"]
    seen: float = 0.0


@dataclass(frozen=True, eq=False)
class Estimate:
    """Shapley values r t, the covariance of their errors (0: they are exact), and its degrees of freedom."""

    values: Float[Tensor, "r t"]
    covariance: Float[Tensor, "t r r"]
    free: float = math.inf

    def quantile(self, chance: float) -> float:
        """Student's quantile; 1.96 for a chance of 0.975 and many samples."""
        return float(student.ppf(chance, self.free))

    @property
    def half(self) -> Float[Tensor, "r t"]:
        """Half the length of each value's 95% interval."""
        return self.quantile(0.975) * self.covariance.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt().T


def estimate(pairs: Pairs, rise: Float[Tensor, " t"], near: Float[Tensor, "p r"]) -> Estimate:
    """The values from pairs, and `rise`, the score of the full picture less that of the empty one.

    near: which regions are likely to interact (see `interactions.windows`).

    Many pairs are cut into blocks, whose estimates are averaged, because a block's time grows with its cube.
    """
    blocks = _blocks(pairs)
    each = [
        [_one(block, block.halves[:, t], float(rise[t]), near) for t in range(len(rise))] for block in blocks
    ]
    values = torch.stack([torch.stack([of.values for of in block], 1) for block in each]).mean(0)
    covariance = torch.stack([torch.stack([of.covariance for of in block]) for block in each]).sum(0)
    covariance = covariance / len(blocks) ** 2
    covariance = covariance * (1 - min(1.0, pairs.seen))  # a sample from a finite number (Cochran 1977, 2.5)
    free = min(sum(block[t].free for block in each) for t in range(len(rise)))
    return Estimate(values, covariance, max(1.0, free))


def _blocks(pairs: Pairs) -> list[Pairs]:
    """Equal parts of the sampled pairs, each with all that chance did not choose."""
    known, sampled = (~pairs.sampled).nonzero()[:, 0], pairs.sampled.nonzero()[:, 0]
    count = max(1, -(-len(sampled) // BLOCK))
    found = []
    for part in range(count):
        own = sampled[part::count]
        weights = pairs.weights.clone()
        weights[known] *= len(own) / max(1, len(sampled))
        at = torch.cat([known, own])
        found.append(Pairs(pairs.shown[at], pairs.halves[at], weights[at], pairs.sampled[at]))
    return found


class One(NamedTuple):
    """Values of one target from one block, the covariance of their errors, and its degrees of freedom."""

    values: Float[Tensor, " r"]
    covariance: Float[Tensor, "r r"]
    free: float


def _one(pairs: Pairs, halves: Float[Tensor, " n"], rise: float, near: Float[Tensor, "p r"]) -> One:
    """The values of one target.

    The degrees of freedom are the number of sampled pairs less their leverage: how much they take part in fitting the
    linear terms, most of which is known from single regions already.
    """
    signs = 2.0 * pairs.shown.double() - 1
    x = torch.cat([signs, torch.ones(1, signs.shape[1], dtype=torch.float64)])
    y = torch.cat([halves, torch.tensor([rise / 2], dtype=torch.float64)])
    noise = torch.cat([1 / pairs.weights, torch.tensor([CERTAIN], dtype=torch.float64)])
    scale = float(y.abs().max()) or 1.0
    first = _fit(x, y / scale, noise)
    prior = interactions(x, first.values, near)
    fits = [first, *(_fit(x, y / scale, noise, prior, ridge) for ridge in RIDGES if x.shape[1] > 2)]
    best = min(fits, key=lambda fit: float((pairs.weights * fit.left_out[:-1].square()).sum()))
    free = float((1 - best.leverage[:-1])[pairs.sampled].sum())
    return One(best.values * scale, _spread(best, pairs) * scale**2, free)


def _spread(fit: Fit, pairs: Pairs) -> Float[Tensor, "r r"]:
    """Covariance of the values' errors, between two estimates of it.

    The process's own posterior, its scale from the left-out errors, is a little narrow where regions interact in
    more than threes; the sandwich of left-out errors, which trusts no model, is wide where the interactions fit.
    """
    left_out = fit.left_out[:-1]
    error = fit.influence[:, :-1] * torch.where(pairs.sampled, left_out, 0.0)
    scale = (left_out.square() * fit.precision[:-1])[pairs.sampled].mean()
    return (1 - MODEL) * error @ error.T + MODEL * scale * fit.posterior


class Fit(NamedTuple):
    values: Float[Tensor, " r"]
    influence: Float[Tensor, "r n"]  # of each observation on each value
    left_out: Float[Tensor, " n"]  # error of predicting each observation from all others
    precision: Float[Tensor, " n"]  # 1 ÷ variance of that prediction, up to a common scale
    posterior: Float[Tensor, "r r"]  # covariance of the values' errors up to that scale
    leverage: Float[Tensor, " n"]  # share of each observation in its own prediction by the linear terms


def _fit(x: Tensor, y: Tensor, noise: Tensor, prior: Interactions | None = None, ridge: float = 1.0) -> Fit:
    """Universal kriging: the linear part free, the interactions shrunk by `ridge`; without a prior there are none."""
    if prior is None:
        covariance, inverse = torch.zeros(len(x), len(x), dtype=x.dtype), torch.diag(1 / noise)
    else:
        covariance = prior.among / ridge
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + noise.diag()))
    weighted = inverse @ x
    slope = torch.linalg.solve(x.T @ weighted, weighted.T)  # β from y
    residual = inverse - weighted @ slope
    influence = 2 * slope
    if prior is not None:
        influence = influence + prior.with_values / ridge @ residual
    posterior = influence @ (covariance + noise.diag()) @ influence.T
    if prior is not None:
        cross = influence @ prior.with_values.T / ridge
        posterior = posterior - cross - cross.T + prior.of_values / ridge
    left_out = residual @ y / residual.diagonal()
    return Fit(influence @ y, influence, left_out, residual.diagonal(), posterior, (x * slope.T).sum(1))
