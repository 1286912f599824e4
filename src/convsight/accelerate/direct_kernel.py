"""The compiled code of convolutions of each channel by itself, and of finding the cells that any kernel reads.

The weights of nine taps for some channels stay in registers while many places pass by. Numba compiles this file
when it is first imported on a machine, so only code that is about to run a kernel imports it. Addresses are
integers, as `Tensor.data_ptr()` gives them; distances between addresses are in bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import BYTES, FLOATS, LONG, between, fused, line, on, read

BLOCK = 48  # places whose addresses are worked out at a time; their cells then stay in the first-level cache


def _add(builder: Any, sums: Sequence[Any], weights: Sequence[Any], place: Any, shift: Any) -> None:
    """Add a cell's lines, each times its weights, to the sums.

    The address of the cell stands at the address `place`, and `shift` is added to it.
    """
    fma, cell = fused(builder), builder.load(builder.inttoptr(place, LONG.as_pointer()))
    cell = builder.add(cell, shift)
    for i, (its_weights, total) in enumerate(zip(weights, sums, strict=True)):
        builder.store(builder.call(fma, [read(builder, cell, i), its_weights, builder.load(total)]), total)


def _weighing(lines: int, taps: int = 0) -> Any:
    """An instruction that computes 16 · `lines` channels of `rows` places: bias + sum of weight × cell, cut to limits.

    `cells` is the address of an array with the address of each of the `count` cells of each place; `shift` is
    added to every address in it. The weights of two taps, and two places' values, are `pitch` bytes apart. With a
    number of `taps` that is known here, the weights of all taps stay in registers.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        cells, shift, weight, pitch, count, rows, bias, out, low, high = given
        biases = [read(builder, bias, i) for i in range(lines)]
        kept = [[read(builder, on(builder, weight, t, pitch), i) for i in range(lines)] for t in range(taps)]
        with cgutils.for_range(builder, rows) as row:
            first = on(builder, cells, builder.mul(row.index, count), 8)
            sums = [cgutils.alloca_once(builder, FLOATS) for _ in range(lines)]
            for total, its_bias in zip(sums, biases, strict=True):
                builder.store(its_bias, total)
            for tap, weights in enumerate(kept):
                _add(builder, sums, weights, on(builder, first, tap, 8), shift)
            if not taps:
                with cgutils.for_range(builder, count) as tap:
                    own = on(builder, weight, tap.index, pitch)
                    weights = [read(builder, own, i) for i in range(lines)]
                    _add(builder, sums, weights, on(builder, first, tap.index, 8), shift)
            to = on(builder, out, row.index, pitch)
            for i, total in enumerate(sums):
                builder.store(between(builder, builder.load(total), low, high), line(builder, to, i), align=4)
        return context.get_dummy_value()

    address, number = types.int64, types.float32
    found = types.void(*[address] * 8, number, number), code
    return intrinsic(lambda _, cells, shift, weight, pitch, count, rows, bias, out, low, high: found)


weigh4, weigh1 = _weighing(4), _weighing(1)
nine2, nine1 = _weighing(2, 9), _weighing(1, 9)  # 3×3


@njit(cache=True, nogil=True)
def first_cell(place, layout):  # type: ignore[no-untyped-def]
    """The number of the first cell that a place of a window reads.

    `layout` has the height and width of a window and of its block of cells, and the stride down and across.
    """
    height, width, rows, columns, down, across = layout
    window, inside = place // (height * width), place % (height * width)
    return (window * rows + inside // width * down) * columns + inside % width * across


@njit(cache=True, nogil=True)
def find_cells(table, fresh, known, index, start, taps, pitch, found, at):  # type: ignore[no-untyped-def]
    """Write the addresses of the cells start + taps into `found` from position `at` on.

    `table` and `fresh` are the addresses of two tables whose rows are `pitch` bytes apart. `index`, if it is not
    empty, says which row a cell is; rows from number `known` on are those of the second table.
    """
    for t in range(len(taps)):
        cell = start + taps[t]
        if len(index) > 0:
            cell = index[cell]
        found[at + t] = fresh + (cell - known) * pitch if cell >= known else table + cell * pitch


@njit(cache=True, nogil=True)
def convolve_depthwise(
    table, fresh, known, index, layout, taps, channels, weight, bias, out, begin, end, limits, found, found_at
):  # type: ignore[no-untyped-def]
    """Places `begin` ... `end` − 1 of the value; for the cells see `first_cell` and `find_cells`.

    `found` is an array for the addresses of the cells of `BLOCK` places, and `found_at` its own address.
    """
    pitch, count = channels * 4, len(taps)
    lines = 2 if count == 9 else 4
    for first in range(begin, end, BLOCK):
        rows, to = min(BLOCK, end - first), out + first * pitch
        for r in range(rows):
            find_cells(
                table, fresh, known, index, first_cell(first + r, layout), taps, pitch, found, r * count
            )
        for at in range(0, channels // (16 * lines) * lines * BYTES, lines * BYTES):
            given, own, low, high = weight + at, bias + at, limits[0], limits[1]
            if count == 9:
                nine2(found_at, at, given, pitch, count, rows, own, to + at, low, high)
            else:
                weigh4(found_at, at, given, pitch, count, rows, own, to + at, low, high)
        for at in range(channels // (16 * lines) * lines * BYTES, pitch, BYTES):
            given, own, low, high = weight + at, bias + at, limits[0], limits[1]
            if count == 9:
                nine1(found_at, at, given, pitch, count, rows, own, to + at, low, high)
            else:
                weigh1(found_at, at, given, pitch, count, rows, own, to + at, low, high)
