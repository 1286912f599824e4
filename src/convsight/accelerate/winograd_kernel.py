"""The compiled code of convolutions on Winograd's tiles.

For some tiles at a time, the cells are read where they lie and transformed, sixteen channels in a register; each
transformed place is then one matrix product; the sums are transformed back, cut to limits and written into the
window. The transforms' matrices are part of the instructions, so that their zeros cost nothing. Numba compiles this
file when it is first imported on a machine, so only code that is about to run it imports it. Addresses are integers,
as `Tensor.data_ptr()` gives them; distances between addresses are in bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic
from torch import Tensor

from convsight.accelerate.product_kernel import ROWS, multiply
from convsight.accelerate.registers import BYTES, FLOAT, FLOATS, LONG, between, fused, line, on, read
from convsight.accelerate.winograd import SIZES, matrices


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


def _transform(
    builder: Any, matrix: Sequence[Sequence[float]], by_address: bool, given: Sequence[Any]
) -> None:
    """Multiply a matrix with lines of 16 floats (see `_transforming`)."""
    first, shift, pitch, out, out_pitch = given
    lines = []
    for i in range(len(matrix[0])):
        at = on(builder, first, i, pitch)
        if by_address:
            at = builder.load(builder.inttoptr(at, LONG.as_pointer()))
        lines.append(read(builder, builder.add(at, shift)))
    for i, numbers in enumerate(matrix):
        to = line(builder, on(builder, out, i, out_pitch))
        builder.store(_weighted(builder, lines, numbers), to, align=4)


def _transforming(matrices_of: Sequence[Tensor], by_address: bool = False) -> Any:
    """An instruction that transforms one row or column of a tile by the matrix for its `m` cells.

    The input lines are `pitch` bytes apart, the outputs `out_pitch` bytes. With `by_address` the inputs are not lines
    but the addresses of cells, to which `shift` is added.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        m, *others = given
        for size, matrix in zip(SIDES, matrices_of, strict=True):
            with builder.if_then(builder.icmp_signed("==", m, ir.Constant(LONG, size))):
                _transform(builder, matrix.tolist(), by_address, others)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 6), code
    return intrinsic(lambda _, m, first, shift, pitch, out, out_pitch: found)


SIDES = (1, *SIZES)  # of tiles: the last ones of a window may be a single cell high or wide
OUT, _, INTO = zip(*(matrices(m) for m in SIDES), strict=True)
gather = _transforming(INTO, by_address=True)  # cells → one column of a tile
into = _transforming(INTO)  # one row of a tile → transformed places
back = _transforming(OUT)  # products → cells


@intrinsic
def finish(typing: Any, sums: Any, bias: Any, out: Any, low: Any, high: Any) -> Any:
    """Write a line of sums with its bias added, cut to limits."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        sums, bias, out, low, high = given
        value = builder.fadd(read(builder, sums), read(builder, bias))
        builder.store(between(builder, value, low, high), line(builder, out, 0), align=4)
        return context.get_dummy_value()

    number = types.float32
    return types.void(types.int64, types.int64, types.int64, number, number), code


@njit(cache=True, nogil=True)
def convolve(
    table, fresh, known, index, m, block, windows, extent, depth, width, weight, bias, most_lines, out, begin, end,
    limits, together, room, starts, pitches, found, found_at,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Tiles `begin` ... `end` − 1 of `windows` windows of `extent` cells, in tiles of `m` (rows, columns) cells.

    `table`, `fresh`, `known` and `index` say where the cells of the windows' blocks are (see `find_cells`).
    `together` tiles are done at a time, in the memory `room`: inputs, sums and one tile start there at the offsets
    `starts`; two places of the inputs and of the sums are `pitches` bytes apart, and two groups of `ROWS` tiles as
    many times that as there are places. `found`, whose own address is `found_at`, has room for a tile's addresses.
    """
    inputs, sums, row = room + starts[0], room + starts[1], room + starts[2]
    ends = _ends(m, windows, extent)
    for first in range(begin, end, together):
        count = min(together, end - first)
        for b in range(count):
            tile = _tile(first + b, m, extent, ends)
            _find_tile(table, fresh, known, index, m, block, tile, depth * 4, found)
            to = inputs + b // ROWS * (m[0] + 2) * (m[1] + 2) * pitches[0] + b % ROWS * depth * 4
            _transform_tile(m, tile, found_at, depth * 4, row, to, pitches[0])
        _multiply_places(
            first, count, m, extent, ends, inputs, sums, pitches, depth, weight, most_lines, width
        )
        for b in range(count):
            tile = _tile(first + b, m, extent, ends)
            given = sums + b // ROWS * (m[0] + 2) * (m[1] + 2) * pitches[1] + b % ROWS * width * 4
            _write_tile(m, tile, extent, given, pitches[1], width * 4, row, bias, out, limits)


