"""How can a 3×3 convolution be done with fewer multiplications, on tiles of m×m cells, and which tile is quickest?

Winograd's minimal filtering F(m, 3), as Lavin & Gray 2015 (arXiv:1509.09308) use it for networks: tiles of
(m+2)×(m+2) inputs are transformed by B, multiplied channel by channel in the transformed places, and brought
back by A: Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ x B)] A. The matrices come from Toom's and Cook's interpolation at a few points;
the points follow Barabasz et al. 2018 (arXiv:1803.10986), whose error is smaller than with 0, ±1, ±2.

The points of a small tile are the first points of a larger one. G only evaluates the filter at the points, and
everything that depends on their distances is in B. So a small tile's transformed weights are the first of a larger
tile's, and a window that is no whole number of tiles can end in smaller tiles without weights of their own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

TAPS = 3
SIZES = (2, 3, 4, 5, 6)
POINTS = tuple(Fraction(p) for p in (0, 1, -1, "1/2", -2, "-1/2", 2))  # infinity comes before them
TRANSFORM = 2.0  # multiply-adds of a direct convolution that take as long as one multiply-add of a transform
Pair = tuple[int, int]


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
    """Coefficients of the polynomial with these roots, lowest power first."""
    found = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *found], [root * c for c in found] + [Fraction(0)]
        found = [s - c for s, c in zip(shifted, scaled, strict=True)]
    return found + [Fraction(0)] * (length - len(found))


def best_tile(extent: Pair, inputs: int, outputs: int) -> Pair:
    """The tile (rows, columns) that is modelled to be quickest for windows of `extent`."""
    return min(((a, b) for a in SIZES for b in SIZES), key=lambda m: cost(m, extent, inputs, outputs))


def cost(m: Pair, extent: Pair, inputs: int, outputs: int) -> float:
    """The time for one window of `extent`, in multiply-adds of a direct convolution (measured with AVX-512)."""
    return sum(
        count * other * _cost_of_tile((rows, columns), inputs, outputs)
        for rows, count in _tile_sizes(m[0], extent[0])
        for columns, other in _tile_sizes(m[1], extent[1])
    )


def _tile_sizes(m: int, extent: int) -> list[Pair]:
    """(size of a tile, how many there are) along one axis; the last tile may be smaller."""
    return [(m, extent // m), (extent % m, 1)] if extent % m else [(m, extent // m)]


@functools.cache
def _cost_of_tile(m: Pair, inputs: int, outputs: int) -> float:
    (into_rows, out_rows), (into_columns, out_columns) = (_transforms(side) for side in m)
    n0, n1 = m[0] + TAPS - 1, m[1] + TAPS - 1
    products = n0 * n1 * inputs * outputs * (1 + 16 / min(inputs, outputs))
    into = inputs * (n1 * into_rows + n0 * into_columns)
    out = outputs * (n1 * out_rows + m[0] * out_columns)
    return products + TRANSFORM * (into + out)


@functools.cache
def _transforms(m: int) -> Pair:
    """Multiply-adds, reads and writes that take one line of cells into a tile, and one line of sums out of it."""
    a, _, b = matrices(m)
    return int(b.count_nonzero()) + 2 * len(b), int(a.count_nonzero()) + sum(a.shape)
