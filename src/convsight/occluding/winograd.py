"""How can a 3×3 convolution be done with fewer multiplications, on tiles of m×m cells?

Winograd's minimal filtering F(m, 3), as Lavin & Gray 2015 (arXiv:1509.09308) use it for networks: tiles of
(m+2)×(m+2) inputs are transformed by B, multiplied channel by channel in the transformed places, and brought
back by A: Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The matrices are Toom and Cook's interpolation at a few points;
the points follow Barabasz et al. 2018 (arXiv:1803.10986), whose error is smaller than with 0, ±1, ±2.

The points of a small tile are the first of a larger one, and G only puts them into the filter: what divides by their
distances is in B. So the weights of a small tile's places are the first of a larger tile's, and a window that is no
whole number of tiles ends in smaller ones, without weights of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

TAPS = 3
SIZES = (2, 3, 4, 5, 6)
POINTS = tuple(Fraction(p) for p in (0, 1, -1, "1/2", -2, "-1/2", 2))  # and, before them, infinity
AT_ONE = 2  # place of the point 1: a constant there is a constant in every cell of the tile


@functools.cache
def matrices(m: int) -> tuple[Tensor, Tensor, Tensor]:
    """Aᵀ (m n), G (n 3), Bᵀ (n n) for tiles of n = m + 2, float64.

    >>> a, g, b = matrices(2)
    >>> x, w = torch.rand(4).double(), torch.rand(3).double()
    >>> torch.allclose(a @ ((g @ w) * (b @ x)), x.unfold(0, 3, 1) @ w)
    True
    >>> torch.equal(g, matrices(4)[1][:4])
    True
    """
    points = POINTS[: m + 1]
    a = [[Fraction(i == m - 1), *(p**i for p in points)] for i in range(m)]
    g = [[Fraction(k == TAPS - 1) for k in range(TAPS)], *([p**k for k in range(TAPS)] for p in points)]
    b = [_coefficients(points, m + 2)]
    for p in points:
        others = [q for q in points if q != p]
        b.append([c / _product(p, others) for c in _coefficients(others, m + 2)])
    at, gt, bt = (torch.tensor([[float(x) for x in row] for row in rows]).double() for rows in (a, g, b))
    return at, gt, bt


def _product(point: Fraction, points: Sequence[Fraction]) -> Fraction:
    product = Fraction(1)
    for other in points:
        product *= point - other
    return product


def _coefficients(roots: Sequence[Fraction], length: int) -> list[Fraction]:
    """Of the polynomial with these roots, lowest power first."""
    found = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *found], [root * c for c in found] + [Fraction(0)]
        found = [s - c for s, c in zip(shifted, scaled, strict=True)]
    return found + [Fraction(0)] * (length - len(found))


@dataclass(frozen=True, eq=False)
class Filter:
    """A convolution's weights (k c 3 3) in transformed places, for tiles of `m` (rows, columns) cells."""

    m: tuple[int, int]
    into: Tensor  # n n: input tiles to transformed places
    weight: Tensor  # n c k
    out: Tensor  # m n: transformed places to cells
    bias: Tensor | None

    @classmethod
    def of(cls, weight: Float[Tensor, "k c 3 3"], bias: Tensor | None, m: tuple[int, int]) -> Filter:
        rows, columns = matrices(m[0]), matrices(m[1])
        a, g, b = (torch.kron(r, c).to(weight) for r, c in zip(rows, columns, strict=True))
        k, c = weight.shape[:2]
        places = g @ weight.permute(2, 3, 1, 0).reshape(TAPS * TAPS, c * k)
        return cls(m, b, places.view(-1, c, k), a, bias)

    @property
    def tile(self) -> tuple[int, int]:
        return self.m[0] + TAPS - 1, self.m[1] + TAPS - 1

    def run(self, tiles: Float[Tensor, "n tiles_c"], shape: tuple[int, int, int]) -> Float[Tensor, "b h w k"]:
        """Convolve `shape` = (b, tile rows, tile columns) tiles, place by place: n × (tiles · c)."""
        n, c, k = self.weight.shape
        products = torch.bmm((self.into @ tiles).view(n, -1, c), self.weight)
        if self.bias is not None:
            products[AT_ONE * self.tile[1] + AT_ONE] += self.bias
        cells = (self.out @ products.view(n, -1)).view(*self.m, *shape, k)
        b, down, across = shape
        return cells.permute(2, 3, 0, 4, 1, 5).reshape(b, down * self.m[0], across * self.m[1], k)


def cost(m: tuple[int, int], extent: tuple[int, int], c: int, k: int) -> float:
    """Time of maps of `extent`, in multiply-adds of a direct convolution (measured with AVX-512)."""
    n, cells = (m[0] + 2) * (m[1] + 2), m[0] * m[1]
    products = n * c * k * (1 + 32 / min(c, k))
    transforms = 0.7 * n * (n * c + cells * k)
    copies = 30 * n * c + 50 * cells * k
    return -(-extent[0] // m[0]) * -(-extent[1] // m[1]) * (products + transforms + copies)


def best(height: int, width: int, c: int, k: int, cost: Callable[..., float] = cost) -> tuple[int, int]:
    """The quickest tile for maps of this size."""
    return min(((a, b) for a in SIZES for b in SIZES), key=lambda m: cost(m, (height, width), c, k))
