"""The compiled code of matrix products, and of convolutions as products of the cells that they read.

The sums of some rows, for up to four lines of sixteen outputs, stay in registers while taps and channels pass by;
no window is copied. Numba compiles this file when it is first imported on a machine, so only code that is about
to run a kernel imports it. Addresses are integers, as `Tensor.data_ptr()` gives them; distances between addresses
are in bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.direct_kernel import find_cells, first_cell
from convsight.accelerate.registers import (
    BYTES,
    EMPTY,
    FLOAT,
    FLOATS,
    LONG,
    between,
    fused,
    line,
    on,
    read,
    spread,
)

ROWS = 6  # rows whose sums are in registers at the same time
PLACES = 4  # the same for convolutions with few outputs
BLOCK = 96  # rows that use the weights of some outputs before the weights of the next outputs are read


def _sums(builder: Any, rows: int, lines: int) -> list[list[Any]]:
    """Variables for the sums of each row; the compiler keeps them in registers."""
    return [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in range(rows)]


def _add_up(
    builder: Any, sums: Sequence[Sequence[Any]], rows: Sequence[Any], weight: Any, count: Any
) -> None:
    """Add to each row's sums: each of its `count` numbers times that number's weights, one line of weights a line of sums."""
    fma, lines = fused(builder), len(sums[0])
    with cgutils.for_range(builder, count) as channel:
        own = on(builder, weight, channel.index, lines * BYTES)
        weights = [read(builder, own, i) for i in range(lines)]
        for address, row in zip(rows, sums, strict=True):
            number = builder.inttoptr(on(builder, address, channel.index, 4), FLOAT.as_pointer())
            every = spread(builder, builder.load(number))
            for its_weights, total in zip(weights, row, strict=True):
                builder.store(builder.call(fma, [every, its_weights, builder.load(total)]), total)


def _every(builder: Any, first: Any, pitch: Any, rows: int) -> list[Any]:
    """The addresses of `rows` rows that are `pitch` bytes apart."""
    return [on(builder, first, row, pitch) for row in range(rows)]


def _multiplying(lines: int) -> Any:
    """An instruction that multiplies `ROWS` rows of `count` numbers with the weights of 16 · `lines` outputs.

    The rows are `pitch` bytes apart, their results `out_pitch` bytes.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, pitch, count, weight, out, out_pitch = given
        sums = _sums(builder, ROWS, lines)
        for total in (total for row in sums for total in row):
            builder.store(EMPTY, total)
        _add_up(builder, sums, _every(builder, first, pitch, ROWS), weight, count)
        for to, row in zip(_every(builder, out, out_pitch, ROWS), sums, strict=True):
            for i, total in enumerate(row):
                builder.store(builder.load(total), line(builder, to, i), align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 6), code
    return intrinsic(lambda _, first, pitch, count, weight, out, out_pitch: found)


multiply1, multiply2, multiply4 = (_multiplying(lines) for lines in (1, 2, 4))


