"""Does a map point at the pixels that are known to count, whatever its own resolution?

Two maps of different grain cannot be compared pixel by pixel: a right answer in cells of 4×4 pixels puts at most 39% of
a cell's strength on a tag of 5×5 pixels that touches four of them. So every map is first added up in the same cells.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.coalitions.regions import grid

SIDE = 7  # cells a side, as the regions of `shapley` by default


def points_at(
    maps: Float[Tensor, "n h w"], cue: Bool[Tensor, "n h w"], side: int = SIDE
) -> Float[Tensor, " n"]:
    """1 where the strongest of side × side cells touches the cue, else 0 (pointing game, Zhang et al. 2018).

    A cell's strength is the sum of its pixels, with their signs; a map without a positive cell points nowhere.

    >>> maps = torch.eye(8)[None] * torch.arange(8)
    >>> cue = torch.zeros(1, 8, 8, dtype=torch.bool)
    >>> cue[0, 7, 7] = True
    >>> points_at(maps, cue, 4), points_at(maps, ~cue, 1)
    (tensor([1.]), tensor([1.]))
    """
    strength, touching = _cells(maps, side), _cells(cue.float(), side) > 0
    most, place = strength.max(1)
    return touching.gather(1, place[:, None])[:, 0].float() * (most > 0)


def first_touching(
    maps: Float[Tensor, "n h w"], cue: Bool[Tensor, "n h w"], side: int = SIDE
) -> Float[Tensor, " n"]:
    """Which share of the k strongest cells touch the cue, where k cells do (relevance rank accuracy, Arras et al. 2022).

    Cells that are not positive do not count as strong. It asks for the order alone: how much of the strength the cue
    should get is not known where a network leans on other things as well.

    >>> maps = torch.tensor([[[3.0, 2.0], [1.0, 0.0]]])
    >>> first_touching(maps, torch.tensor([[[True, False], [True, False]]]), 2)
    tensor([0.5000])
    """
    strength, touching = _cells(maps, side), _cells(cue.float(), side) > 0
    rank = strength.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    first = (rank < touching.sum(1, keepdim=True)) & (strength > 0)
    return (first & touching).sum(1) / touching.sum(1)


def share_around(
    maps: Float[Tensor, "n h w"], cue: Bool[Tensor, "n h w"], side: int = SIDE
) -> Float[Tensor, " n"]:
    """Which share of the positive cells' strength lies in cells that touch the cue; NaN for a map without any."""
    strength, touching = _cells(maps, side).clamp(min=0), _cells(cue.float(), side) > 0
    return (strength * touching).sum(1) / strength.sum(1)


def share_on(maps: Float[Tensor, "n h w"], cue: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Which share of the positive pixels' strength lies on the cue's own pixels; NaN for a map without any."""
    strength = maps.clamp(min=0)
    return (strength * cue).sum((1, 2)) / strength.sum((1, 2))


def _cells(maps: Float[Tensor, "n h w"], side: int) -> Float[Tensor, "n cells"]:
    """The sum of the pixels of each cell."""
    rows, columns = min(side, maps.shape[1]), min(side, maps.shape[2])
    place = grid((maps.shape[1], maps.shape[2]), rows, columns).flatten().expand(len(maps), -1)
    return torch.zeros(len(maps), rows * columns).scatter_add(1, place, maps.flatten(1).float())
