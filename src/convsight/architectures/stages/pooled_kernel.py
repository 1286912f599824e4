"""How do a 3×3 convolution and the 2×2 max pool behind it run as one, forwards and backwards?

Forwards, the four sums of each window are in registers, and only the largest is written, with its place. Backwards,
that place alone has a gradient: one cell of each window and channel where a convolution on its own would see four,
of which three are 0. So each output's gradient meets just the nine cells, or weights, that its winner saw.

Pictures lie in frames of zeros (`framed_kernel`). Numba compiles this file when it is first imported on a machine.
Addresses are integers, and pitches are bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import (
    BYTES,
    EMPTY,
    FLOAT,
    FLOATS,
    LONG,
    WORD,
    fused,
    line,
    on,
    read,
    spread_from,
)
from convsight.architectures.stages.framed_kernel import start

WINDOWS = 2  # whose sums are in registers at a time
BYTE = ir.IntType(8)
SIDES = range(3)  # rows and columns of the kernel
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # of a window, in torch's order: the first of equal ones wins


def _largest(builder: Any, sums: Sequence[Any]) -> tuple[Any, Any]:
    """The largest of four lines, number by number, and which it was; what is not a number wins."""
    words = ir.VectorType(WORD, 16)

    def every(number: int) -> Any:
        return ir.Constant(words, [ir.Constant(WORD, number)] * 16)

    most, which = sums[0], every(0)
    for number, value in enumerate(sums[1:], 1):
        more = builder.fcmp_ordered(">", value, most)
        wins = builder.or_(more, builder.fcmp_unordered("uno", value, value))
        most, which = builder.select(wins, value, most), builder.select(wins, every(number), which)
    return most, builder.trunc(which, ir.VectorType(BYTE, 16))


def _choosing(lines: int) -> Any:
    """An instruction that writes the largest sum of each of `WINDOWS` windows, and its corner, for 16 · lines outputs.

    `first` are the windows' first cells, in a picture with its frame whose rows are `pitch` apart and whose cells have
    `channels` numbers; `to` and `where` are where the windows' results go.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        first, to, where = (given[i * WINDOWS : (i + 1) * WINDOWS] for i in range(3))
        pitch, channels, weight = given[3 * WINDOWS :]
        fma, cell = fused(builder), builder.mul(channels, ir.Constant(LONG, 4))
        sums = [
            [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in CORNERS] for _ in first
        ]
        for total in (total for window in sums for corner in window for total in corner):
            builder.store(EMPTY, total)
        of_row = builder.mul(cell, ir.Constant(LONG, 3 * 4 * lines * 4))
        with cgutils.for_range(builder, ir.Constant(LONG, 3)) as row:
            weights = on(builder, weight, row.index, of_row)
            rows = [on(builder, address, row.index, pitch) for address in first]
            at = [
                [on(builder, on(builder, address, down, pitch), across, cell) for down, across in CORNERS]
                for address in rows
            ]
            with cgutils.for_range(builder, builder.mul(channels, ir.Constant(LONG, 3))) as number:
                own = on(builder, weights, number.index, lines * BYTES)
                its_weights = [read(builder, own, i) for i in range(lines)]
                for window, places in zip(sums, at, strict=True):
                    for corner, place in zip(window, places, strict=True):
                        every = spread_from(builder, on(builder, place, number.index, 4))
                        for total, some in zip(corner, its_weights, strict=True):
                            builder.store(builder.call(fma, [every, some, builder.load(total)]), total)
        for window, out, places in zip(sums, to, where, strict=True):
            for i in range(lines):
                most, which = _largest(builder, [builder.load(corner[i]) for corner in window])
                builder.store(most, line(builder, out, i), align=4)
                place = builder.add(places, ir.Constant(LONG, 16 * i))
                builder.store(which, builder.inttoptr(place, which.type.as_pointer()), align=1)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * (3 * WINDOWS + 3)), code
    return intrinsic(lambda _, a, b, to_a, to_b, where_a, where_b, pitch, channels, weight: found)


choose1, choose2 = _choosing(1), _choosing(2)


