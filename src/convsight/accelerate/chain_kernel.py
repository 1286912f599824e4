"""How are all positions of a small network answered in one go, each on the maps of the one before?

The maps of a small network fit a core's cache, so nothing is cut out or put together: each position hides its box in
the picture's own maps, every layer computes the cells that change where they lie, and afterwards those cells get their
clean values back. A convolution behind the first adds what its changed inputs make different to the clean sum. Numba
compiles this file when it is first imported on a machine; only `chain` imports it.

Cells are rows of channels, filled up to lines of 16 floats but for the picture's own. Numbers in the tables count
floats from the start of the maps, and bytes where they say so. `rooms` are addresses: of the maps, of their clean copy,
of clean sums before limits, of differences, of the taps and of the weights.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

import numpy as np
from numba import njit

from convsight.accelerate.chain_lines import (
    BYTES,
    box_row,
    copy_floats,
    copy_lines,
    cross1,
    cross2,
    cross4,
    differences,
    largest,
    limit_lines,
    limits_row,
    nothing_in,
    number,
    rooms_row,
    step_row,
    value_row,
)
from convsight.accelerate.chain_sums import add, reach

CONVOLUTION, LARGEST = 0, 1  # what a step does
BEYOND = np.float32(np.inf)


@njit(cache=True, nogil=True)
def _convolve(at, to_at, step, source, target, low, high, taps, weights, box):  # type: ignore[no-untyped-def]
    """Compute the cells of a rectangle, five at a time in the order of rows."""
    lines, channels, offsets, count = step[11], step[8], taps + step[3] * 8, step[4]
    pitch, weight, bias = lines * BYTES, weights + step[9] * 4, weights + step[10] * 4
    down, across = source[1] * step[6] * 4, source[2] * step[7] * 4
    below, beside = target[1] * 4, target[2] * 4
    start, to = at + step[5] * 4, to_at + target[0] * 4
    c0, c1 = box[2], box[3]
    y, x, left = box[0], c0, (box[1] - box[0]) * (c1 - c0)
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
            elif count == 3 and channels == 3:  # a 3×3 kernel on grey pictures, without loops
                cross1(a, b, c, d, e, o + on, p + on, q + on, r + on, s + on, offsets, 3, 3, w, pitch, f, low, high)  # fmt: skip
                n += 1
            else:
                cross1(a, b, c, d, e, o + on, p + on, q + on, r + on, s + on, offsets, count, channels, w, pitch, f, low, high)  # fmt: skip
                n += 1
        left -= 5


@njit(cache=True, nogil=True)
def _taps(first, low, high, kernel, dilation):  # type: ignore[no-untyped-def]
    """Which taps (from, to) of one whose first reads cell `first` read the cells `low` ... `high` − 1."""
    if dilation == 1:
        return max(0, low - first), min(kernel, high - first)
    return max(0, -((first - low) // dilation)), min(kernel, (high - 1 - first) // dilation + 1)


@njit(cache=True, nogil=True)
def _add(rooms, step, source, target, low, high, inputs, box):  # type: ignore[no-untyped-def]
    """Compute the cells of a rectangle: the clean sums, and the weighted differences of the cells `inputs`."""
    maps, clean, before, room, weights = rooms[0], rooms[1], rooms[2], rooms[3], rooms[5]
    y0, y1, x0, x1, channels = inputs[0], inputs[1], inputs[2], inputs[3], source[5]
    down = (x1 - x0) * channels * 4
    for y in range(y0, y1):  # cells one behind the other: what a line has too much is overwritten by the next
        for x in range(x0, x1):
            cell, to = (
                (source[0] + y * source[1] + x * source[2]) * 4,
                (y - y0) * down + (x - x0) * channels * 4,
            )
            differences(room + to, maps + cell, clean + cell, source[2] // 16)
    lines, pitch = step[11], step[11] * BYTES
    along, beside, weight = channels * pitch, target[2] * 4, weights + step[9] * 4
    below, reached = step[16] * along, x0 + step[17] - step[16] + 1  # the first place that they reach
    start, end, cells = box[2] - reached, box[3] - reached, x1 - x0
    suits = step[16] == 3 and step[7] == 1 and target[5] <= 32 and 0 < cells < 5
    together = suits and start >= 0 and end <= cells + 2
    for y in range(box[0], box[1]):
        first = y * step[6] - step[14]
        i, i1 = _taps(first, y0, y1, step[13], step[15])
        row, apart, rows = room + (first + i * step[15] - y0) * down, down * step[15], max(0, i1 - i)
        if together:
            to = (target[0] + y * target[1] + reached * target[2]) * 4
            s, o, v, left = before + to, maps + to, weight + i * below, target[5]
            reach(cells, left, s, row, apart, v, below, along, rows, channels, pitch, o, beside, start, end, low, high)  # fmt: skip
            continue
        for x in range(box[2], box[3]):
            first = x * step[7] - step[17]
            j, j1 = max(0, x0 - first), min(step[16], x1 - first)
            numbers, w = row + (first + j - x0) * channels * 4, weight + i * below + j * along
            to = (target[0] + y * target[1] + x * target[2]) * 4
            count, n = max(0, j1 - j) * channels, 0
            while n < lines:
                s, o, v, left = before + to + n * BYTES, maps + to + n * BYTES, w + n * BYTES, target[5] - 16 * n  # fmt: skip
                add(left, s, numbers, apart, v, below, rows, count, pitch, o, low, high)
                n += 4 if left > 48 else 2 if left > 16 else 1


@njit(cache=True, nogil=True)
def _choose(at, step, source, target, low, high, taps, box):  # type: ignore[no-untyped-def]
    """Write the largest of each cell's taps; with one tap, the cell itself, between limits."""
    offsets, count, lines = taps + step[3] * 8, step[4], target[2] // 16
    down, across, start = step[6] * source[1] * 4, step[7] * source[2] * 4, at + step[5] * 4
    below, beside, to = target[1] * 4, target[2] * 4, at + target[0] * 4
    for y in range(box[0], box[1]):
        for x in range(box[2], box[3]):
            a, o = start + y * down + x * across, to + y * below + x * beside
            for n in range(lines):
                largest(a + n * BYTES, offsets, count, o + n * BYTES, low, high)


