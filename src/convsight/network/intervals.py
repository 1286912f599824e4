"""Which interval of pixels does each position along one axis of a value see?

Rows and columns of a picture are independent for every operation that has a rule, so an axis needs one
interval per position: `first[i] .. last[i]`, both included and clipped at the picture's borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from jaxtyping import Int64
from torch import Tensor

NOTHING = (1 << 30, -1)  # the empty interval of a padded zero, neutral in a union of intervals


@dataclass(frozen=True)
class Intervals:
    """What the positions along one axis see: `first`, `last` (one per position) and unclipped `size`."""

    first: Int64[Tensor, " positions"]
    last: Int64[Tensor, " positions"]
    size: int  # pixels that a unit far from every border sees
    jump: float  # pixels between neighbouring units
    length: int  # pixels of the picture along this axis

    @classmethod
    def of_picture(cls, length: int) -> Intervals:
        at = torch.arange(length)
        return cls(at, at.clone(), 1, 1.0, length)

    def __len__(self) -> int:
        return len(self.first)

    def hull(self, positions: int) -> Intervals:
        """Every position is taken to see whatever any position of this axis sees, which is never too little."""
        first, last = self.first.amin(), self.last.amax()
        return Intervals(
            first.repeat(positions), last.repeat(positions), self.length, self.length, self.length
        )

    def select(self, index: Tensor, jump: float = 1.0) -> Intervals:
        """Positions `index` of this axis; -1 is a padded zero."""
        pad = index < 0
        first = self.first[index.clamp(min=0)].masked_fill(pad, NOTHING[0])
        last = self.last[index.clamp(min=0)].masked_fill(pad, NOTHING[1])
        return replace(self, first=first, last=last, jump=self.jump * jump)

    def slide(self, kernel: int, stride: int, before: int, dilation: int, positions: int) -> Intervals:
        """A window of `kernel` taps that moves by `stride` and starts `before` positions outside."""
        taps = torch.arange(positions)[:, None] * stride - before + torch.arange(kernel) * dilation
        index = torch.where((taps >= 0) & (taps < len(self)), taps, -1)
        seen = self.select(index.flatten())
        first, last = seen.first.view(positions, kernel).amin(1), seen.last.view(positions, kernel).amax(1)
        size = self.size + int((kernel - 1) * dilation * self.jump)
        return Intervals(first, last, size, self.jump * stride, self.length)

    def gather(self, used: Tensor, jump: float) -> Intervals:
        """Position i sees what those of this axis see that row i of `used` (new × old positions) marks."""
        first = torch.where(used, self.first, NOTHING[0]).amin(1)
        last = torch.where(used, self.last, NOTHING[1]).amax(1)
        widest = int(used.sum(1).amax()) if used.numel() else 1
        size = self.size + int(max(widest - 1, 0) * self.jump)
        return Intervals(first, last, size, self.jump * jump, self.length)

    def union(self, other: Intervals) -> Intervals:
        first, last = torch.minimum(self.first, other.first), torch.maximum(self.last, other.last)
        return Intervals(first, last, max(self.size, other.size), max(self.jump, other.jump), self.length)


@dataclass(frozen=True)
class Field:
    """What the positions of a value with `dims` dimensions see.

    `places` names the dimensions that are rows and columns: (2, 3) in n c h w, (1, 2) in n h w c, None where no
    dimension is.
    """

    rows: Intervals
    columns: Intervals
    places: tuple[int, int] | None = (2, 3)
    dims: int = 4

    @property
    def axes(self) -> tuple[Intervals, Intervals]:
        return self.rows, self.columns

    @property
    def extent(self) -> tuple[int, int]:
        return len(self.rows), len(self.columns)


def hull(inputs: Sequence[Field], shape: Sequence[int], places: tuple[int, int] | None) -> Field:
    """The field for an operation without a rule: each unit is taken to see all that its inputs see."""
    extent = [shape[p] for p in places] if places else [1, 1]
    rows, columns = (
        reduce(Intervals.union, [field.axes[a].hull(extent[a]) for field in inputs]) for a in (0, 1)
    )
    return Field(rows, columns, places, len(shape))
