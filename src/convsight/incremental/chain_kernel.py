"""How are all positions of a small network answered in one go, each on the maps of the one before?

The maps of a small network fit a core's cache, so nothing is cut out or put together: each position hides its box in
the picture's own maps, every layer computes the cells that change where they lie, and afterwards those cells get their
clean values back. Numba compiles this file when it is first imported on a machine; only `chain` imports it.

Cells are rows of channels, filled up to lines of 16 floats but for the picture's own. Numbers in the tables count
floats from the start of the maps, and bytes where they say so.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.incremental.direct_kernel import (
    BYTES,
    EMPTY,
    FLOAT,
    FLOATS,
    LONG,
    _between,
    _fused,
    _line,
    _spread,
)

PLACES = 5  # whose sums are in registers at a time
CONVOLUTION, LARGEST, LIMITED = 0, 1, 2  # what a step does
VALUE = (
    6  # numbers of a value: where its first cell is, floats to the next row and cell, rows, columns, channels
)
STEP = (
    12  # of a step: what, source, target, taps at, taps, first tap's cell, strides down and across, channels,
)
# weights, biases, lines of 16 outputs


def _at(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, LONG.as_pointer())


def _crossing(lines: int) -> Any:
    """An instruction that sums `count` cells of some channels, weighted for 16 · `lines` outputs, for five places.

    The taps' cells are `offsets` bytes from each place's first; `pitch` bytes are between the weights of two channels.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, out = given[:PLACES], given[PLACES : 2 * PLACES]
        offsets, count, channels, weight, pitch, bias, low, high = given[2 * PLACES :]
        fused = _fused(builder)
        sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in range(PLACES)]
        for place in sums:
            for i, total in enumerate(place):
                builder.store(builder.load(_line(builder, bias, i), align=4), total)
        with cgutils.for_range(builder, count) as tap:
            offset = builder.load(
                _at(builder, builder.add(offsets, builder.mul(tap.index, ir.Constant(LONG, 8))))
            )
            weights = builder.add(weight, builder.mul(builder.mul(tap.index, channels), pitch))
            at = [builder.add(address, offset) for address in first]
            with cgutils.for_range(builder, channels) as channel:
                own = builder.add(weights, builder.mul(channel.index, pitch))
                rows = [builder.load(_line(builder, own, i), align=4) for i in range(lines)]
                on = builder.mul(channel.index, ir.Constant(LONG, 4))
                for address, place in zip(at, sums, strict=True):
                    number = builder.load(builder.inttoptr(builder.add(address, on), FLOAT.as_pointer()))
                    every = _spread(builder, number)
                    for row, total in zip(rows, place, strict=True):
                        builder.store(builder.call(fused, [every, row, builder.load(total)]), total)
        for to, place in zip(out, sums, strict=True):
            for i, total in enumerate(place):
                value = _between(builder, builder.load(total), low, high)
                builder.store(value, _line(builder, to, i), align=4)
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
        builder.store(
            builder.load(_line(builder, builder.add(first, builder.load(_at(builder, offsets))), 0), align=4),
            most,
        )
        builder.store(EMPTY, nothing)
        with cgutils.for_range(builder, count) as tap:
            offset = builder.load(
                _at(builder, builder.add(offsets, builder.mul(tap.index, ir.Constant(LONG, 8))))
            )
            value, before = (
                builder.load(_line(builder, builder.add(first, offset), 0), align=4),
                builder.load(most),
            )
            builder.store(builder.select(builder.fcmp_ordered(">", value, before), value, before), most)
            builder.store(builder.fadd(builder.load(nothing), builder.fmul(value, EMPTY)), nothing)
        value = builder.fadd(builder.load(most), builder.load(nothing))
        builder.store(_between(builder, value, low, high), _line(builder, out, 0), align=4)
        return context.get_dummy_value()

    number = types.float32
    return types.void(types.int64, types.int64, types.int64, types.int64, number, number), code


@njit(cache=True, nogil=True)
def _convolve(at, step, source, target, low, high, taps, weights, r0, r1, c0, c1):  # type: ignore[no-untyped-def]
    """Compute the cells of a rectangle, five at a time in the order of rows."""
    lines, channels, offsets, count = step[11], step[8], taps + step[3] * 8, step[4]
    pitch, weight, bias = lines * BYTES, weights + step[9] * 4, weights + step[10] * 4
    down, across = source[1] * step[6] * 4, source[2] * step[7] * 4
    below, beside = target[1] * 4, target[2] * 4
    start, to = at + step[5] * 4, at + target[0] * 4
    y, x, left = r0, c0, (r1 - r0) * (c1 - c0)
    while left > 0:
        a, o = start + y * down + x * across, to + y * below + x * beside
        b, p, c, q, d, r, e, s = a, o, a, o, a, o, a, o
        x += 1
        if x == c1:
            x, y = c0, y + 1
        if left > 1:
            b, p = start + y * down + x * across, to + y * below + x * beside
            x += 1
            if x == c1:
                x, y = c0, y + 1
        if left > 2:
            c, q = start + y * down + x * across, to + y * below + x * beside
            x += 1
            if x == c1:
                x, y = c0, y + 1
        if left > 3:
            d, r = start + y * down + x * across, to + y * below + x * beside
            x += 1
            if x == c1:
                x, y = c0, y + 1
        if left > 4:
            e, s = start + y * down + x * across, to + y * below + x * beside
            x += 1
            if x == c1:
                x, y = c0, y + 1
        n = 0
        while n < lines:
            w, f, on = weight + n * BYTES, bias + n * BYTES, n * BYTES
            if lines - n >= 4:
                cross4(a, b, c, d, e, o + on, p + on, q + on, r + on, s + on, offsets, count, channels, w, pitch, f, low, high)  # fmt: skip
                n += 4
            elif lines - n >= 2:
                cross2(a, b, c, d, e, o + on, p + on, q + on, r + on, s + on, offsets, count, channels, w, pitch, f, low, high)  # fmt: skip
                n += 2
            else:
                cross1(a, b, c, d, e, o + on, p + on, q + on, r + on, s + on, offsets, count, channels, w, pitch, f, low, high)  # fmt: skip
                n += 1
        left -= 5


