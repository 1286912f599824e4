"""Which cells of a layer can a hidden box change, and which windows of one size hold them?

Rows and columns are independent of each other. A cell changes only if its receptive field meets the box, so the exact
interval that a position changes follows from the receptive fields of each layer alone: when several positions share
a window that is larger than some of them need, the surplus is never carried to the next layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convsight.network.intervals import Field, Intervals
from convsight.occluding.occluders import Occluders, interval_of


@dataclass(frozen=True)
class Span:
    """Windows of one `size` along one axis of `length` cells: the i-th covers at[i] ... at[i] + size − 1."""

    at: np.ndarray
    size: int
    length: int

    @property
    def whole(self) -> bool:
        return self.size == self.length

    def cells(self) -> np.ndarray:
        """The cells of each window, int64 m size."""
        return self.at[:, None] + np.arange(self.size)


@dataclass(frozen=True)
class Window:
    """The windows of m positions on a layer's maps; outside of them every cell is as in the clean picture."""

    rows: Span
    columns: Span

    @property
    def whole(self) -> bool:
        return self.rows.whole and self.columns.whole

    @property
    def area(self) -> int:
        return self.rows.size * self.columns.size


@dataclass(frozen=True)
class Changed:
    """The exact changed cells of each position: rows low[0] ... high[0] − 1, columns low[1] ... high[1] − 1."""

    low: tuple[np.ndarray, np.ndarray]
    high: tuple[np.ndarray, np.ndarray]
    extent: tuple[int, int]

    @property
    def cells(self) -> int:
        """Changed cells, over all positions."""
        heights, widths = (high - low for low, high in zip(self.low, self.high, strict=True))
        return int((heights * widths).sum())

    def window(self, places: Sequence[int] | np.ndarray | slice) -> Window:
        """The smallest common window that holds what each of the chosen positions changes."""
        spans = []
        for low, high, length in zip(self.low, self.high, self.extent, strict=True):
            size = max(1, int((high[places] - low[places]).max()))
            spans.append(Span(np.minimum(low[places], length - size), size, length))
        return Window(*spans)


@dataclass(frozen=True)
class Side:
    """The different intervals of pixels that positions hide along one axis, and which of them each hides."""

    first: np.ndarray
    stop: np.ndarray
    which: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, stop: np.ndarray) -> Side:
        boxes, which = np.unique(np.stack([first, stop]), axis=1, return_inverse=True)
        return cls(boxes[0], boxes[1], which.ravel())

    def changes(self, axis: Intervals) -> tuple[np.ndarray, np.ndarray]:
        """First changed cell and the one after the last, per position; an empty interval where none changes."""
        sees_first, sees_last = axis.first.numpy(), axis.last.numpy()
        meets = (sees_first < self.stop[:, None]) & (sees_last >= self.first[:, None])
        low, high = interval_of(meets)
        high = np.where(meets.any(1), high, low)
        return low[self.which], high[self.which]


def sides_of(occluders: Occluders) -> tuple[Side, Side]:
    """Rows and columns that the positions hide."""
    return Side.of(occluders.top, occluders.bottom), Side.of(occluders.left, occluders.right)


def changed_by(sides: tuple[Side, Side], field: Field) -> Changed:
    """What each position changes among the cells that have this field."""
    (row_low, row_high), (column_low, column_high) = (
        side.changes(axis) for side, axis in zip(sides, field.axes, strict=True)
    )
    return Changed((row_low, column_low), (row_high, column_high), field.extent)