@njit(cache=True, nogil=True)
def _whole(rooms, count, steps, values, limits, boxes):  # type: ignore[no-untyped-def]
    """Compute all of every step's value, and the sums before limits; whether all of these are finite."""
    maps, before, nothing = rooms[0], rooms[2], 0.0
    for i in range(count):
        step, (low, high) = step_row(steps, i), limits_row(limits, i)
        source, target = value_row(values, step[1]), value_row(values, step[2])
        box = box_row(boxes, step[2])
        if step[0] != CONVOLUTION:
            _choose(maps, step, source, target, low, high, rooms[4], box)
        elif step[12] == 0:
            _convolve(maps, maps, step, source, target, low, high, rooms[4], rooms[5], box)
        else:
            _convolve(maps, before, step, source, target, -BEYOND, BEYOND, rooms[4], rooms[5], box)
            for y in range(target[3]):
                at, lines = (target[0] + y * target[1]) * 4, target[4] * target[2] // 16
                nothing += nothing_in(before + at, lines)
                limit_lines(maps + at, before + at, lines, low, high)
    return nothing == 0.0


@njit(cache=True, nogil=True)
def _changed(rooms, count, steps, values, limits, boxes, finite):  # type: ignore[no-untyped-def]
    """Compute a rectangle of every step's value."""
    maps = rooms[0]
    for i in range(count):
        step, (low, high) = step_row(steps, i), limits_row(limits, i)
        source, target = value_row(values, step[1]), value_row(values, step[2])
        inputs, box = box_row(boxes, step[1]), box_row(boxes, step[2])
        cells, some = (box[1] - box[0]) * (box[3] - box[2]), (inputs[1] - inputs[0]) * (inputs[3] - inputs[2])
        if step[0] != CONVOLUTION:
            _choose(maps, step, source, target, low, high, rooms[4], box)
        elif finite and step[12] and (cells < 5 or 3 * some < 2 * cells * step[6] * step[7]):
            _add(rooms, step, source, target, low, high, inputs, box)
        else:
            _convolve(maps, maps, step, source, target, low, high, rooms[4], rooms[5], box)