def _convolving(lines: int, rows: int = ROWS) -> Any:
    """An instruction that computes 16 · `lines` outputs of `rows` places from all `channels` of their `count` cells.

    `cells` is the address of an array with the address of each cell of each place; the places' values are `out_pitch`
    bytes apart. They are written in order, so a place's surplus outputs are overwritten by the next place.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        cells, count, channels, weight, bias, out, out_pitch, low, high = given
        sums = _sums(builder, rows, lines)
        for row in sums:
            for i, total in enumerate(row):
                builder.store(read(builder, bias, i), total)
        of_place = builder.mul(count, ir.Constant(LONG, 8))
        with cgutils.for_range(builder, count) as tap:
            own = on(builder, weight, builder.mul(tap.index, channels), lines * BYTES)
            places = _every(builder, on(builder, cells, tap.index, 8), of_place, rows)
            at = [builder.load(builder.inttoptr(place, LONG.as_pointer())) for place in places]
            _add_up(builder, sums, at, own, channels)
        for to, row in zip(_every(builder, out, out_pitch, rows), sums, strict=True):
            for i, total in enumerate(row):
                value = between(builder, builder.load(total), low, high)
                builder.store(value, line(builder, to, i), align=4)
        return context.get_dummy_value()

    number = types.float32
    found = types.void(*[types.int64] * 7, number, number), code
    return intrinsic(lambda _, cells, count, channels, weight, bias, out, out_pitch, low, high: found)


convolve1, convolve2, convolve4 = (_convolving(lines) for lines in (1, 2, 4))
few1, few2 = _convolving(1, PLACES), _convolving(2, PLACES)


@njit(cache=True, nogil=True)
def outputs_at_a_time(lines):  # type: ignore[no-untyped-def]
    """How many outputs the widest instruction for at most `lines` lines computes."""
    return 64 if lines >= 4 else 32 if lines >= 2 else 16


@njit(cache=True, nogil=True)
def multiply(first, groups, from_group, depth, weight, most_lines, out, to_group, width):  # type: ignore[no-untyped-def]
    """Multiply `ROWS` rows of `depth` numbers, in each of `groups` groups, with the weights of `width` outputs.

    The rows of two groups are `from_group` bytes apart, their results `to_group` bytes. At most `most_lines`
    lines of sixteen outputs are computed at a time.
    """
    done = 0
    while done < width:
        lines, panel = min(most_lines, (width - done) // 16), weight + done * depth * 4
        to = out + done * 4
        for g in range(groups):
            rows, sums = first + g * from_group, to + g * to_group
            if lines >= 4:
                multiply4(rows, depth * 4, depth, panel, sums, width * 4)
            elif lines >= 2:
                multiply2(rows, depth * 4, depth, panel, sums, width * 4)
            else:
                multiply1(rows, depth * 4, depth, panel, sums, width * 4)
        done += outputs_at_a_time(lines)


@njit(cache=True, nogil=True)
def convolve(
    table, fresh, known, index, layout, taps, depth, width, weight, bias, most_lines, out, begin, end, limits,
    found, found_at,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Places `begin` ... `end` − 1 of the value; for the cells see `first_cell` and `find_cells`.

    `depth` are the input channels, `width` the outputs. `found` is an array for the addresses of the cells of
    `BLOCK` places, and `found_at` its own address. Where there are fewer than `ROWS` places, `out` still has room
    for `ROWS`.
    """
    count, last = len(taps), max(begin, end - ROWS)
    for first in range(begin, end, BLOCK):
        rows = min(BLOCK, (end - first + ROWS - 1) // ROWS * ROWS)
        for b in range(
            0, rows, ROWS
        ):  # the last group overlaps the one before instead of reaching beyond the end
            for row in range(ROWS):
                start = first_cell(min(min(first + b, last) + row, end - 1), layout)
                find_cells(table, fresh, known, index, start, taps, depth * 4, found, (b + row) * count)
        done = 0
        while done < width:
            lines, panel = min(most_lines, (width - done) // 16), weight + done * count * depth * 4
            own, low, high = bias + done * 4, limits[0], limits[1]
            for b in range(0, rows, ROWS):
                to = out + (min(first + b, last) * width + done) * 4
                cells = found_at + b * count * 8
                if lines >= 4:
                    convolve4(cells, count, depth, panel, own, to, width * 4, low, high)
                elif lines >= 2:
                    convolve2(cells, count, depth, panel, own, to, width * 4, low, high)
                else:
                    convolve1(cells, count, depth, panel, own, to, width * 4, low, high)
            done += outputs_at_a_time(lines)


@njit(cache=True, nogil=True)
def convolve_few(
    table,
    fresh,
    known,
    index,
    layout,
    rows,
    taps,
    channels,
    outputs,
    weight,
    bias,
    out,
    limits,
    found,
    found_at,
):  # type: ignore[no-untyped-def]
    """All `rows` places of a value with few `outputs`; `out` has room for `PLACES` places more than there are."""
    for first in range(0, rows, PLACES):
        for place in range(PLACES):
            start = first_cell(min(first + place, rows - 1), layout)
            find_cells(table, fresh, known, index, start, taps, channels * 4, found, place * len(taps))
        to = out + first * outputs * 4
        if outputs <= 16:
            few1(found_at, len(taps), channels, weight, bias, to, outputs * 4, limits[0], limits[1])
        else:
            few2(found_at, len(taps), channels, weight, bias, to, outputs * 4, limits[0], limits[1])
