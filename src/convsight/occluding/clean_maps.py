"""How do windows get the clean cells around them, and whole maps the cells that did not change?

A store keeps a layer's clean maps as rows of channels in one table, then a row for each padding value, then
room for the windows of one chunk. Any rectangle of any position is then one `index_select`: a copy of
contiguous rows.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.occluding.regions import Window

Maps = Float[Tensor, "n h w c"]


class Store:
    """The clean maps of one layer (n h w c) and room for windows."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor):
        self.shape = shape
        self.clean_rows = shape[0] * shape[1] * shape[2]
        self.pads: dict[float, int] = {}
        self._mean: Tensor | None = None
        self._table = like.new_empty(self.clean_rows + 4, shape[3])

    def load(self, clean: Maps) -> None:
        """Take the clean maps of other pictures."""
        self.maps().copy_(clean)
        self._mean = None

    def maps(self) -> Maps:
        """The clean maps."""
        return self._table[: self.clean_rows].view(self.shape)

    def mean(self) -> Float[Tensor, "n c"]:
        """Each clean map's mean."""
        if self._mean is None:
            self._mean = self.maps().mean((1, 2))
        return self._mean

    def pad_row(self, value: float) -> int:
        """The row that holds `value` in every channel."""
        if value not in self.pads:
            self.pads[value] = self.clean_rows + len(self.pads)
            if len(self.pads) > 4:
                raise ValueError("more than four padding values around one layer")
            self._table[self.pads[value]] = value
        return self.pads[value]

    @property
    def first_window_row(self) -> int:
        return self.clean_rows + 4

    @property
    def table(self) -> Float[Tensor, "rows c"]:
        """All rows; `index` says which is which."""
        return self._table

    def numbers(self) -> int:
        return self._table.numel()

    def place(self, windows: Maps) -> None:
        """Put a chunk's windows into the room behind the clean maps."""
        cells = windows.shape[0] * windows.shape[1] * windows.shape[2]
        needed = self.first_window_row + cells
        if len(self._table) < needed:
            table = self._table.new_empty(needed, self.shape[3])
            table[: self.first_window_row] = self._table[: self.first_window_row]
            self._table = table
        self._table[self.first_window_row : needed].view(windows.shape).copy_(windows)

    def gather(self, index: Tensor) -> Maps:
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
        """Where the cells rows[i] × columns[i] of position i are, with its window over the clean maps.

        `picture` (m) says which clean maps a position belongs to; cells outside of the maps are `pad`;
        without a window the cells are the clean ones. `number` says which of the placed windows is a position's,
        if not the windows in order.
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
