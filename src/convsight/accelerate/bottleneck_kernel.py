"""How does a bottleneck (1×1, each channel by itself, 1×1) run so that its many channels never leave the cache?

For some windows at a time: the cells with many channels are computed into a room that is used again and again, each
channel is convolved there some rows at a time, and the products of those rows are written. Numba compiles this file
when it is first imported on a machine; only `bottleneck_filter` imports it. Addresses are integers, as
`Tensor.data_ptr()` gives them.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

import numpy as np
from numba import njit

from convsight.accelerate import direct_kernel, product_kernel

ROWS = 96  # whose channels are convolved before their products are taken
APART, PRODUCTS = direct_kernel.convolve, product_kernel.convolve
EVERYTHING = 1 << 40


@njit(cache=True, nogil=True)
def convolve(
    source,
    of_source,
    wide,
    middle,
    of_middle,
    apart,
    narrow,
    lines,
    out,
    areas,
    some,
    begin,
    end,
    limits,
    room,
    cells,
):  # type: ignore[no-untyped-def]
    """Windows `begin` ... `end` − 1 of the value, `some` at a time; `areas` are cells of a window in the middle and at the end.

    `source` and `middle` say where cells are (table, fresh, known, index), `of_source` and `of_middle` which of them a
    row reads (starts, taps). `wide`, `apart` and `narrow` have channels, outputs, weights and biases of a convolution;
    without channels of `wide` the middle lies where `middle` says, else it is made here. `limits` are those of the
    three values. `room` has room for the middle of some windows, then for `ROWS` rows; `cells` for addresses.
    """
    given, pitch, index = cells.ctypes.data, apart[0] * 4, np.zeros(0, np.int32)
    table, fresh, known, where = middle
    rows_of = np.arange(end * areas[1])
    convolved = room + (some * areas[0] + product_kernel.ROWS) * pitch
    turns = (end - begin + some - 1) // some
    for turn in range(turns):  # about as many windows in each
        first, last = begin + (end - begin) * turn // turns, begin + (end - begin) * (turn + 1) // turns
        if wide[0] > 0:
            fresh = room - first * areas[0] * pitch
            PRODUCTS(
                source[0], source[1], source[2], source[3], of_source[0], of_source[1], wide[0], wide[1],
                wide[2], wide[3], lines, fresh, first * areas[0], last * areas[0], limits[0], cells, given,
            )  # fmt: skip
        start, stop = first * areas[1], last * areas[1]
        parts = (stop - start + ROWS - 1) // ROWS
        for part in range(parts):
            a, b = start + (stop - start) * part // parts, start + (stop - start) * (part + 1) // parts
            to = convolved - a * pitch
            APART(
                table, fresh, known, where, of_middle[0], of_middle[1], apart[0], apart[2], apart[3], to, a, b,
                limits[1], cells, given,
            )  # fmt: skip
            PRODUCTS(
                to, 0, EVERYTHING, index, rows_of, np.zeros(1, np.int64), narrow[0], narrow[1], narrow[2],
                narrow[3], lines, out, a, b, limits[2], cells, given,
            )  # fmt: skip