@njit(cache=True, nogil=True)
def _put(to, maps, value, box):  # type: ignore[no-untyped-def]
    """Bring a rectangle of cells where the picture's own order of channels, rows, columns has them."""
    beside, count = value[2] * 4, box[3] - box[2]
    for y in range(box[0], box[1]):
        cell = maps + (value[0] + y * value[1] + box[2] * value[2]) * 4
        for c in range(value[5]):
            at = (c * value[3] + y) * value[4] + box[2]
            copy_floats(to + at * 4, cell + c * 4, count, beside)


@njit(cache=True, nogil=True)
def _copy(to, source, value, box):  # type: ignore[no-untyped-def]
    """Copy a rectangle of cells from maps to maps."""
    count, row, first = (box[3] - box[2]) * value[2], value[1] * 4, (value[0] + box[2] * value[2]) * 4
    for y in range(box[0], box[1]):
        at = first + y * row
        if value[2] % 16:
            copy_floats(to + at, source + at, count, 4)
        else:
            copy_lines(to + at, source + at, count // 16)


@njit(cache=True, nogil=True)
def _read_all(to, maps, values, reads, all_reads, picture, count, apart):  # type: ignore[no-untyped-def]
    """Copy a channel of each value that is read, `apart` bytes from the one before."""
    for r in range(all_reads):
        value = value_row(values, number(reads, r * (count + 1))[0])
        channel = number(reads, r * (count + 1) + 1 + picture)[0]
        for y in range(value[3]):
            cell = maps + (value[0] + y * value[1] + channel) * 4
            copy_floats(to + r * apart + y * value[4] * 4, cell, value[4], value[2] * 4)


@njit(cache=True, nogil=True)
def answer(pictures, fills, count, apart, rooms, numbers, steps, all_steps, values, all_values, limits, hidden, all_hidden, places, positions, reads, all_reads, out, read, widest):  # type: ignore[no-untyped-def]  # fmt: skip
    """The last maps of each picture with each box hidden, and then of the whole picture.

    What is not a number is the address of a table, whose length is called `all_` its name; so is `positions` that of
    `places`. The pictures (`count`, `apart` bytes from each other) and `fills` lie as the first value does in the maps,
    which are `numbers` in all. `hidden` are the rectangles (rows from, to, columns from, to) that each place changes in
    each value, and last all of it. `out` are the last maps (picture, position); `read` is one channel's numbers, at most
    `widest` (of what, picture, position), where `reads` are values, each with the channels of each picture.
    """
    rooms = rooms_row(rooms, 0)
    last, first, row = value_row(values, all_values - 1), value_row(values, 0), all_values * 32
    size, whole, maps, clean = (
        last[3] * last[4] * last[5] * 4,
        hidden + (all_hidden - 1) * row,
        rooms[0],
        rooms[1],
    )
    for i in range(count):
        own, shown, found = pictures + i * apart, fills + i * apart, out + i * (positions + 1) * size
        _copy(maps, own, first, box_row(whole, 0))
        finite = _whole(rooms, all_steps, steps, values, limits, whole)
        copy_lines(clean, maps, numbers // 16)
        finite = finite and nothing_in(clean, numbers // 16) == 0.0
        _put(found + positions * size, maps, last, box_row(whole, all_values - 1))
        for p in range(positions):
            boxes, to = hidden + number(places, p)[0] * row, found + p * size
            _copy(maps, shown, first, box_row(boxes, 0))
            _changed(rooms, all_steps, steps, values, limits, boxes, finite)
            copy_floats(to, found + positions * size, size // 4, 4)
            _put(to, maps, last, box_row(boxes, all_values - 1))
            _read_all(read + (i * (positions + 1) + p) * widest * 4, maps, values, reads, all_reads, i, count, count * (positions + 1) * widest * 4)  # fmt: skip
            for v in range(all_values):
                _copy(maps, clean, value_row(values, v), box_row(boxes, v))
        _read_all(read + (i * (positions + 1) + positions) * widest * 4, clean, values, reads, all_reads, i, count, count * (positions + 1) * widest * 4)  # fmt: skip
