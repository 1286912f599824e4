"""Which regions are certain to matter more than the others?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.coalitions.regression import Estimate

FIRST = 10  # ranks that are looked at


def first_certain(found: Estimate, target: int) -> tuple[int, int]:
    """How many of the highest values are certain in their order, and how many as a group (at most `FIRST`).

    A value is certain to be above others if the 95% intervals of all these differences together (Bonferroni) are.
    """
    values, ranked = found.values[:, target], found.values[:, target].argsort(descending=True)
    values, spread = values[ranked], found.covariance[target][ranked][:, ranked]
    regions = len(values)
    margin = _margins(values, spread)
    in_order = 0
    while in_order < min(FIRST, regions - 1):
        rest = margin[in_order, in_order + 1 :]
        if float(rest.min()) <= _needed(found, len(rest)):
            break
        in_order += 1
    groups = [
        k for k in range(1, min(FIRST, regions - 1) + 1)
        if float(margin[:k, k:].min()) > _needed(found, k * (regions - k))
    ]  # fmt: skip
    return in_order, max(groups, default=0)


def certain_words(found: Estimate, target: int) -> str:
    """`first_certain` as a sentence."""
    if not bool(found.covariance[target].any()):
        return "All values are exact."
    in_order, group = first_certain(found, target)
    if group == 0 and in_order == 0:
        return "No order of the regions is certain yet."
    parts = []
    if in_order:
        parts.append(
            f"the first {_count(in_order)} {'is' if in_order == 1 else 'are'} certain{', in this order' * (in_order > 1)}"
        )
    if group > in_order:
        parts.append(f"the first {_count(group)} are certain as a group")
    words = " and ".join(parts)
    return f"{words[0].upper()}{words[1:]}; the rest could be in any order."


def _count(number: int) -> str:
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return "" if number == 1 else names[number]


def _margins(values: Float[Tensor, " r"], spread: Float[Tensor, "r r"]) -> Float[Tensor, "r r"]:
    """Each value less each other one, in standard errors of that difference."""
    own = spread.diagonal()
    error = (own[:, None] + own[None] - 2 * spread).clamp(min=0).sqrt()
    gap = values[:, None] - values[None]
    return torch.where(error > 0, gap / error.clamp(min=1e-300), gap.sign() * torch.inf).nan_to_num(
        0.0, posinf=1e300
    )


def _needed(found: Estimate, comparisons: int) -> float:
    return found.quantile(1 - 0.025 / comparisons)