def _collecting(pieces: Sequence[tuple[int, int, int]]) -> Any:
    """An instruction that adds to the gradient of one output's weights the cells its winners saw, times their gradients.

    `pieces` of a row of three cells are how many cells and lines from its start, and how many numbers. `gradient`,
    `where` and `places` are the windows' first, `apart` and a quarter of it and eight bytes from one to the next;
    `shifts` say how far the corners are from a window's first cell, which is `places` on from `cells`.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        gradient, where, apart, places, count, shifts, cells, pitch, cell, out = given
        kinds = [ir.VectorType(FLOAT, width) for _, _, width in pieces]

        def place(row: Any, piece: int) -> Any:
            cells_on, lines_on, _ = pieces[piece]
            at = builder.add(on(builder, row, cells_on, cell), ir.Constant(LONG, lines_on * BYTES))
            return builder.inttoptr(at, kinds[piece].as_pointer())

        of_row = builder.mul(cell, ir.Constant(LONG, 3))
        targets = [[place(on(builder, out, row, of_row), i) for i in range(len(pieces))] for row in SIDES]
        sums = [[cgutils.alloca_once(builder, kind) for kind in kinds] for _ in SIDES]
        for row, its_targets in zip(sums, targets, strict=True):
            for total, target in zip(row, its_targets, strict=True):
                builder.store(builder.load(target, align=4), total)
        byte_apart = builder.lshr(apart, ir.Constant(LONG, 2))
        with cgutils.for_range(builder, count) as window:
            number = builder.load(
                builder.inttoptr(on(builder, gradient, window.index, apart), FLOAT.as_pointer())
            )
            which = builder.load(
                builder.inttoptr(on(builder, where, window.index, byte_apart), BYTE.as_pointer())
            )
            shift = _long(builder, on(builder, shifts, builder.zext(which, LONG), 8))
            first = builder.add(
                builder.add(cells, shift), _long(builder, on(builder, places, window.index, 8))
            )
            for row, totals in enumerate(sums):
                at = on(builder, first, row, pitch)
                for i, (kind, total) in enumerate(zip(kinds, totals, strict=True)):
                    every = _every(builder, number, kind)
                    seen = builder.load(place(at, i), align=4)
                    fma = fused(builder, kind.count)
                    builder.store(builder.call(fma, [every, seen, builder.load(total)]), total)
        for row, its_targets in zip(sums, targets, strict=True):
            for total, target in zip(row, its_targets, strict=True):
                builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 10), code
    return intrinsic(lambda _, gradient, where, apart, places, count, shifts, cells, pitch, cell, out: found)


def _long(builder: Any, address: Any) -> Any:
    return builder.load(builder.inttoptr(address, LONG.as_pointer()))


def _every(builder: Any, number: Any, kind: Any) -> Any:
    """A vector of one number."""
    none = ir.Constant(ir.VectorType(WORD, kind.count), [ir.Constant(WORD, 0)] * kind.count)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.Constant(WORD, 0))
    return builder.shuffle_vector(one, one, none)


collect_eight = _collecting([(0, 0, 16), (2, 0, 8)])
collect1 = _collecting([(side, 0, 16) for side in SIDES])
collect2 = _collecting([(side, i, 16) for side in SIDES for i in range(2)])


def _won(builder: Any, where: Any, groups: Any, corner: int) -> Any:
    """A bit for each output of some groups of 16: whether its winner was this corner."""
    bytes_, short = ir.VectorType(BYTE, 16), ir.IntType(16)
    right = ir.Constant(bytes_, [ir.Constant(BYTE, corner)] * 16)
    bits = cgutils.alloca_once_value(builder, ir.Constant(LONG, 0))
    builder.store(ir.Constant(LONG, 0), bits)
    with cgutils.for_range(builder, groups) as group:
        at = builder.inttoptr(on(builder, where, group.index, 16), bytes_.as_pointer())
        same = builder.bitcast(builder.icmp_unsigned("==", builder.load(at, align=1), right), short)
        own = builder.shl(builder.zext(same, LONG), builder.mul(group.index, ir.Constant(LONG, 16)))
        builder.store(builder.or_(builder.load(bits), own), bits)
    return builder.load(bits)


@contextmanager
def _each_bit(builder: Any, bits: Any) -> Iterator[Any]:
    """A loop over the numbers of the bits that are set."""
    head, body, end = (builder.append_basic_block(name) for name in ("bits", "bit", "bits.end"))
    builder.branch(head)
    builder.position_at_end(head)
    left = builder.load(bits)
    builder.cbranch(builder.icmp_unsigned("!=", left, ir.Constant(LONG, 0)), body, end)
    builder.position_at_end(body)
    yield builder.cttz(left, ir.Constant(ir.IntType(1), 1))
    builder.store(builder.and_(left, builder.sub(left, ir.Constant(LONG, 1))), bits)
    builder.branch(head)
    builder.position_at_end(end)


def _giving_back(narrow: bool) -> Any:
    """An instruction that adds to the gradients of a window's 4×4 cells what its winners' weights give back.

    It takes a line of channels of each cell, or all of two cells next to each other if they are `narrow` (eight
    channels). `gradient` and `where` are those of `outputs` outputs (at most 64), `out` the window's first cell in rows
    `pitch` apart. The weights of two outputs are `of_output` bytes apart, of two rows `of_row`, and those `narrow` have
    four cells in a row, of which the first or, `turned` bytes on, the last is 0.
    """
    steps = range(2 if narrow else 4)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        gradient, where, groups, weight, of_output, of_row, turned, out, pitch, cell = given
        fma = fused(builder)
        step = ir.Constant(LONG, BYTES) if narrow else cell
        sums = [[cgutils.alloca_once(builder, FLOATS) for _ in steps] for _ in range(4)]
        targets = [[on(builder, on(builder, out, row, pitch), i, step) for i in steps] for row in range(4)]
        for row, its_targets in zip(sums, targets, strict=True):
            for total, target in zip(row, its_targets, strict=True):
                builder.store(read(builder, target), total)
        for number, (down, across) in enumerate(CORNERS):
            left = cgutils.alloca_once(builder, LONG)
            builder.store(_won(builder, where, groups, number), left)
            its_weights = on(builder, weight, across, turned) if narrow else weight
            with _each_bit(builder, left) as output:
                every = spread_from(builder, on(builder, gradient, output, 4))
                own = on(builder, its_weights, output, of_output)
                for side in SIDES:
                    row = on(builder, own, side, of_row)
                    for i in steps if narrow else SIDES:
                        total = sums[down + side][i if narrow else across + i]
                        some = read(builder, on(builder, row, i, step))
                        builder.store(builder.call(fma, [every, some, builder.load(total)]), total)
        for row, its_targets in zip(sums, targets, strict=True):
            for total, target in zip(row, its_targets, strict=True):
                builder.store(builder.load(total), line(builder, target), align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 10), code
    return intrinsic(
        lambda _, gradient, where, groups, weight, of_output, of_row, turned, out, pitch, cell: found
    )


give_back, give_back_eight = _giving_back(False), _giving_back(True)


@njit(cache=True, nogil=True)
def choose(places, count, room, pitch, channels, panels, outputs, out, where):  # type: ignore[no-untyped-def]
    """The largest of the four sums of each of `count` windows, and its corner.

    `places` say how far the windows' first cells are from the first frame's in `room`. The weights are laid out in
    `panels`, for 32 outputs at a time if there are so many, else 16: row, column, channel, output.
    """
    wide, cells, weight = 32 if outputs % 32 == 0 else 16, start(room), panels.ctypes.data
    for done in range(0, outputs, wide):
        panel = weight + done * 9 * channels * 4
        for t in range(0, count, WINDOWS):
            u = min(t + 1, count - 1)
            a, b = t * outputs + done, u * outputs + done
            to = cells + places[t], cells + places[u], out + a * 4, out + b * 4, where + a, where + b
            if wide == 32:
                choose2(*to, pitch, channels, panel)
            else:
                choose1(*to, pitch, channels, panel)


@njit(cache=True, nogil=True)
def collect(places, first, count, shifts, room, pitch, channels, gradient, outputs, where, of_weight):  # type: ignore[no-untyped-def]
    """Add to the gradients of all weights (output, row, column, channel) those of `count` windows from `first` on."""
    cell, at, corners = channels * 4, places.ctypes.data + first * 8, shifts.ctypes.data
    cells, out = start(room), of_weight.ctypes.data
    for k in range(outputs):
        own, to = out + k * 9 * cell, (gradient + k * 4, where + k, outputs * 4, at, count, corners)
        if channels == 8:
            collect_eight(*to, cells, pitch, cell, own)
        done = 0
        while channels > 8 and done < cell:
            if cell - done >= 2 * BYTES:
                collect2(*to, cells + done, pitch, cell, own + done)
            else:
                collect1(*to, cells + done, pitch, cell, own + done)
            done += 2 * BYTES if cell - done >= 2 * BYTES else BYTES


@njit(cache=True, nogil=True)
def give(places, count, room, pitch, channels, weights, outputs, gradient, where):  # type: ignore[no-untyped-def]
    """Add to the gradients of all cells those of `count` windows.

    The weights are laid out as output, row, column, channel; of eight channels there are four columns, once with the
    last and once with the first of them 0.
    """
    cell, cells, weight = channels * 4, start(room), weights.ctypes.data
    for done in range(0, outputs, 64):
        groups = min(4, (outputs - done) // 16)
        for t in range(count):
            first, at = t * outputs + done, cells + places[t]
            to = gradient + first * 4, where + first, groups
            if channels == 8:
                turned, own = outputs * 12 * cell, weight + done * 12 * cell
                give_back_eight(*to, own, 12 * cell, 4 * cell, turned, at, pitch, cell)
            else:
                own = weight + done * 9 * cell
                for block in range(0, cell, BYTES):
                    give_back(*to, own + block, 9 * cell, 3 * cell, 0, at + block, pitch, cell)
