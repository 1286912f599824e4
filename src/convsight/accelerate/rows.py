"""Where do our own kernels find the cells they read and room to work in, and how do threads share the rows they write?"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.occluding.joined import After

LEAST = 1024  # rows for each thread
LINE = 64  # bytes of sixteen numbers: a cache's line
NOWHERE = np.zeros(0, dtype=np.int32)


class Cells(NamedTuple):
    """Rows of channels, one a cell: `index` says which, and without it they are taken as they lie.

    Rows from number `known` on are those of `fresh`: windows, which need not be copied behind the clean maps.
    """

    table: Float[Tensor, "rows c"]
    index: Int[Tensor, ...] | None = None
    fresh: Float[Tensor, ...] | None = None
    known: int = 1 << 40

    def addresses(self) -> tuple[int, int, int, np.ndarray]:
        """As the kernels take them: table, fresh, known, index."""
        fresh = 0 if self.fresh is None else self.fresh.data_ptr()
        where = NOWHERE if self.index is None else self.index.view(-1).numpy()
        return self.table.data_ptr(), fresh, self.known, where


class Reads(NamedTuple):
    """What the rows of a convolution's value read: row r the cells starts[r] + taps."""

    cells: Cells
    starts: np.ndarray
    taps: np.ndarray


def limits(after: After | None) -> tuple[np.float32, np.float32]:
    """What an activation leaves of the numbers: those between."""
    low, high = -math.inf, math.inf
    if after is not None:
        low, high = (0.0, high) if after[0] == "relu" else after[1]
    return np.float32(low), np.float32(high)


def in_parts(work: Callable[[int, int], None], rows: int) -> None:
    """`work(begin, end)` for all rows, on as many threads as torch uses."""
    count = max(1, min(torch.get_num_threads(), rows // LEAST))
    if count == 1:
        work(0, rows)
        return
    edges = [rows * i // count for i in range(count + 1)]
    list(_pool(count).map(work, edges[:-1], edges[1:]))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "rows")


def at_lines(size: int) -> np.ndarray:
    """Bytes that start at a full line: a register's worth across two lines takes twice the time."""
    room = np.zeros(size + LINE, dtype=np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size]


_KEPT = threading.local()


def kept_room(size: int) -> np.ndarray:
    """Room that a thread uses again and again; nothing in it outlives a call."""
    if len(getattr(_KEPT, "room", ())) < size:
        _KEPT.room = at_lines(size)
    return _KEPT.room
