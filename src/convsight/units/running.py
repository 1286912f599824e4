"""How are strongest answers, class means and histograms kept up to date without keeping every answer?

Each class here is fed batch by batch, uses memory that does not grow with the number of pictures, and gives
the same result however the pictures are batched.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

LEAST_EXPONENT = -40  # histograms start at ±2⁻⁴⁰, so that a channel that is always zero has one too


class Strongest:
    """The k largest values of each channel with their tags; of equal values the earliest."""

    def __init__(self, channels: int, k: int):
        self.k = k
        self.values = torch.empty(channels, 0)
        self.tags = torch.empty(channels, 0, 2, dtype=torch.int64)

    def add(self, values: Float[Tensor, "c n"], tags: Int64[Tensor, "c n t"]) -> None:
        values, tags = torch.cat([self.values, values], 1), torch.cat([self.tags, tags], 1)
        order = values.sort(dim=1, descending=True, stable=True).indices[:, : self.k]
        self.values = values.gather(1, order)
        self.tags = tags.gather(1, order[..., None].expand(-1, -1, tags.shape[2]))


class ByClass:
    """Count and sum of each class, and sum of squares, of one number per picture and channel."""

    def __init__(self, classes: int, channels: int):
        self.counts = torch.zeros(classes, dtype=torch.float64)
        self.sums = torch.zeros(classes, channels, dtype=torch.float64)
        self.squares = torch.zeros(channels, dtype=torch.float64)

    def add(self, values: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> None:
        values = values.double()
        self.counts += torch.bincount(labels, minlength=len(self.counts))
        self.sums.index_add_(0, labels, values)
        self.squares += values.square().sum(0)


class Histogram:
    """How often each channel takes which value: 2·half bins over −2ᵉ … 2ᵉ, the exponent e growing as needed.

    When e grows by one, two old bins make exactly one new bin, so that counts merge without error.
    """

    def __init__(self, channels: int, half: int = 64):
        self.half = half
        self.exponents = torch.full((channels,), LEAST_EXPONENT)
        self.counts = torch.zeros(channels, 2 * half, dtype=torch.int64)

    @classmethod
    def of(cls, values: Float[Tensor, "c m"], half: int = 64) -> Histogram:
        """The histogram of some values (bins are powers of two wide: dividing by them is exact)."""
        made = cls(len(values), half)
        _, needed = torch.frexp(values.abs().amax(1))  # largest magnitude < 2^needed
        made.exponents = needed.long().clamp(min=LEAST_EXPONENT)
        width = torch.ldexp(torch.ones(len(values)), made.exponents)[:, None] / half
        bins = (values / width).floor().long().clamp(-half, half - 1) + half
        offsets = torch.arange(len(values))[:, None] * 2 * half
        made.counts = torch.bincount((bins + offsets).flatten(), minlength=made.counts.numel()).view_as(
            made.counts
        )
        return made

    def add(self, other: Histogram) -> None:
        exponents = torch.maximum(self.exponents, other.exponents)
        self.counts = self._widened(exponents) + other._widened(exponents)
        self.exponents = exponents

    def _widened(self, exponents: Tensor) -> Tensor:
        at = torch.arange(-self.half, self.half)[None] >> (exponents - self.exponents).clamp(max=62)[:, None]
        return torch.zeros_like(self.counts).scatter_add_(1, at + self.half, self.counts)

    def edges(self, channel: int) -> Float[Tensor, " bins"]:
        """The lower edge of each bin of a channel."""
        return torch.arange(-self.half, self.half) * (2.0 ** int(self.exponents[channel]) / self.half)
