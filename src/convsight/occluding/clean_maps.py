"""How do windows get the clean cells around them, and whole maps the cells that did not change?

The clean maps of a layer are kept as rows of channels in one table. Behind them are a row for each padding value
and room for the windows of one chunk. Any rectangle around any position is then one `index_select`, which copies
contiguous rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.occluding.regions import Window

PADS = 4  # different padding values around one layer
NOT_FRESH = 1 << 40  # more rows than any table has


class Cells(NamedTuple):
    """Where cells lie: rows of `table` (in order, or those that `index` names); rows from `known` on are in `fresh`.

    The second table lets windows stay where an operation wrote them, instead of being copied behind the clean maps.
    """

    table: Float[Tensor, "rows c"]
    index: Tensor | None = None
    fresh: Tensor | None = None
    known: int = NOT_FRESH


class CleanMaps:
    """The clean maps of one layer (n h w c), padding values, and room for windows."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor):
        self.shape = shape
        self.clean_rows = shape[0] * shape[1] * shape[2]
        self.pads: dict[float, int] = {}
        self._mean: Tensor | None = None
        self._table = like.new_empty(self.clean_rows + PADS, shape[3])

    def load(self, clean: Float[Tensor, "n h w c"]) -> None:
        """Take the clean maps of other pictures."""
        self.maps().copy_(clean)
        self._mean = None

    def maps(self) -> Float[Tensor, "n h w c"]:
        """The clean maps."""
        return self._table[: self.clean_rows].view(self.shape)

    def mean(self) -> Float[Tensor, "n c"]:
        """The mean of each clean map."""
        if self._mean is None:
            self._mean = self.maps().mean((1, 2))
        return self._mean

    def pad_row(self, value: float) -> int:
        """The row that holds `value` in every channel."""
        if value not in self.pads:
            if len(self.pads) == PADS:
                raise ValueError(f"more than {PADS} padding values around one layer")
            self.pads[value] = self.clean_rows + len(self.pads)
            self._table[self.pads[value]] = value
        return self.pads[value]

    @property
    def first_window_row(self) -> int:
        return self.clean_rows + PADS

    @property
    def table(self) -> Float[Tensor, "rows c"]:
        """All rows; `index` says which is which."""
        return self._table

    def numbers(self) -> int:
        """How many numbers the table holds."""
        return self._table.numel()

    def place(self, windows: Float[Tensor, "m h w c"]) -> None:
        """Copy a chunk's windows into the room behind the clean maps."""
        cells = windows.shape[0] * windows.shape[1] * windows.shape[2]
        needed = self.first_window_row + cells
        if len(self._table) < needed:
            table = self._table.new_empty(needed, self.shape[3])
            table[: self.first_window_row] = self._table[: self.first_window_row]
            self._table = table
        self._table[self.first_window_row : needed].view(windows.shape).copy_(windows)

    def gather(self, index: Tensor) -> Float[Tensor, "m h w c"]:
        """Rows of the table in the shape of `index` (m h w), each with all channels."""
        return self._table.index_select(0, index.view(-1)).view(*index.shape, self.shape[3])

    def index(
        self,
        picture: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        window: Window | None,
        pad: float = 0.0,
        number: np.ndarray | None = None,
    ) -> Tensor:
        """The rows of the table (m h w) for the cells rows[i] × columns[i] of each position i.

        `picture` (m) says which clean maps a position belongs to. Cells inside of `window` are those of the
        position's own window, the others are clean ones; without a window all are clean. Cells outside of the
        maps are `pad`. `number` says which of the placed windows belongs to a position, if they are not in order.
        """
        _, height, width, _ = self.shape
        inside_rows, inside_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        found = (picture[:, None] * height + rows)[:, :, None] * width + columns[:, None, :]
        if window is not None:
            y, x = rows - window.rows.at[:, None], columns - window.columns.at[:, None]
            in_rows, in_columns = (y >= 0) & (y < window.rows.size), (x >= 0) & (x < window.columns.size)
            order = np.arange(len(picture)) if number is None else number
            m = order[:, None] * window.rows.size
            own = (m + y)[:, :, None] * window.columns.size + x[:, None, :] + self.first_window_row
            found = np.where(in_rows[:, :, None] & in_columns[:, None, :], own, found)
        if not (inside_rows.all() and inside_columns.all()):
            outside = ~(inside_rows[:, :, None] & inside_columns[:, None, :])
            found = np.where(outside, self.pad_row(pad), found)
        return torch.from_numpy(found.astype(np.int32)).to(self._table.device)
