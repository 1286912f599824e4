"""How does a convolution on Winograd tiles run without a copy of its windows, and with all it needs in the cache?

Some tiles at a time: their cells are read where they lie and transformed, sixteen channels in a register; each
transformed place is a matrix product; the sums are brought back, limited and written into the window. Numba
compiles this file when it is first imported on a machine; only `winograd_filter` imports it.

The transforms' numbers are in the instructions: a nought costs nothing. Addresses are integers, as
`Tensor.data_ptr()` gives them, and pitches are bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from convsight.accelerate.product_kernel import ROWS, multiply
from convsight.accelerate.registers import BYTES, FLOAT, FLOATS, LONG, between, fused, line, on, read
from convsight.occluding.winograd import SIZES, matrices


def _weighted(builder: Any, lines: Sequence[Any], numbers: Sequence[float]) -> Any:
    """The sum of lines, each times its number."""
    fma, total = fused(builder), None
    for one, number in sorted(zip(lines, numbers, strict=True), key=lambda each: abs(each[1]) != 1):
        times = ir.Constant(FLOATS, [ir.Constant(FLOAT, number)] * 16)
        if number == 0:
            continue
        if total is None:
            total = one if number == 1 else builder.fmul(one, times)
        elif abs(number) == 1:
            total = builder.fadd(total, one) if number == 1 else builder.fsub(total, one)
        else:
            total = builder.call(fma, [one, times, total])
    return total


def _transform(matrix: Sequence[Sequence[float]], by_address: bool) -> Any:
    """An instruction that brings lines of 16 floats through a matrix, along one axis of a tile.

    The inputs are `pitch` apart; with `by_address` what lies there are the addresses of cells, to which `shift`
    is added. The outputs are `apart` apart.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, shift, pitch, out, apart = given
        lines = []
        for i in range(len(matrix[0])):
            at = on(builder, first, i, pitch)
            if by_address:
                at = builder.load(builder.inttoptr(at, LONG.as_pointer()))
            lines.append(read(builder, builder.add(at, shift)))
        for i, numbers in enumerate(matrix):
            to = line(builder, on(builder, out, i, apart), 0)
            builder.store(_weighted(builder, lines, numbers), to, align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 5), code
    return intrinsic(lambda _, first, shift, pitch, out, apart: found)


OUT, _, INTO = zip(*(matrices(m) for m in (1, *SIZES)), strict=True)
gather1, gather2, gather3, gather4, gather5, gather6 = (_transform(b.tolist(), True) for b in INTO)
into1, into2, into3, into4, into5, into6 = (_transform(b.tolist(), False) for b in INTO)
out1, out2, out3, out4, out5, out6 = (_transform(a.tolist(), False) for a in OUT)


@intrinsic
def finish(typing: Any, sums: Any, bias: Any, out: Any, low: Any, high: Any) -> Any:
    """Write a line with its bias, between limits."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        sums, bias, out, low, high = given
        value = builder.fadd(read(builder, sums), read(builder, bias))
        builder.store(between(builder, value, low, high), line(builder, out, 0), align=4)
        return context.get_dummy_value()

    number = types.float32
    return types.void(types.int64, types.int64, types.int64, number, number), code


@njit(cache=True, nogil=True)
def _gather(m, cells, on, pitch, out, apart):  # type: ignore[no-untyped-def]
    """Bring one column of a tile's cells through the transform of tiles of `m` cells."""
    if m == 1:
        gather1(cells, on, pitch, out, apart)
    elif m == 2:
        gather2(cells, on, pitch, out, apart)
    elif m == 3:
        gather3(cells, on, pitch, out, apart)
    elif m == 4:
        gather4(cells, on, pitch, out, apart)
    elif m == 5:
        gather5(cells, on, pitch, out, apart)
    else:
        gather6(cells, on, pitch, out, apart)


@njit(cache=True, nogil=True)
def _into(m, lines, pitch, out, apart):  # type: ignore[no-untyped-def]
    """The same for one row, whose lines are `pitch` apart."""
    if m == 1:
        into1(lines, 0, pitch, out, apart)
    elif m == 2:
        into2(lines, 0, pitch, out, apart)
    elif m == 3:
        into3(lines, 0, pitch, out, apart)
    elif m == 4:
        into4(lines, 0, pitch, out, apart)
    elif m == 5:
        into5(lines, 0, pitch, out, apart)
    else:
        into6(lines, 0, pitch, out, apart)


@njit(cache=True, nogil=True)
def _back(m, lines, pitch, out, apart):  # type: ignore[no-untyped-def]
    """Bring one row or column of products back to `m` cells."""
    if m == 1:
        out1(lines, 0, pitch, out, apart)
    elif m == 2:
        out2(lines, 0, pitch, out, apart)
    elif m == 3:
        out3(lines, 0, pitch, out, apart)
    elif m == 4:
        out4(lines, 0, pitch, out, apart)
    elif m == 5:
        out5(lines, 0, pitch, out, apart)
    else:
        out6(lines, 0, pitch, out, apart)


