"""How do pictures come into frames of zeros, some at a time where they fit a core's cache, and back?

With a frame a 3×3 kernel sees nothing but cells, also at the edge. Numba compiles this file when it is first imported on
a machine. Addresses are integers, as `Tensor.data_ptr()` gives them, and pitches are bytes; maps lie picture by picture, row
by row, cell by cell, channel by channel.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import BYTES

CACHE = 24 * 2**10  # bytes of a core's smallest cache, less what else must be there
LARGER_CACHE = 64 * 2**10  # of the next, where some of it is read again soon
BYTE = ir.IntType(8)


@intrinsic
def copy(typing: Any, to: Any, source: Any, count: Any) -> Any:
    """Copy so many bytes."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        to, source = (builder.inttoptr(address, BYTE.as_pointer()) for address in given[:2])
        cgutils.raw_memcpy(builder, to, source, given[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), code


@njit(cache=True, nogil=True)
def framed(size, cache):  # type: ignore[no-untyped-def]
    """How pictures (their number, rows, columns, channels) lie in their frames, some of them at a time as fit `cache` bytes.

    The shape of that: rows, columns, bytes of a cell, from a row to the next, from a picture to the next, and pictures.
    """
    pictures, rows, cols, cell = size[0], size[1], size[2], size[3] * 4
    pitch = ((cols + 2) * cell + BYTES - 1) // BYTES * BYTES
    frame = (rows + 2) * pitch
    return rows, cols, cell, pitch, frame, max(1, min(pictures, cache // frame))


@njit(cache=True, nogil=True)
def room_for(shape):  # type: ignore[no-untyped-def]
    """Empty frames, and what may be read beyond the last."""
    return np.zeros((shape[4] * shape[5] + 4 * BYTES) // 4, dtype=np.float32)


@njit(cache=True, nogil=True)
def start(room):  # type: ignore[no-untyped-def]
    """The address of the first frame.

    Whoever asks must have been given the room: Numba frees an array as soon as its own function names it no more.
    """
    return (room.ctypes.data + BYTES - 1) // BYTES * BYTES


@njit(cache=True, nogil=True)
def places_in(shape, step):  # type: ignore[no-untyped-def]
    """How far the 3×3 kernel's first cell is from the first frame's, at every `step`-th place of each picture.

    With `step` 2 these are the windows of a pool; what is left over at the right and below has none.
    """
    rows, cols, cell, pitch, frame, pictures = shape
    places = np.empty(pictures * (rows // step) * (cols // step), dtype=np.int64)
    i = 0
    for n in range(pictures):
        for y in range(rows // step):
            for x in range(cols // step):
                places[i] = n * frame + y * step * pitch + x * step * cell
                i += 1
    return places


@njit(cache=True, nogil=True)
def fill(room, maps, pictures, shape):  # type: ignore[no-untyped-def]
    """Copy pictures into their frames."""
    (rows, cols, cell, pitch, frame, _), at = shape, start(room)
    for n in range(pictures):
        for y in range(rows):
            to, source = at + n * frame + (y + 1) * pitch + cell, maps + (n * rows + y) * cols * cell
            copy(to, source, cols * cell)


@njit(cache=True, nogil=True)
def take(maps, room, pictures, shape):  # type: ignore[no-untyped-def]
    """Copy pictures out of their frames."""
    (rows, cols, cell, pitch, frame, _), at = shape, start(room)
    for n in range(pictures):
        for y in range(rows):
            to, source = maps + (n * rows + y) * cols * cell, at + n * frame + (y + 1) * pitch + cell
            copy(to, source, cols * cell)
