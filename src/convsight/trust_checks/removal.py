"""What is the score when a map's strongest pixels are exchanged for other pictures', or nothing else is left?

The trust lights and the comparison of maps measure with these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from scipy.stats import t as student
from torch import Tensor

from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.trust_checks.subject import clean_scores, pick, scored

SHARES = (0.05, 0.1, 0.2, 0.4, 0.7)  # of the picture that are removed, or shown


def hidden_scores(
    net: Classifier,
    aim: Target,
    pixels: Float[Tensor, "n c h w"],
    masks: Bool[Tensor, "n m h w"],
    donors: Float[Tensor, "n d c h w"],
) -> Float[Tensor, "n k"]:
    """Scores with mask j replaced by donor j, as many as the longer of the two lists; the shorter is
    repeated.
    """
    k = max(masks.shape[1], donors.shape[1])
    index, j = torch.arange(len(pixels)).repeat_interleave(k), torch.arange(k).repeat(len(pixels))

    def run(part: slice) -> Tensor:
        i, mask, donor = index[part], j[part] % masks.shape[1], j[part] % donors.shape[1]
        filled = torch.where(masks[i, mask][:, None], donors[i, donor], pixels[i])
        return scored(net, pick(aim, i), filled)

    return torch.cat(in_chunks(run, len(index), chunk_size(pixels.shape[1:]))).view(-1, k)


def standing(values: Float[Tensor, "n h w"]) -> Int[Tensor, "n h w"]:
    """Each pixel's rank in its picture: 0 for the largest value; of equal ones the first comes first."""
    order = values.flatten(1).sort(dim=1, descending=True, stable=True).indices
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))
    return rank.view_as(values)


def top(values: Float[Tensor, "n h w"], count: Int[Tensor, " n"]) -> Bool[Tensor, "n h w"]:
    """The `count` largest of each, exactly so many."""
    return standing(values) < count[:, None, None]


def interval(values: Float[Tensor, " d"]) -> tuple[float, float]:
    """Student's 95% interval of the mean.

    >>> interval(torch.tensor([1.0, 1.0, 1.0]))
    (1.0, 1.0)
    """
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, mean
    reach = float(student.ppf(0.975, n - 1)) * float(values.std()) / n**0.5
    return mean - reach, mean + reach


def masks_of(maps: Float[Tensor, "n h w"], shares: Sequence[float] = SHARES) -> Bool[Tensor, "n s h w"]:
    """The strongest pixels of each map, for each share of the picture."""
    rank, pixels = standing(maps), maps[0].numel()
    return torch.stack([rank < round(share * pixels) for share in shares], 1)


def area(scores: Float[Tensor, "n s"], shares: Sequence[float] = SHARES) -> Float[Tensor, " n"]:
    """The mean over shares from 0 to 1 of scores that are 1 at the first and 0 at the last of them, by trapezoids."""
    n = len(scores)
    y = torch.cat([torch.ones(n, 1), scores, torch.zeros(n, 1)], 1)
    return torch.trapezoid(y, torch.tensor([0.0, *shares, 1.0]), dim=1)


def deletion(
    net: Classifier,
    aim: Target,
    pixels: Float[Tensor, "n c h w"],
    donors: Float[Tensor, "n d c h w"],
    maps: Float[Tensor, "n h w"],
) -> Float[Tensor, " n"]:
    """Mean score while the strongest pixels first become donors', as a share of what there is to lose.

    0 where the score is gone at once, 0.5 where it falls evenly; lower is better (Petsiuk et al. 2018).
    """
    return area(_shares(net, aim, pixels, donors, masks_of(maps)))


def insertion(
    net: Classifier,
    aim: Target,
    pixels: Float[Tensor, "n c h w"],
    donors: Float[Tensor, "n d c h w"],
    maps: Float[Tensor, "n h w"],
) -> Float[Tensor, " n"]:
    """Mean score while the strongest pixels first are put on donors, as a share of what there is to win; higher is better."""
    return 1 - area(1 - _shares(net, aim, pixels, donors, ~masks_of(maps)))


def _shares(
    net: Classifier, aim: Target, pixels: Tensor, donors: Tensor, hidden: Tensor
) -> Float[Tensor, "n s"]:
    """Scores with each of the masks under donors, from 0 (the donors alone) to 1 (the picture)."""
    n, s, d = len(pixels), hidden.shape[1], donors.shape[1]
    everything = torch.cat(
        [hidden.repeat_interleave(d, 1), torch.ones(n, d, *pixels.shape[2:], dtype=torch.bool)], 1
    )
    scores = hidden_scores(net, aim, pixels, everything, donors).view(n, s + 1, d).mean(2)
    clean = clean_scores(net, aim, pixels)
    least = scores[:, -1]
    gap = clean - least  # where the donors score no lower, nothing can be said: NaN
    return (scores[:, :-1] - least[:, None]) / torch.where(gap > 0, gap, math.nan)[:, None]
