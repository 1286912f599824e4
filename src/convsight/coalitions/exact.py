"""Which Shapley values does a game have whose every coalition is known?"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MOST = 16  # regions: 65,536 coalitions


def every(regions: int) -> Bool[Tensor, "m r"]:
    """All coalitions, the number of each read as bits: region 0 is the lowest one."""
    numbers = torch.arange(2**regions)
    return (numbers[:, None] >> torch.arange(regions)) & 1 == 1


def shapley_values(values: Float[Tensor, "m t"]) -> Float[Tensor, "r t"]:
    """What each of r regions adds on average over all orders, from the values of `every` coalition.

    >>> shapley_values(torch.tensor([[0.0], [1.0], [2.0], [6.0]])).flatten().tolist()
    [2.5, 3.5]
    """
    regions = int(math.log2(len(values)))
    numbers = torch.arange(len(values))
    sizes = every(regions).sum(1)
    orders = torch.tensor(
        [
            math.factorial(s) * math.factorial(regions - s - 1) / math.factorial(regions)
            for s in range(regions)
        ],
        dtype=values.dtype,
    )
    found = []
    for region in range(regions):
        without = numbers[(numbers >> region) & 1 == 0]
        gains = values[without | (1 << region)] - values[without]
        found.append((orders[sizes[without], None] * gains).sum(0))
    return torch.stack(found)
