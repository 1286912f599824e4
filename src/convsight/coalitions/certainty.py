"""Which regions are certain to matter more than the others?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from scipy.stats import t as student
from torch import Tensor

from convsight.coalitions.regression import Estimate
from convsight.results import draw

FIRST = 10  # ranks that are looked at
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NOTHING = "No order of the regions is certain yet."
MANY = 1_000_000  # passes that nobody waits for
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


def certain_words(found: Estimate, target: int, passes: int) -> str:
    """`first_certain` in words, and why no more is certain after so many passes: the first two ranks that are too near."""
    if not bool(found.covariance[target].any()):
        return "All values are exact."
    in_order, group = first_certain(found, target)
    parts = []
    if in_order:
        several = f"the first {COUNTS[in_order]} are certain, in this order"
        parts.append("the first is certain" if in_order == 1 else several)
    if group > in_order:
        parts.append(f"the first {COUNTS[group]} are certain as a group")
    words = " and ".join(parts)
    said = f"{words[0].upper()}{words[1:]}; the rest could be in any order." if parts else NOTHING
    return (
        said if in_order >= _most(found.values) else f"{said} {_why_no_more(found, target, in_order, passes)}"
    )


def _why_no_more(found: Estimate, target: int, certain: int, passes: int) -> str:
    """The two values behind the first rank that is open, and about how many passes their difference needs.

    Errors fall as 1 ÷ √passes. Close rivals of lower ranks may need more.
    """
    above, below = found.values[:, target].argsort(descending=True)[certain : certain + 2].tolist()
    spread = found.covariance[target]
    error = float(
        (spread[above, above] + spread[below, below] - 2 * spread[above, below]).clamp(min=0).sqrt()
    )
    one, other = (float(found.values[region, target]) for region in (above, below))
    gap, half = one - other, found.quantile(1 - WRONG / 2) * error
    words = (
        f"Ranks {certain + 1} and {certain + 2} are {draw.number(one)} and {draw.number(other)}, "
        f"a difference of {draw.number(gap)} ± {draw.number(half)}"
    )
    if gap >= half:
        return f"{words}; the ranks after them are too near as well."
    needed = passes * (half / max(gap, 1e-9 * half)) ** 2
    about = f"about {float(f'{needed:.1g}'):,.0f}" if needed < MANY else f"more than {MANY:,}"
    return f"{words}: {about} passes would tell them apart."


def _most(of_regions: Tensor) -> int:
    return min(FIRST, len(of_regions) - 1)


def _chances(found: Estimate, target: int) -> Float[Tensor, "r r"]:
    """The p-value of each value's difference from each other one, both sides; the highest values first."""
    ranked = found.values[:, target].argsort(descending=True)
    values, spread = found.values[ranked, target], found.covariance[target][ranked][:, ranked]
    own = spread.diagonal()
    error = (own[:, None] + own[None] - 2 * spread).clamp(min=0).sqrt()
    gap = (values[:, None] - values[None]).abs()
    margin = torch.where(error > 0, gap / error.clamp(min=1e-300), torch.where(gap > 0, torch.inf, 0.0))
    return torch.from_numpy(2 * student.sf(margin.numpy(), found.free))
