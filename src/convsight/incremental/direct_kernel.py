"""How do convolutions of few multiplications run, straight from the rows where their cells lie?

One that keeps channels apart has sixty-four of them in registers while the taps pass by; one of few channels has
all outputs of four cells there while taps and channels pass by. Neither needs a copy of a window. Numba compiles this file when it is first imported on a machine; only `direct_filter` imports it.
Addresses are integers, as `Tensor.data_ptr()` gives them.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.registers import BYTES, FLOAT, FLOATS, LONG, between, fused, line, read, spread

PLACES = 4  # whose sums are in registers at a time


def _weighing(lines: int) -> Any:
    """An instruction that sums `count` cells of 16 · `lines` channels, weighted, onto a bias, between limits.

    `cells` is the address of the cells' addresses, `on` what is added to each; the weights of two taps are `pitch`
    bytes apart.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        cells, on, weight, pitch, count, bias, out, low, high = given

        fma = fused(builder)
        sums = [cgutils.alloca_once(builder, FLOATS) for _ in range(lines)]
        for i, total in enumerate(sums):
            builder.store(read(builder, bias, i), total)
        with cgutils.for_range(builder, count) as loop:
            place = builder.add(cells, builder.mul(loop.index, ir.Constant(LONG, 8)))
            cell = builder.add(builder.load(builder.inttoptr(place, LONG.as_pointer())), on)
            weights = builder.add(weight, builder.mul(loop.index, pitch))
            for i, total in enumerate(sums):
                two = [read(builder, at, i) for at in (cell, weights)]
                builder.store(builder.call(fma, [*two, builder.load(total)]), total)
        for i, total in enumerate(sums):
            builder.store(between(builder, builder.load(total), low, high), line(builder, out, i), align=4)
        return context.get_dummy_value()

    address, number = types.int64, types.float32
    found = types.void(*[address] * 7, number, number), code
    return intrinsic(lambda _, cells, on, weight, pitch, count, bias, out, low, high: found)


weigh4, weigh1 = _weighing(4), _weighing(1)


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
                on = builder.mul(channel.index, ir.Constant(LONG, lines * BYTES))
                own = [
                    builder.load(line(builder, builder.add(weights, on), i), align=4) for i in range(lines)
                ]
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
    `known` on are those of `fresh`. `cells` has room for the taps' addresses, and lies at `cells_at`.
    """
    pitch = channels * 4
    for r in range(begin, end):
        _find(table, fresh, known, index, starts[r], taps, pitch, cells, 0)
        to = out + r * pitch
        for some in range(channels // 64):
            at = some * 4 * BYTES
            weigh4(cells_at, at, weight + at, pitch, len(taps), bias + at, to + at, limits[0], limits[1])
        for some in range(channels // 64 * 4, channels // 16):
            at = some * BYTES
            weigh1(cells_at, at, weight + at, pitch, len(taps), bias + at, to + at, limits[0], limits[1])


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