@njit(cache=True, nogil=True)
def _find_tile(table, fresh, known, index, m, block, tile, pitch, found):  # type: ignore[no-untyped-def]
    """Write the addresses of the cells that a tile reads; rows of the tables are `pitch` bytes apart."""
    window, i, j, rows, columns = tile
    start = window * block[0] * block[1] + i * block[1] + j
    for y in range(rows + 2):
        for x in range(columns + 2):
            cell = start + y * block[1] + x
            if len(index) > 0:
                cell = index[cell]
            at = fresh + (cell - known) * pitch if cell >= known else table + cell * pitch
            found[y * (m[1] + 2) + x] = at


@njit(cache=True, nogil=True)
def _transform_tile(m, tile, found_at, channels, row, to, pitch):  # type: ignore[no-untyped-def]
    """Bring a tile's cells, `channels` bytes each, into transformed places that are `pitch` bytes apart."""
    n1, rows, columns = m[1] + 2, tile[3], tile[4]
    for shift in range(0, channels, BYTES):
        for x in range(columns + 2):
            gather(rows, found_at + x * 8, shift, n1 * 8, row + x * BYTES, n1 * BYTES)
        for y in range(rows + 2):
            into(columns, row + y * n1 * BYTES, 0, BYTES, to + y * n1 * pitch + shift, pitch)


@njit(cache=True, nogil=True)
def _multiply_places(first, count, m, extent, ends, inputs, sums, pitches, depth, weight, most_lines, width):  # type: ignore[no-untyped-def]  # fmt: skip
    """One matrix product for each transformed place, over the tiles from `first` on that have this place."""
    n1, places = m[1] + 2, (m[0] + 2) * (m[1] + 2)
    for p in range(places):
        low, high = _having(p // n1, p % n1, m, extent, ends)
        group, last = max(0, low - first) // ROWS, (min(count, high - first) + ROWS - 1) // ROWS
        given = inputs + p * pitches[0] + group * places * pitches[0]
        found = sums + p * pitches[1] + group * places * pitches[1]
        own = weight + p * depth * width * 4
        multiply(
            given,
            last - group,
            places * pitches[0],
            depth,
            own,
            most_lines,
            found,
            places * pitches[1],
            width,
        )


@njit(cache=True, nogil=True)
def _write_tile(m, tile, extent, given, pitch, outputs, row, bias, out, limits):  # type: ignore[no-untyped-def]
    """Bring a tile's sums, `pitch` bytes from place to place, back to cells of `outputs` bytes, and write these."""
    window, i, j, rows, columns = tile
    n1, line = m[1] + 2, row + (m[0] + 2) * (m[1] + 2) * BYTES
    corner = out + ((window * extent[0] + i) * extent[1] + j) * outputs
    for shift in range(0, outputs, BYTES):
        for x in range(columns + 2):
            back(rows, given + x * pitch + shift, 0, n1 * pitch, row + x * BYTES, n1 * BYTES)
        for y in range(rows):
            back(columns, row + y * n1 * BYTES, 0, BYTES, line, BYTES)
            for x in range(columns):
                to = corner + (y * extent[1] + x) * outputs + shift
                finish(line + x * BYTES, bias + shift, to, limits[0], limits[1])


@njit(cache=True, nogil=True)
def _ends(m, windows, extent):  # type: ignore[no-untyped-def]
    """Where each kind of tile ends in the order in which tiles are done.

    First come the last tiles of each row of tiles, if these are narrower; then whole tiles; then the last tiles of
    each column, if these are lower; then those that are both. A smaller tile has only the first of a whole tile's
    places. In this order, the tiles that have a place follow each other.
    """
    down, across = extent[0] // m[0], extent[1] // m[1]
    right, below = int(extent[1] % m[1] > 0), int(extent[0] % m[0] > 0)
    a = windows * down * right
    b = a + windows * down * across
    c = b + windows * below * across
    return a, b, c, c + windows * below * right


@njit(cache=True, nogil=True)
def _having(y, x, m, extent, ends):  # type: ignore[no-untyped-def]
    """The tiles (from, to) that have the transformed place in row `y` and column `x`."""
    low = ends[0] if x >= extent[1] % m[1] + 2 else 0
    high = ends[3] if x < extent[1] % m[1] + 2 else ends[2]
    return low, ends[1] if y >= extent[0] % m[0] + 2 else high


@njit(cache=True, nogil=True)
def _tile(number, m, extent, ends):  # type: ignore[no-untyped-def]
    """A tile's window, its first row and column there, and how many rows and columns it has."""
    down, across = extent[0] // m[0], extent[1] // m[1]
    if number < ends[0]:
        return number // down, number % down * m[0], across * m[1], m[0], extent[1] % m[1]
    if number < ends[1]:
        at, each = number - ends[0], down * across
        return at // each, at % each // across * m[0], at % across * m[1], m[0], m[1]
    if number < ends[2]:
        at = number - ends[1]
        return at // across, down * m[0], at % across * m[1], extent[0] % m[0], m[1]
    return number - ends[2], down * m[0], across * m[1], extent[0] % m[0], extent[1] % m[1]
