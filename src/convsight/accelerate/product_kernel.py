"""How do convolutions of many channels run, straight from the rows where their cells lie?

Six rows at a time have their sums for some lines of sixteen outputs in registers while taps and channels pass by:
no window is copied, and what is written is final. Numba compiles this file when it is first imported on a machine;
only `product_filter` and `winograd_kernel` import it. Addresses are integers, as `Tensor.data_ptr()` gives them.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.direct_kernel import _find
from convsight.accelerate.registers import (
    BYTES,
    EMPTY,
    FLOAT,
    FLOATS,
    LONG,
    between,
    fused,
    line,
    read,
    spread,
)

ROWS = 6  # whose sums are in registers at a time
BLOCK = 96  # rows that the weights of some outputs pass by before the next ones are read


def _sums(builder: Any, lines: int) -> list[list[Any]]:
    """Room for the sums of each row, which the compiler keeps in registers."""
    return [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in range(ROWS)]


def _add_up(
    builder: Any, sums: Sequence[Sequence[Any]], rows: Sequence[Any], weight: Any, count: Any
) -> None:
    """Add to the sums of each row its `count` numbers times the weights, a line of sums for each."""
    fma, lines = fused(builder), len(sums[0])
    with cgutils.for_range(builder, count) as channel:
        on = builder.mul(channel.index, ir.Constant(LONG, 4))
        own = builder.add(weight, builder.mul(channel.index, ir.Constant(LONG, lines * BYTES)))
        weights = [read(builder, own, i) for i in range(lines)]
        for address, row in zip(rows, sums, strict=True):
            number = builder.load(builder.inttoptr(builder.add(address, on), FLOAT.as_pointer()))
            every = spread(builder, number)
            for its_weights, total in zip(weights, row, strict=True):
                builder.store(builder.call(fma, [every, its_weights, builder.load(total)]), total)


def _apart(builder: Any, first: Any, pitch: Any) -> list[Any]:
    """The addresses of rows that are `pitch` bytes apart."""
    return [builder.add(first, builder.mul(pitch, ir.Constant(LONG, row))) for row in range(ROWS)]


def _multiplying(lines: int) -> Any:
    """An instruction that multiplies rows of `count` numbers, `pitch` apart, with weights for 16 · `lines` outputs."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, pitch, count, weight, out, apart = given
        sums = _sums(builder, lines)
        for total in (total for row in sums for total in row):
            builder.store(EMPTY, total)
        _add_up(builder, sums, _apart(builder, first, pitch), weight, count)
        for to, row in zip(_apart(builder, out, apart), sums, strict=True):
            for i, total in enumerate(row):
                builder.store(builder.load(total), line(builder, to, i), align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 6), code
    return intrinsic(lambda _, first, pitch, count, weight, out, apart: found)


multiply1, multiply2, multiply4 = (_multiplying(lines) for lines in (1, 2, 4))


def _convolving(lines: int) -> Any:
    """An instruction that sums all channels of `count` cells of each row, weighted, onto a bias, between limits.

    `cells` is the address of the cells' addresses, row by row; the rows' outputs are `apart` bytes apart.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        cells, count, channels, weight, bias, out, apart, low, high = given
        sums = _sums(builder, lines)
        for row in sums:
            for i, total in enumerate(row):
                builder.store(read(builder, bias, i), total)
        of_row = builder.mul(count, ir.Constant(LONG, 8))
        with cgutils.for_range(builder, count) as tap:
            of_tap = builder.mul(builder.mul(tap.index, channels), ir.Constant(LONG, lines * BYTES))
            first = builder.add(cells, builder.mul(tap.index, ir.Constant(LONG, 8)))
            at = [
                builder.load(builder.inttoptr(place, LONG.as_pointer()))
                for place in _apart(builder, first, of_row)
            ]
            _add_up(builder, sums, at, builder.add(weight, of_tap), channels)
        for to, row in zip(_apart(builder, out, apart), sums, strict=True):
            for i, total in enumerate(row):
                value = between(builder, builder.load(total), low, high)
                builder.store(value, line(builder, to, i), align=4)
        return context.get_dummy_value()

    number = types.float32
    found = types.void(*[types.int64] * 7, number, number), code
    return intrinsic(lambda _, cells, count, channels, weight, bias, out, apart, low, high: found)


convolve1, convolve2, convolve4 = (_convolving(lines) for lines in (1, 2, 4))


@njit(cache=True, nogil=True)
def multiply(first, groups, from_group, depth, weight, wide, out, to_group, width):  # type: ignore[no-untyped-def]
    """`ROWS` rows of `depth` numbers, of each group, times weights for `width` outputs, at most `wide` lines at a time.

    The groups' rows and outputs are `from_group` and `to_group` bytes apart.
    """
    done = 0
    while done < width:
        lines, panel, to = min(wide, (width - done) // 16), weight + done * depth * 4, out + done * 4
        for g in range(groups):
            rows, sums = first + g * from_group, to + g * to_group
            if lines >= 4:
                multiply4(rows, depth * 4, depth, panel, sums, width * 4)
            elif lines >= 2:
                multiply2(rows, depth * 4, depth, panel, sums, width * 4)
            else:
                multiply1(rows, depth * 4, depth, panel, sums, width * 4)
        done += 64 if lines >= 4 else 32 if lines >= 2 else 16


@njit(cache=True, nogil=True)
def convolve(
    table,
    fresh,
    known,
    index,
    starts,
    taps,
    depth,
    width,
    weight,
    bias,
    wide,
    out,
    begin,
    end,
    limits,
    cells,
    cells_at,
):  # type: ignore[no-untyped-def]
    """Rows `begin` ... `end` − 1 of the value: row r sums all channels of the cells starts[r] + taps, weighted.

    `table` are rows of `depth` floats; `index`, if it is not empty, says which row a cell is, where the rows from
    `known` on are those of `fresh`. `cells` has room for the taps' addresses of `BLOCK` rows, and lies at
    `cells_at`. With fewer rows than `ROWS`, `out` has room for so many.
    """
    last = max(begin, end - ROWS)
    for first in range(begin, end, BLOCK):
        count = min(BLOCK, (end - first + ROWS - 1) // ROWS * ROWS)
        for b in range(0, count, ROWS):  # the last rows again rather than rows that do not exist
            for row in range(ROWS):
                start = starts[min(min(first + b, last) + row, end - 1)]
                _find(table, fresh, known, index, start, taps, depth * 4, cells, (b + row) * len(taps))
        done = 0
        while done < width:
            lines, panel = min(wide, (width - done) // 16), weight + done * len(taps) * depth * 4
            for b in range(0, count, ROWS):
                to = out + (min(first + b, last) * width + done) * 4
                given = cells_at + b * len(taps) * 8
                if lines >= 4:
                    convolve4(
                        given, len(taps), depth, panel, bias + done * 4, to, width * 4, limits[0], limits[1]
                    )
                elif lines >= 2:
                    convolve2(
                        given, len(taps), depth, panel, bias + done * 4, to, width * 4, limits[0], limits[1]
                    )
                else:
                    convolve1(
                        given, len(taps), depth, panel, bias + done * 4, to, width * 4, limits[0], limits[1]
                    )
            done += 64 if lines >= 4 else 32 if lines >= 2 else 16
