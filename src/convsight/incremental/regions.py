"""Which cells of a layer can a hidden box change, and which windows of one size hold them?

Rows and columns are apart. A cell changes only if its receptive field meets the box, so the exact changed
interval of every position comes straight from the fields, layer by layer; the slack of a common window in one
layer is never carried to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convsight.intervals import Axis, Field
from convsight.occluders import Occluders


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

    def repeat(self, times: int) -> Span:
        return Span(np.tile(self.at, times), self.size, self.length)


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


def changed_by(occluders: Occluders, field: Field) -> Changed:
    """What each position changes among the cells that have this field."""
    sides = (occluders.top, occluders.bottom), (occluders.left, occluders.right)
    (row_low, row_high), (col_low, col_high) = (
        _interval(axis, *side) for axis, side in zip(field.axes, sides, strict=True)
    )
    return Changed((row_low, col_low), (row_high, col_high), field.extent)


def _interval(axis: Axis, first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First changed cell and the one after the last, per position; an empty interval where none changes."""
    boxes, which = np.unique(np.stack([first, stop]), axis=1, return_inverse=True)
    sees_first, sees_last = axis.first.numpy(), axis.last.numpy()
    meets = (sees_first < boxes[1][:, None]) & (sees_last >= boxes[0][:, None])
    low, high = meets.argmax(1), meets.shape[1] - meets[:, ::-1].argmax(1)
    high = np.where(meets.any(1), high, low)
    return low[which.ravel()], high[which.ravel()]
