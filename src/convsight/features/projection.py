"""Along which few directions do the vectors differ most, and how much of their variance is there?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError


@dataclass(frozen=True, eq=False)
class Principal:
    """Principal components: `directions` p d (unit rows), `shares` p of the variance, about `mean` d.

    The sign of each direction makes its largest entry positive, so that two runs agree.
    """

    mean: Float[Tensor, " d"]
    directions: Float[Tensor, "p d"]
    variances: Float[Tensor, " p"]
    shares: Float[Tensor, " p"]

    def place(self, values: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """Coordinates of vectors, seen or not, along the directions."""
        return (values - self.mean) @ self.directions.T


def principal(values: Float[Tensor, "n d"], p: int) -> Principal:
    """The p directions of largest variance (Pearson 1901), exactly, by the smaller of d×d and n×n.

    >>> found = principal(torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]), 1)
    >>> found.directions, found.shares
    (tensor([[0.4472, 0.8944]]), tensor([1.]))
    """
    n, d = values.shape
    if n < 2:
        raise InputError(f"principal components need at least 2 pictures; given {n}")
    p = min(p, d, n)
    mean = _in_double(values, lambda rows: rows.sum(0)).div(n).float()
    centred = values - mean
    if d <= n:
        variances, directions = _top(_products(centred.T), p)
    else:
        variances, sides = _top(_products(centred), p)
        lengths = variances.clamp(min=0).sqrt()[:, None]
        directions = (sides @ centred.double()) / lengths.clamp(min=1e-300)
        directions[lengths[:, 0] <= 1e-9 * max(1e-300, float(lengths.max()))] = 0
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    directions = directions * torch.where(largest == 0, 1.0, largest)
    total = _in_double(centred, lambda rows: rows.square().sum()).clamp(min=1e-300)
    variances = variances.clamp(min=0)
    return Principal(mean, directions.float(), (variances / (n - 1)).float(), (variances / total).float())


def _in_double(values: Float[Tensor, "n d"], part: Callable[[Tensor], Tensor]) -> Tensor:
    """The sum of `part` over blocks of rows in float64, since the whole matrix in float64 would take twice
    the memory.
    """
    return torch.stack([part(block.double()) for block in values.split(8192)]).sum(0)


def _products(a: Float[Tensor, "p q"]) -> Tensor:
    """a aᵀ, its blocks in float32 and their sum in float64."""
    total = torch.zeros(a.shape[0], a.shape[0], dtype=torch.float64)
    for block in a.split(8192, 1):
        total += (block @ block.T).double()
    return total


def _top(matrix: Tensor, p: int) -> tuple[Tensor, Tensor]:
    """The p largest eigenvalues of a symmetric matrix, descending, and their vectors as rows."""
    import scipy.linalg  # a quarter of a second, only where something is projected

    size = len(matrix)
    values, vectors = scipy.linalg.eigh(
        matrix.numpy(), subset_by_index=(size - p, size - 1), overwrite_a=True, check_finite=False
    )
    return torch.from_numpy(np.array(values[::-1])), torch.from_numpy(np.array(vectors.T[::-1]))
