"""Which instructions do the kernels of a chain need, on lines of 16 floats where they lie?

Numba turns a loop over an array's floats into one float at a time where it cannot know that two arrays are apart;
here a line is one register. Addresses are integers. Only `chain_kernel` imports this file, and Numba keeps what it
made of it until `chain_kernel` itself changes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

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
    spread_from,
)

PLACES = 5  # whose sums are in registers at a time
VALUE = 6  # numbers of a value: first cell, floats to the next row and cell, rows, columns, channels
STEP = (
    19  # of a step: what, source, target, taps at, taps, first tap's cell, strides down and across, channels,
)
# weights, biases, lines of 16 outputs, whether differences may be added, then down and across: kernel, before, dilation


def _row_of(count: int, of: Any) -> Any:
    """An instruction: row `index` of a table of `count` columns at an address, as a tuple.

    A row of an array would be counted and freed each time.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pitch = 4 if of is types.float32 else 8
        at, kind = on(builder, *given, count * pitch), context.get_value_type(of).as_pointer()
        place = [builder.add(at, ir.Constant(LONG, i * pitch)) for i in range(count)]
        found = [builder.load(builder.inttoptr(p, kind)) for p in place]
        return context.make_tuple(builder, signature.return_type, found)

    return intrinsic(lambda _, table, index: (types.UniTuple(of, count)(types.int64, types.int64), code))


value_row, step_row, box_row = (_row_of(count, types.int64) for count in (VALUE, STEP, 4))
rooms_row, number, limits_row = _row_of(6, types.int64), _row_of(1, types.int64), _row_of(2, types.float32)


def _each_line(change: Callable[..., Any], sources: int) -> Any:
    """Code that writes to the first address what `change` makes of the lines at the next ones."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        addresses, count, more = given[: 1 + sources], given[1 + sources], given[2 + sources :]
        with cgutils.for_range(builder, count) as loop:
            at = [on(builder, address, loop.index, BYTES) for address in addresses]
            value = change(builder, *[read(builder, a) for a in at[1:]], *more)
            builder.store(value, line(builder, at[0], 0), align=4)
        return context.get_dummy_value()

    return code


@intrinsic
def copy_lines(typing: Any, to: Any, source: Any, count: Any) -> Any:
    return types.void(*[types.int64] * 3), _each_line(lambda builder, value: value, 1)


@intrinsic
def differences(typing: Any, to: Any, one: Any, other: Any, count: Any) -> Any:
    return types.void(*[types.int64] * 4), _each_line(lambda builder, a, b: builder.fsub(a, b), 2)


@intrinsic
def limit_lines(typing: Any, to: Any, source: Any, count: Any, low: Any, high: Any) -> Any:
    return types.void(*[types.int64] * 3, types.float32, types.float32), _each_line(between, 1)


@intrinsic
def copy_floats(typing: Any, to: Any, source: Any, count: Any, apart: Any) -> Any:
    """Copy floats that lie `apart` bytes from each other one behind the other."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        to, source, count, apart = given
        with cgutils.for_range(builder, count) as loop:
            value = builder.load(builder.inttoptr(on(builder, source, loop.index, apart), FLOAT.as_pointer()))
            builder.store(value, builder.inttoptr(on(builder, to, loop.index, 4), FLOAT.as_pointer()))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), code


@intrinsic
def nothing_in(typing: Any, at: Any, count: Any) -> Any:
    """0 if all floats of these lines are finite, else not a number."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        at, count = given
        sums = cgutils.alloca_once(builder, FLOATS)
        builder.store(EMPTY, sums)
        with cgutils.for_range(builder, count) as loop:
            value = builder.fmul(read(builder, on(builder, at, loop.index, BYTES)), EMPTY)
            builder.store(builder.fadd(builder.load(sums), value), sums)
        total, lanes = ir.Constant(FLOAT, 0.0), builder.load(sums)
        for lane in range(16):
            total = builder.fadd(total, builder.extract_element(lanes, ir.Constant(ir.IntType(32), lane)))
        return total

    return types.float32(types.int64, types.int64), code


def _crossing(lines: int) -> Any:
    """An instruction that sums `count` cells of some channels, weighted for 16 · `lines` outputs, for five places.

    The taps' cells are `offsets` bytes from each place's first; `pitch` bytes are between the weights of two channels.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, out = given[:PLACES], given[PLACES : 2 * PLACES]
        offsets, count, channels, weight, pitch, bias, low, high = given[2 * PLACES :]
        fma = fused(builder)
        sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in range(PLACES)]
        for place in sums:
            for i, total in enumerate(place):
                builder.store(read(builder, bias, i), total)
        with cgutils.for_range(builder, count) as tap:
            offset = builder.load(builder.inttoptr(on(builder, offsets, tap.index, 8), LONG.as_pointer()))
            weights = on(builder, weight, builder.mul(tap.index, channels), pitch)
            at = [builder.add(address, offset) for address in first]
            with cgutils.for_range(builder, channels) as channel:
                own = on(builder, weights, channel.index, pitch)
                rows = [read(builder, own, i) for i in range(lines)]
                for address, place in zip(at, sums, strict=True):
                    every = spread_from(builder, on(builder, address, channel.index, 4))
                    for row, total in zip(rows, place, strict=True):
                        builder.store(builder.call(fma, [every, row, builder.load(total)]), total)
        for to, place in zip(out, sums, strict=True):
            for i, total in enumerate(place):
                value = between(builder, builder.load(total), low, high)
                builder.store(value, line(builder, to, i), align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * (2 * PLACES + 6), types.float32, types.float32), code
    return intrinsic(
        lambda _, a, b, c, d, e, o, p, q, r, s, offsets, count, channels, weight, pitch, bias, low, high: (
            found
        )
    )


cross1, cross2, cross4 = _crossing(1), _crossing(2), _crossing(4)


@intrinsic
def largest(typing: Any, first: Any, offsets: Any, count: Any, out: Any, low: Any, high: Any) -> Any:
    """Write the largest of `count` lines, between limits; what is not finite makes it not a number."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, offsets, count, out, low, high = given
        most, nothing = (cgutils.alloca_once(builder, FLOATS) for _ in range(2))

        def tap(index: Any) -> Any:
            at = builder.inttoptr(on(builder, offsets, index, 8), LONG.as_pointer())
            return read(builder, builder.add(first, builder.load(at)))

        builder.store(tap(ir.Constant(LONG, 0)), most)
        builder.store(EMPTY, nothing)
        with cgutils.for_range(builder, count) as loop:
            value, before = tap(loop.index), builder.load(most)
            builder.store(builder.select(builder.fcmp_ordered(">", value, before), value, before), most)
            builder.store(builder.fadd(builder.load(nothing), builder.fmul(value, EMPTY)), nothing)
        value = builder.fadd(builder.load(most), builder.load(nothing))
        builder.store(between(builder, value, low, high), line(builder, out, 0), align=4)
        return context.get_dummy_value()

    number = types.float32
    return types.void(types.int64, types.int64, types.int64, types.int64, number, number), code