@njit(cache=True, nogil=True)
def convolve(table, fresh, known, index, m, block, windows, extent, depth, width, weight, bias, wide, out, begin, end, limits, some, room, starts, apart, cells, cells_at):  # type: ignore[no-untyped-def]  # fmt: skip
    """Tiles `begin` ... `end` − 1 of the value: `windows` of `extent` cells, in tiles of `m` (rows, columns) cells.

    `table` are rows of `depth` floats; `index`, if it is not empty, says which row a cell of a window's `block` is,
    where the rows from `known` on are those of `fresh`. `some` tiles are done at a time. In `room`, inputs, sums
    and one tile begin at the bytes `starts`; places of inputs and of sums are apart[0] and apart[1] bytes apart,
    and groups of `ROWS` tiles as many times that as there are places. `cells` has room for a tile's addresses and
    lies at `cells_at`.
    """
    n0, n1, pitch, reach = m[0] + 2, m[1] + 2, depth * 4, width * 4
    inputs, sums, row = room + starts[0], room + starts[1], room + starts[2]
    places, line = n0 * n1, row + n0 * n1 * BYTES
    kinds = _kinds(m, windows, extent)
    for first in range(begin, end, some):
        count = min(some, end - first)
        for b in range(count):
            e, i, j, rows, columns = _tile(first + b, m, extent, kinds)
            start = e * block[0] * block[1] + i * block[1] + j
            for y in range(rows + 2):
                for x in range(columns + 2):
                    cell = start + y * block[1] + x
                    if len(index) > 0:
                        cell = index[cell]
                    cells[y * n1 + x] = (
                        fresh + (cell - known) * pitch if cell >= known else table + cell * pitch
                    )
            to = inputs + b // ROWS * places * apart[0] + b % ROWS * pitch
            for shift in range(0, pitch, BYTES):
                for x in range(columns + 2):
                    _gather(rows, cells_at + x * 8, shift, n1 * 8, row + x * BYTES, n1 * BYTES)
                for y in range(rows + 2):
                    _into(columns, row + y * n1 * BYTES, BYTES, to + y * n1 * apart[0] + shift, apart[0])
        for p in range(places):
            low, high = _having(p // n1, p % n1, m, extent, kinds)
            group, last = max(0, low - first) // ROWS, (min(count, high - first) + ROWS - 1) // ROWS
            given = inputs + p * apart[0] + group * places * apart[0]
            found = sums + p * apart[1] + group * places * apart[1]
            own = weight + p * depth * reach
            multiply(
                given, last - group, places * apart[0], depth, own, wide, found, places * apart[1], width
            )
        for b in range(count):
            e, i, j, rows, columns = _tile(first + b, m, extent, kinds)
            corner = out + ((e * extent[0] + i) * extent[1] + j) * reach
            given = sums + b // ROWS * places * apart[1] + b % ROWS * reach
            for shift in range(0, reach, BYTES):
                for x in range(columns + 2):
                    _back(rows, given + x * apart[1] + shift, n1 * apart[1], row + x * BYTES, n1 * BYTES)
                for y in range(rows):
                    _back(columns, row + y * n1 * BYTES, BYTES, line, BYTES)
                    for x in range(columns):
                        to = corner + (y * extent[1] + x) * reach + shift
                        finish(line + x * BYTES, bias + shift, to, limits[0], limits[1])


@njit(cache=True, nogil=True)
def _kinds(m, windows, extent):  # type: ignore[no-untyped-def]
    """Where tiles of each kind end: last of a row, whole, last of both, and last of a column, in this order.

    A last one is smaller than `m` and has only the first of its places. So the tiles that have a place follow each other.
    """
    down, across = extent[0] // m[0], extent[1] // m[1]
    right, below = int(extent[1] % m[1] > 0), int(extent[0] % m[0] > 0)
    a = windows * down * right
    b = a + windows * down * across
    c = b + windows * below * across
    return a, b, c, c + windows * below * right


@njit(cache=True, nogil=True)
def _having(y, x, m, extent, kinds):  # type: ignore[no-untyped-def]
    """The tiles (from, to) that have the place in row `y` and column `x`."""
    low = kinds[0] if x >= extent[1] % m[1] + 2 else 0
    high = kinds[3] if x < extent[1] % m[1] + 2 else kinds[2]
    return low, kinds[1] if y >= extent[0] % m[0] + 2 else high


@njit(cache=True, nogil=True)
def _tile(number, m, extent, kinds):  # type: ignore[no-untyped-def]
    """The window, the first row and column of a tile in it, and how many it has."""
    down, across = extent[0] // m[0], extent[1] // m[1]
    if number < kinds[0]:
        return number // down, number % down * m[0], across * m[1], m[0], extent[1] % m[1]
    if number < kinds[1]:
        at, each = number - kinds[0], down * across
        return at // each, at % each // across * m[0], at % across * m[1], m[0], m[1]
    if number < kinds[2]:
        at = number - kinds[1]
        return at // across, down * m[0], at % across * m[1], extent[0] % m[0], m[1]
    return number - kinds[2], down * m[0], across * m[1], extent[0] % m[0], extent[1] % m[1]
