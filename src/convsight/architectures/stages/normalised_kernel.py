"""How do batch normalisation, ReLU and a skip connection run as one, forwards and backwards?

Maps are rows of channels; sixteen channels at a time all rows pass by: for their means, for their variances, and to
be scaled and rectified. Numba compiles this file when it is first imported on a machine; only `stage` imports it.
Addresses are integers, as `Tensor.data_ptr()` gives them; rows, and tables of a number for each channel, have
the same pitch.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import BYTES, EMPTY, FLOATS, LONG, fused, line, on, read

AT_ONCE = 4  # rows: a sum waits for the one before


def _passing(change: Callable[..., Any], sources: int, numbers: int, sums: int = 0) -> Any:
    """An instruction that takes a line of each row of `sources`, and of the first `numbers` rows of a table.

    What `change` makes of them goes to the first address: row by row, or added up in a table of `sums` rows.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        out, table, count, pitch = given[0], given[1 + sources], given[2 + sources], given[3 + sources]
        constants = [read(builder, on(builder, table, i, pitch)) for i in range(numbers)]
        totals = [[cgutils.alloca_once(builder, FLOATS) for _ in range(sums)] for _ in range(AT_ONCE)]
        for total in (total for row in totals for total in row):
            builder.store(EMPTY, total)

        def row(index: Any, its_totals: Any) -> None:
            values = [read(builder, on(builder, source, index, pitch)) for source in given[1 : 1 + sources]]
            made = change(builder, *values, *constants)
            if not sums:
                builder.store(made, line(builder, on(builder, out, index, pitch)), align=4)
            for total, value in zip(its_totals, made if sums else (), strict=True):
                builder.store(builder.fadd(builder.load(total), value), total)

        many, some = ir.Constant(LONG, AT_ONCE), builder.urem(count, ir.Constant(LONG, AT_ONCE))
        with cgutils.for_range(builder, builder.udiv(count, many)) as loop:
            first = builder.mul(loop.index, many)
            for i in range(AT_ONCE):
                row(builder.add(first, ir.Constant(LONG, i)), totals[i])
        with cgutils.for_range(builder, some) as loop:
            row(builder.add(builder.sub(count, some), loop.index), totals[0])
        for i in range(sums):
            whole = builder.load(totals[0][i])
            for others in totals[1:]:
                whole = builder.fadd(whole, builder.load(others[i]))
            builder.store(whole, line(builder, on(builder, out, i, pitch)), align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * (4 + sources)), code
    if sources == 1:
        return intrinsic(lambda _, out, a, table, count, pitch: found)
    return intrinsic(lambda _, out, a, b, table, count, pitch: found)


def _scaled(builder: Any, value: Any, scale: Any, shift: Any) -> Any:
    return builder.call(fused(builder), [value, scale, shift])


def _rectified(builder: Any, value: Any, scale: Any, shift: Any) -> Any:
    """What is above 0, or not a number, and 0 for the rest."""
    scaled = _scaled(builder, value, scale, shift)
    return builder.select(builder.fcmp_unordered(">", scaled, EMPTY), scaled, EMPTY)


def _squared(builder: Any, value: Any, mean: Any) -> Any:
    away = builder.fsub(value, mean)
    return (builder.fmul(away, away),)


def _let_through(builder: Any, gradient: Any, value: Any, scale: Any, shift: Any) -> Any:
    """The gradient where the ReLU let the value through."""
    scaled = _scaled(builder, value, scale, shift)
    return builder.select(builder.fcmp_ordered(">", scaled, EMPTY), gradient, EMPTY)


def _leaning(builder: Any, gradient: Any, value: Any, scale: Any, shift: Any, mean: Any) -> Any:
    through = _let_through(builder, gradient, value, scale, shift)
    return through, builder.fmul(through, builder.fsub(value, mean))


def _given_back(
    builder: Any, gradient: Any, value: Any, scale: Any, shift: Any, slope: Any, rest: Any
) -> Any:
    through = _let_through(builder, gradient, value, scale, shift)
    return _scaled(builder, through, scale, _scaled(builder, value, slope, rest))


sum_up = _passing(lambda builder, value: (value,), 1, 0, 1)
sum_squares = _passing(_squared, 1, 1, 1)
rectify = _passing(_rectified, 1, 2)
rectify_onto = _passing(lambda builder, v, s, *n: builder.fadd(s, _rectified(builder, v, *n)), 2, 2)
lean = _passing(_leaning, 2, 3, 2)
pass_back = _passing(_given_back, 2, 4)

SCALE, SHIFT, MEAN, VARIANCE = range(4)  # rows of the table that is kept for the way back


@njit(cache=True, nogil=True)
def normalise(out, maps, skip, count, weight, bias, eps, table):  # type: ignore[no-untyped-def]
    """Write relu((maps − mean) / sqrt(variance + eps) · weight + bias), plus `skip` where that is not 0.

    `table` takes a row each of scale, shift, mean and variance (of `count` rows of maps, divided by their number).
    """
    channels, at, pitch = table.shape[1], table.ctypes.data, table.shape[1] * 4
    for block in range(0, pitch, BYTES):
        sum_up(at + MEAN * pitch + block, maps + block, at, count, pitch)
    for c in range(channels):
        table[MEAN, c] /= count
    for block in range(0, pitch, BYTES):
        sum_squares(at + VARIANCE * pitch + block, maps + block, at + MEAN * pitch + block, count, pitch)
    for c in range(channels):
        table[VARIANCE, c] /= count
        table[SCALE, c] = weight[c] / np.sqrt(table[VARIANCE, c] + eps)
        table[SHIFT, c] = bias[c] - table[MEAN, c] * table[SCALE, c]
    for block in range(0, pitch, BYTES):
        if skip:
            rectify_onto(out + block, maps + block, skip + block, at + block, count, pitch)
        else:
            rectify(out + block, maps + block, at + block, count, pitch)


@njit(cache=True, nogil=True)
def normalise_back(out, gradient, maps, count, eps, table, found):  # type: ignore[no-untyped-def]
    """Write the gradient of `maps`; the first two of six rows of `found` become those of bias and weight."""
    channels, at, pitch, to = table.shape[1], table.ctypes.data, table.shape[1] * 4, found.ctypes.data
    for block in range(0, pitch, BYTES):
        lean(to + block, gradient + block, maps + block, at + block, count, pitch)
    for c in range(channels):
        spread = 1 / np.sqrt(table[VARIANCE, c] + eps)
        found[2, c], found[3, c] = table[SCALE, c], table[SHIFT, c]
        slope = table[SCALE, c] * found[1, c] * spread * spread / count
        found[4, c] = -slope
        found[5, c] = slope * table[MEAN, c] - table[SCALE, c] * found[0, c] / count
        found[1, c] *= spread
    for block in range(0, pitch, BYTES):
        pass_back(out + block, gradient + block, maps + block, to + 2 * pitch + block, count, pitch)
