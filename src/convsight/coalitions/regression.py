"""Which Shapley values do the scores of sampled coalitions speak for, and how certain are they?

The unknown score is split into an even part, which no Shapley value depends on, and an odd part: half the difference
between a coalition and its complement (Covert & Lee 2021, "paired samples"). The odd part is fitted by

    h(x) = Σ_i β_i x_i + Σ_{i<j<k} c_ijk x_i x_j x_k,     x_i = 1 where region i is shown, −1 where it is hidden.

β is free; the interactions are a Gaussian process, whose prior variance of c_ijk is a_i a_j a_k: large where the
regions' own effects a are large. A term of three regions adds two thirds of c_ijk to each one's Shapley value, so the
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

RIDGES = (0.03, 0.3, 3.0)  # noise ÷ variance of the interactions; the best by the left-out errors is taken
MODEL = 0.65  # how much the process's own posterior counts in the intervals; see benchmarks/shapley.py
BLOCK = 1000  # sampled pairs that are fitted together
FLOOR = 0.1  # of the mean effect, added to each region's own: no region is without interactions
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


def estimate(pairs: Pairs, rise: Float[Tensor, " t"]) -> Estimate:
    """The values from pairs, and `rise`, the score of the full picture less that of the empty one.

    Many pairs are cut into blocks, whose estimates are averaged, because a block's time grows with its cube.
    """
    blocks = _blocks(pairs)
    each = [[_one(block, block.halves[:, t], float(rise[t])) for t in range(len(rise))] for block in blocks]
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


def _one(pairs: Pairs, halves: Float[Tensor, " n"], rise: float) -> One:
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
    effects = first.values.abs()
    effects = effects / effects.mean().clamp(min=1e-12) + FLOOR
    fits = [first, *(_fit(x, y / scale, noise, effects, ridge) for ridge in RIDGES if x.shape[1] > 2)]
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


def _fit(x: Tensor, y: Tensor, noise: Tensor, effects: Tensor | None = None, ridge: float = 1.0) -> Fit:
    """Universal kriging: the linear part free, the interactions shrunk by `ridge`; without `effects` there are none."""
    if effects is None:
        covariance, inverse = torch.zeros(len(x), len(x), dtype=x.dtype), torch.diag(1 / noise)
    else:
        covariance = _threes(x, effects) / ridge
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance + noise.diag()))
    weighted = inverse @ x
    slope = torch.linalg.solve(x.T @ weighted, weighted.T)  # β from y
    residual = inverse - weighted @ slope
    influence = 2 * slope
    if effects is not None:
        influence = influence + _of_values(x, effects) / ridge @ residual
    posterior = influence @ (covariance + noise.diag()) @ influence.T
    if effects is not None:
        cross = influence @ _of_values(x, effects).T / ridge
        posterior = posterior - cross - cross.T + _prior(effects) / ridge
    left_out = residual @ y / residual.diagonal()
    return Fit(influence @ y, influence, left_out, residual.diagonal(), posterior, (x * slope.T).sum(1))


def _threes(x: Tensor, effects: Tensor) -> Float[Tensor, "n n"]:
    """Covariance of the interactions between observations: Σ over three regions of a_i a_j a_k x_i x_j x_k x'_i x'_j x'_k."""
    one, three = (x * effects**k @ x.T for k in (1, 3))
    return (one**3 - 3 * one * effects.square().sum() + 2 * three) / (6 * _scale(effects))


def _of_values(x: Tensor, effects: Tensor) -> Float[Tensor, "r n"]:
    """Covariance of each region's Shapley value with the interactions at each observation."""
    own = x * effects
    rest = own.sum(1, keepdim=True) - own
    twos = (rest.square() - (effects.square().sum() - effects.square())) / 2
    return (2 / 3 * own * twos / _scale(effects)).T


def _scale(effects: Tensor) -> Tensor:
    """The variance of the interactions at one observation, so that `ridge` is relative."""
    one, two, three = (effects.pow(k).sum() for k in (1, 2, 3))
    return (one**3 - 3 * one * two + 2 * three) / 6


def _prior(effects: Tensor) -> Float[Tensor, "r r"]:
    """Covariance of the regions' Shapley values that the interactions have before anything is observed."""
    total, squares = effects.sum(), effects.square().sum()
    pairs = effects[:, None] * effects * (total - effects[:, None] - effects)
    rest = total - effects
    own = effects * (rest.square() - (squares - effects.square())) / 2
    return 4 / 9 * torch.where(torch.eye(len(effects), dtype=torch.bool), own, pairs) / _scale(effects)
