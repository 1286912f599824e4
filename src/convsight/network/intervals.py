"""Which pixels does each position along one axis of a value see, first to last?

Rows and columns of a picture are independent for every operation that has a rule, so an axis needs one
interval per position: `first[i] .. last[i]`, both included and clipped at the picture's borders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

NOTHING = (1 << 30, -1)  # an interval that any union replaces: a padded zero sees no pixel


@dataclass(frozen=True)
class Axis:
    """What the positions along one axis see: `first`, `last` (one per position) and unclipped `size`."""

    first: Int64[Tensor, " positions"]
    last: Int64[Tensor, " positions"]
    size: int  # pixels a unit sees away from every border
    jump: float  # pixels between neighbouring units
    length: int  # of the picture

    @classmethod
    def of_picture(cls, length: int) -> Axis:
        at = torch.arange(length)
        return cls(at, at.clone(), 1, 1.0, length)

    def __len__(self) -> int:
        return len(self.first)

    def hull(self, positions: int) -> Axis:
        """Every position sees whatever any position of this axis sees: never too little."""
        first, last = self.first.amin(), self.last.amax()
        return Axis(first.repeat(positions), last.repeat(positions), self.length, self.length, self.length)

    def select(self, index: Tensor, jump: float = 1.0) -> Axis:
        """Positions `index` of this axis; -1 is a padded zero."""
        pad = index < 0
        first = self.first[index.clamp(min=0)].masked_fill(pad, NOTHING[0])
        last = self.last[index.clamp(min=0)].masked_fill(pad, NOTHING[1])
        return replace(self, first=first, last=last, jump=self.jump * jump)

    def slide(self, kernel: int, stride: int, before: int, dilation: int, positions: int) -> Axis:
        """A window of `kernel` taps moved by `stride`, the first tap `before` positions outside."""
        taps = torch.arange(positions)[:, None] * stride - before + torch.arange(kernel) * dilation
        index = torch.where((taps >= 0) & (taps < len(self)), taps, -1)
        seen = self.select(index.flatten())
        first, last = seen.first.view(positions, kernel).amin(1), seen.last.view(positions, kernel).amax(1)
        size = self.size + int((kernel - 1) * dilation * self.jump)
        return Axis(first, last, size, self.jump * stride, self.length)

    def gather(self, used: Tensor, jump: float) -> Axis:
        """Position i sees what the positions marked in row i of `used` (positions by this axis) see."""
        first = torch.where(used, self.first, NOTHING[0]).amin(1)
        last = torch.where(used, self.last, NOTHING[1]).amax(1)
        widest = int(used.sum(1).amax()) if used.numel() else 1
        size = self.size + int(max(widest - 1, 0) * self.jump)
        return Axis(first, last, size, self.jump * jump, self.length)

    def union(self, other: Axis) -> Axis:
        first, last = torch.minimum(self.first, other.first), torch.maximum(self.last, other.last)
        return Axis(first, last, max(self.size, other.size), max(self.jump, other.jump), self.length)


@dataclass(frozen=True)
class Field:
    """What a value's positions see. `places` are the dimensions of the value that are rows and columns.

    (2, 3) is n c h w, (1, 2) is n h w c; None means that its dimensions are no rows and columns at all.
    `dims` counts the value's dimensions.
    """

    rows: Axis
    columns: Axis
    places: tuple[int, int] | None = (2, 3)
    dims: int = 4

    @property
    def axes(self) -> tuple[Axis, Axis]:
        return self.rows, self.columns

    @property
    def extent(self) -> tuple[int, int]:
        return len(self.rows), len(self.columns)


def hull(inputs: Sequence[Field], shape: Sequence[int], places: tuple[int, int] | None) -> Field:
    """A field for an operation without a rule: each unit sees all that the operation's inputs see."""
    extent = [shape[p] for p in places] if places else [1, 1]
    axes = []
    for a in (0, 1):
        merged = inputs[0].axes[a].hull(extent[a])
        for field in inputs[1:]:
            merged = merged.union(field.axes[a].hull(extent[a]))
        axes.append(merged)
    return Field(axes[0], axes[1], places, len(shape))
