"""Which regions are certain to matter more than the others?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.stats import t as student
from torch import Tensor

from convsight.coalitions.regression import Estimate

FIRST = 10  # ranks that are looked at
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WRONG = 0.05  # the p-values behind a statement add up to this at most


def first_certain(found: Estimate, target: int) -> tuple[int, int]:
    """How many of the highest values are certain in their order, and how many as a group (at most `FIRST`).

    For each pair of regions there is the p-value of their difference (Student's t, both sides). A statement about many
    pairs is certain if the sum of their p-values is at most `WRONG`, so a single close rival must be below by the 95%
    interval of the difference, and several close ones by more. Stopping as soon as a statement is certain looks
    several times: benchmarks/shapley.py measures how often such statements are wrong.
    """
    chances = _chances(found, target)
    in_order = chances.triu(1).sum(1).cumsum(0)[: _most(chances)] <= WRONG
    return int(in_order.cumprod(0).sum()), max(certain_groups(found, target), default=0)


def certain_groups(found: Estimate, target: int) -> list[int]:
    """Every k for which the k regions with the highest values are certain as a group."""
    chances = _chances(found, target)
    return [k for k in range(1, _most(chances) + 1) if float(chances[:k, k:].sum()) <= WRONG]


def certain_words(found: Estimate, target: int) -> str:
    """`first_certain` as a sentence."""
    if not bool(found.covariance[target].any()):
        return "All values are exact."
    in_order, group = first_certain(found, target)
    if group == 0 and in_order == 0:
        return "No order of the regions is certain yet."
    parts = []
    if in_order:
        several = f"the first {COUNTS[in_order]} are certain, in this order"
        parts.append("the first is certain" if in_order == 1 else several)
    if group > in_order:
        parts.append(f"the first {COUNTS[group]} are certain as a group")
    words = " and ".join(parts)
    return f"{words[0].upper()}{words[1:]}; the rest could be in any order."


def _most(chances: Tensor) -> int:
    return min(FIRST, len(chances) - 1)


def _chances(found: Estimate, target: int) -> Float[Tensor, "r r"]:
    """The p-value of each value's difference from each other one, both sides; the highest values first."""
    ranked = found.values[:, target].argsort(descending=True)
    values, spread = found.values[ranked, target], found.covariance[target][ranked][:, ranked]
    own = spread.diagonal()
    error = (own[:, None] + own[None] - 2 * spread).clamp(min=0).sqrt()
    gap = (values[:, None] - values[None]).abs()
    margin = torch.where(error > 0, gap / error.clamp(min=1e-300), torch.where(gap > 0, torch.inf, 0.0))
    return torch.from_numpy(2 * student.sf(margin.numpy(), found.free))
