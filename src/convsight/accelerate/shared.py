"""What do all compiled convolutions share: how they are told where cells lie, memory to work in, and threads?"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROWS_A_THREAD = 1024  # fewer rows are not worth another thread
LINE = 64  # bytes in a line of the processor's cache, which hold sixteen numbers
NO_INDEX = np.zeros(0, dtype=np.int32)

# Where input cells lie: a table with one row of channels a cell; which row each cell is (without it, the rows
# in order); a second table; and the number from which rows are counted in that second table.
Cells = tuple[Tensor, Tensor | None, Tensor | None, int]
Limits = tuple[float, float]


def addresses(cells: Cells) -> tuple[int, int, int, np.ndarray]:
    """The same as kernels take it: address of the table, address of the second one, its first number, index."""
    table, index, fresh, known = cells
    where = NO_INDEX if index is None else index.view(-1).numpy()
    return table.data_ptr(), 0 if fresh is None else fresh.data_ptr(), known, where


@dataclass(frozen=True)
class Geometry:
    """A convolution's kernel (height, width), the distance between its taps and between its places, in cells."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)

    def layout(self, block: tuple[int, int], extent: tuple[int, int]) -> tuple[int, ...]:
        """How the kernels find the first cell of a place: `extent` places are computed from a `block` of cells."""
        return (*extent, *block, *self.stride)

    def taps(self, block: tuple[int, int]) -> np.ndarray:
        """How many cells after the first one each tap is, in blocks of this size."""
        rows, columns = (np.arange(n) * apart for n, apart in zip(self.kernel, self.dilation, strict=True))
        return (rows[:, None] * block[1] + columns).ravel()


def narrowed(limits: Limits) -> tuple[np.float32, np.float32]:
    """Lower and upper limit in the kernels' number format."""
    return np.float32(limits[0]), np.float32(limits[1])


def in_parts(work: Callable[[int, int], None], rows: int) -> None:
    """`work(begin, end)` for all rows, on as many threads as torch uses."""
    count = max(1, min(torch.get_num_threads(), rows // ROWS_A_THREAD))
    if count == 1:
        work(0, rows)
        return
    edges = [rows * i // count for i in range(count + 1)]
    list(_pool(count).map(work, edges[:-1], edges[1:]))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "convolution")


def aligned(size: int) -> np.ndarray:
    """Bytes that start with a cache line: reading a register across two lines takes twice the time."""
    room = np.zeros(size + LINE, dtype=np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size]


_KEPT = threading.local()


def working_memory(size: int) -> np.ndarray:
    """Bytes that a thread uses again in every call; nothing in them outlives the call."""
    if len(getattr(_KEPT, "room", ())) < size:
        _KEPT.room = aligned(size)
    return _KEPT.room