@njit(cache=True, nogil=True)
def _choose(at, step, source, target, low, high, taps, r0, r1, c0, c1):  # type: ignore[no-untyped-def]
    """Write the largest of each cell's taps; with one tap, the cell itself, between limits."""
    offsets, count, lines = taps + step[3] * 8, step[4], target[2] // 16
    down, across, start = step[6] * source[1] * 4, step[7] * source[2] * 4, at + step[5] * 4
    below, beside, to = target[1] * 4, target[2] * 4, at + target[0] * 4
    for y in range(r0, r1):
        for x in range(c0, c1):
            a, o = start + y * down + x * across, to + y * below + x * beside
            for n in range(lines):
                largest(a + n * BYTES, offsets, count, o + n * BYTES, low, high)


@njit(cache=True, nogil=True)
def _carry_out(at, steps, values, limits, taps, weights, rectangles):  # type: ignore[no-untyped-def]
    """Compute a rectangle of every step's value."""
    for i in range(len(steps)):
        step = steps[i]
        source, target = values[step[1]], values[step[2]]
        low, high, box = limits[i, 0], limits[i, 1], rectangles[step[2]]
        if step[0] == CONVOLUTION:
            _convolve(at, step, source, target, low, high, taps, weights, box[0], box[1], box[2], box[3])
        else:
            _choose(at, step, source, target, low, high, taps, box[0], box[1], box[2], box[3])


@njit(cache=True, nogil=True)
def _put(target, maps, value, box):  # type: ignore[no-untyped-def]
    """Bring a rectangle of cells where the picture's own order of channels, rows, columns has them."""
    first, row, beside, height, width, channels = value[0], value[1], value[2], value[3], value[4], value[5]
    r0, r1, c0, c1 = box[0], box[1], box[2], box[3]
    for y in range(r0, r1):
        for c in range(channels):
            to, cell = (c * height + y) * width, first + y * row + c
            for x in range(c0, c1):
                target[to + x] = maps[cell + x * beside]


@njit(cache=True, nogil=True)
def _copy(target, source, value, box):  # type: ignore[no-untyped-def]
    """Copy a rectangle of cells from maps to maps."""
    count, row, first = (box[3] - box[2]) * value[2], value[1], value[0] + box[2] * value[2]
    for y in range(box[0], box[1]):
        start = first + y * row
        for i in range(start, start + count):
            target[i] = source[i]


@njit(cache=True, nogil=True)
def answer(
    pictures,
    fills,
    maps,
    clean,
    at,
    steps,
    values,
    limits,
    taps,
    weights,
    whole,
    hidden,
    last,
    out,
    reads,
    channels,
    read,
):  # type: ignore[no-untyped-def]
    """The last maps of each picture with each box hidden, and then of the whole picture (out: picture, position).

    `pictures` and `fills` lie as the first value does in `maps`, which is at `at`. `hidden` are the rectangles
    (rows from, to, columns from, to) that each position changes in each value, `whole` all of it. `reads` are values
    of which one of the `channels` of each picture is written to `read`.
    """
    everything = len(hidden)
    for i in range(len(pictures)):
        _copy(maps, pictures[i], values[0], whole[0])
        _carry_out(at, steps, values, limits, taps, weights, whole)
        clean[:] = maps
        _put(out[i, everything], maps, values[last], whole[last])
        for p in range(everything):
            box = hidden[p]
            _copy(maps, fills[i], values[0], box[0])
            _carry_out(at, steps, values, limits, taps, weights, box)
            out[i, p] = out[i, everything]
            _put(out[i, p], maps, values[last], box[last])
            for r in range(len(reads)):
                _read(read[r, i, p], maps, values[reads[r]], channels[r, i])
            for v in range(len(values)):
                _copy(maps, clean, values[v], box[v])
        for r in range(len(reads)):
            _read(read[r, i, everything], clean, values[reads[r]], channels[r, i])


@njit(cache=True, nogil=True)
def _read(target, maps, value, channel):  # type: ignore[no-untyped-def]
    for y in range(value[3]):
        for x in range(value[4]):
            target[y * value[4] + x] = maps[value[0] + y * value[1] + x * value[2] + channel]
