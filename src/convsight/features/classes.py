"""Where do the classes lie in the feature space, how far apart, and which pictures lie between two of them?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Centroids:
    """The mean vector of each class that has pictures, and every picture's distance to each of them.

    present: the classes, m. centres: m d. distances: n m. spread: m, the root mean square distance of a class's
    pictures to their own centre.
    """

    present: Int64[Tensor, " m"]
    centres: Float[Tensor, "m d"]
    distances: Float[Tensor, "n m"]
    spread: Float[Tensor, " m"]


def centroids(values: Float[Tensor, "n d"], labels: Int64[Tensor, " n"]) -> Centroids:
    """The classes' means and what surrounds them.

    >>> found = centroids(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([4, 4, 7]))
    >>> found.present.tolist(), found.centres.flatten().tolist(), found.spread.tolist()
    ([4, 7], [1.0, 9.0], [1.0, 0.0])
    """
    present, index = labels.unique(return_inverse=True)
    counts = torch.bincount(index).float()
    sums = torch.zeros(len(present), values.shape[1], dtype=torch.float64).index_add_(
        0, index, values.double()
    )
    centres = (sums / counts[:, None]).float()
    distances = torch.cdist(values, centres)
    own = distances.gather(1, index[:, None])[:, 0]
    spread = (torch.zeros(len(present)).index_add_(0, index, own.square()) / counts).sqrt()
    return Centroids(present, centres, distances, spread)


@dataclass(frozen=True)
class Border:
    """Two classes side by side: `gap` is the distance of their centres over their mean spread (small: they
    overlap); `strays` the share of both classes' pictures that lie nearer to the other's centre."""

    first: int
    second: int
    gap: float
    strays: float
    between: tuple[int, ...]  # numbers of the pictures nearest to the plane midway, alternately of each class


def borders(found: Centroids, labels: Int64[Tensor, " n"], show: int = 8) -> list[Border]:
    """Every pair of classes, the most confusing first (by `strays`, then by `gap`)."""
    between = torch.cdist(found.centres, found.centres)
    pairs = []
    for a, b in combinations(range(len(found.present)), 2):
        first, second = int(found.present[a]), int(found.present[b])
        # Positive on the side of a: the signed distance to the plane midway, times 2‖a−b‖.
        side = found.distances[:, b].square() - found.distances[:, a].square()
        in_a, in_b = labels == first, labels == second
        strays = float(torch.cat([side[in_a] < 0, side[in_b] > 0]).float().mean())
        gap = float(between[a, b] / (found.spread[a] + found.spread[b]).clamp(min=1e-12) * 2)
        nearest = [_nearest_to_plane(side, member, -(-show // 2)) for member in (in_a, in_b)]
        mixed = [i for pair in zip(*nearest, strict=False) for i in pair][:show]
        pairs.append(Border(first, second, gap, strays, tuple(mixed)))
    return sorted(pairs, key=lambda p: (-p.strays, p.gap))


def _nearest_to_plane(side: Tensor, member: Tensor, most: int) -> list[int]:
    numbers = member.nonzero().flatten()
    return numbers[side[numbers].abs().argsort(stable=True)[:most]].tolist()
