"""How do convolutions of few multiplications run, straight from the rows where their cells lie?

One that keeps channels apart takes some of them through many rows, with the weights of nine taps in registers; one of
few channels has all outputs of four cells there while taps and channels pass by. Neither needs a copy of a window.
Numba compiles this file when it is first imported on a machine; only `direct_filter` and other kernels import it.
Addresses are integers, as `Tensor.data_ptr()` gives them.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import BYTES, FLOAT, FLOATS, LONG, between, fused, line, on, read, spread

PLACES = 4  # whose sums are in registers at a time
BLOCK = 48  # rows whose cells are found at a time; some channels of all of them are in the first-level cache


def _add(builder: Any, sums: Sequence[Any], weights: Sequence[Any], place: Any, shift: Any) -> None:
    """Add to sums the lines of a cell, each times its weights; the cell is `shift` on from the address at `place`."""
    fma, cell = fused(builder), builder.load(builder.inttoptr(place, LONG.as_pointer()))
    cell = builder.add(cell, shift)
    for i, (its_weights, total) in enumerate(zip(weights, sums, strict=True)):
        builder.store(builder.call(fma, [read(builder, cell, i), its_weights, builder.load(total)]), total)


def _weighing(lines: int, taps: int = 0) -> Any:
    """An instruction that sums `count` cells of 16 · `lines` channels, weighted, onto a bias, between limits, for `rows`.

    `cells` is the address of the cells' addresses, row by row, `shift` what is added to each; the weights of two taps
    and the sums of two rows are `pitch` bytes apart. A known number of `taps` has its weights in registers.
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


def _crossing(lines: int) -> Any:
    """An instruction that sums all channels of `count` cells, weighted for 16 · `lines` outputs, for four places.

    `cells` is the address of the cells' addresses, place by place; the places' outputs are `pitch` bytes apart.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        cells, channels, weight, count, bias, out, pitch, low, high = given
        fma = fused(builder)
        sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in range(PLACES)]
        for place in sums:
            for i, total in enumerate(place):
                builder.store(read(builder, bias, i), total)
        with cgutils.for_range(builder, count) as tap:
            of_tap = builder.mul(builder.mul(tap.index, channels), ir.Constant(LONG, lines * BYTES))
            weights, at = builder.add(weight, of_tap), []
            for number in range(PLACES):
                which = builder.add(builder.mul(count, ir.Constant(LONG, number)), tap.index)
                place = builder.add(cells, builder.mul(which, ir.Constant(LONG, 8)))
                at.append(builder.load(builder.inttoptr(place, LONG.as_pointer())))
            with cgutils.for_range(builder, channels) as channel:
                here = on(builder, weights, channel.index, lines * BYTES)
                own = [read(builder, here, i) for i in range(lines)]
                for address, place in zip(at, sums, strict=True):
                    number = builder.add(address, builder.mul(channel.index, ir.Constant(LONG, 4)))
                    every = spread(builder, builder.load(builder.inttoptr(number, FLOAT.as_pointer())))
                    for weights_of, total in zip(own, place, strict=True):
                        builder.store(builder.call(fma, [every, weights_of, builder.load(total)]), total)
        for number, place in enumerate(sums):  # in order: what a row has too much is overwritten by the next
            to = builder.add(out, builder.mul(pitch, ir.Constant(LONG, number)))
            for i, total in enumerate(place):
                builder.store(between(builder, builder.load(total), low, high), line(builder, to, i), align=4)
        return context.get_dummy_value()

    address, number = types.int64, types.float32
    found = types.void(*[address] * 7, number, number), code
    return intrinsic(lambda _, cells, channels, weight, count, bias, out, pitch, low, high: found)


cross1, cross2 = _crossing(1), _crossing(2)


@njit(cache=True, nogil=True)
def _find(table, fresh, known, index, start, taps, pitch, cells, first):  # type: ignore[no-untyped-def]
    """Write the addresses of a place's cells."""
    for t in range(len(taps)):
        cell = start + taps[t]
        if len(index) > 0:
            cell = index[cell]
        cells[first + t] = fresh + (cell - known) * pitch if cell >= known else table + cell * pitch


@njit(cache=True, nogil=True)
def convolve(
    table, fresh, known, index, starts, taps, channels, weight, bias, out, begin, end, limits, cells, cells_at
):  # type: ignore[no-untyped-def]
    """Rows `begin` ... `end` − 1 of the value: in row r each channel sums the cells starts[r] + taps, weighted.

    `table` are rows of `channels` floats; `index`, if it is not empty, says which row a cell is, where the rows from
    `known` on are those of `fresh`. `cells` has room for the taps' addresses of `BLOCK` rows, and lies at `cells_at`.
    """
    pitch, count = channels * 4, len(taps)
    lines = 2 if count == 9 else 4
    for first in range(begin, end, BLOCK):
        rows, to = min(BLOCK, end - first), out + first * pitch
        for r in range(rows):
            _find(table, fresh, known, index, starts[first + r], taps, pitch, cells, r * count)
        for at in range(0, channels // (16 * lines) * lines * BYTES, lines * BYTES):
            given, own, low, high = weight + at, bias + at, limits[0], limits[1]
            if count == 9:
                nine2(cells_at, at, given, pitch, count, rows, own, to + at, low, high)
            else:
                weigh4(cells_at, at, given, pitch, count, rows, own, to + at, low, high)
        for at in range(channels // (16 * lines) * lines * BYTES, pitch, BYTES):
            given, own, low, high = weight + at, bias + at, limits[0], limits[1]
            if count == 9:
                nine1(cells_at, at, given, pitch, count, rows, own, to + at, low, high)
            else:
                weigh1(cells_at, at, given, pitch, count, rows, own, to + at, low, high)


@njit(cache=True, nogil=True)
def convolve_few(
    table, fresh, known, index, starts, taps, channels, outputs, weight, bias, out, limits, cells, cells_at
):  # type: ignore[no-untyped-def]
    """The same for a value of few `outputs`, each of which sums all channels; `out` has room for more rows."""
    for first in range(0, len(starts), PLACES):
        for place in range(PLACES):
            start = starts[min(first + place, len(starts) - 1)]
            _find(table, fresh, known, index, start, taps, channels * 4, cells, place * len(taps))
        to = out + first * outputs * 4
        if outputs <= 16:
            cross1(cells_at, channels, weight, len(taps), bias, to, outputs * 4, limits[0], limits[1])
        else:
            cross2(cells_at, channels, weight, len(taps), bias, to, outputs * 4, limits[0], limits[1])


@njit(cache=True, nogil=True)
def collect(table, fresh, known, index, out):  # type: ignore[no-untyped-def]
    """Copy the rows that `index` names, those from `known` on out of `fresh`."""
    for i in range(len(index)):
        row, at = out[i], index[i]
        cell = fresh[at - known] if at >= known else table[at]
        for j in range(len(row)):
            row[j] = cell[j]
