"""How does a 3×3 convolution of small maps run, and how do its weights get their gradients?

Eight places at a time have their sums in registers while rows, columns and channels of the kernel pass by; of the
weights' gradients, those of eight outputs and three lines of what the kernel sees, while the places pass by. Pictures lie
in frames of zeros (`framed_kernel`), as many at a time as fit a core's cache. Numba compiles this file when it is first
imported on a machine. Addresses are integers, and pitches are bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import BYTES, EMPTY, FLOATS, LONG, fused, line, on, read, spread_from
from convsight.architectures.stages.framed_kernel import start

PLACES = 8  # or outputs, whose sums are in registers at a time


def _long(builder: Any, address: Any) -> Any:
    return builder.load(builder.inttoptr(address, LONG.as_pointer()))


def _convolving(lines: int) -> Any:
    """An instruction that sums what a 3×3 kernel sees at `PLACES` places, weighted for 16 · `lines` outputs.

    `places` is the address of how far the kernel's first cells are from `cells`, in rows `pitch` apart whose cells
    have `channels` numbers; the places' outputs are `apart` apart. What lies at `onto` is added, if that is not 0.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        places, cells, pitch, channels, weight, out, apart, onto = given
        fma = fused(builder)
        first = [builder.add(cells, _long(builder, on(builder, places, i, 8))) for i in range(PLACES)]
        sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(lines)] for _ in first]
        for i, place in enumerate(sums):
            for j, total in enumerate(place):
                builder.store(EMPTY, total)
                with builder.if_then(builder.icmp_unsigned("!=", onto, ir.Constant(LONG, 0))):
                    builder.store(read(builder, on(builder, onto, i, apart), j), total)
        of_row = builder.mul(channels, ir.Constant(LONG, 3 * lines * BYTES))
        with cgutils.for_range(builder, ir.Constant(LONG, 3)) as row:
            weights = on(builder, weight, row.index, of_row)
            at = [on(builder, address, row.index, pitch) for address in first]
            with cgutils.for_range(builder, builder.mul(channels, ir.Constant(LONG, 3))) as number:
                own = on(builder, weights, number.index, lines * BYTES)
                its_weights = [read(builder, own, i) for i in range(lines)]
                for address, place in zip(at, sums, strict=True):
                    every = spread_from(builder, on(builder, address, number.index, 4))
                    for total, some in zip(place, its_weights, strict=True):
                        builder.store(builder.call(fma, [every, some, builder.load(total)]), total)
        for i, place in enumerate(sums):
            for j, total in enumerate(place):
                builder.store(builder.load(total), line(builder, on(builder, out, i, apart), j), align=4)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * 8), code
    return intrinsic(lambda _, places, cells, pitch, channels, weight, out, apart, onto: found)


convolve1, convolve2 = _convolving(1), _convolving(2)


@intrinsic
def weigh8(typing: Any, places: Any, cells: Any, count: Any, gradient: Any, apart: Any, beside: Any, out: Any, of_output: Any) -> Any:  # fmt: skip
    """Add to the gradients of weights of `PLACES` outputs, for three lines of what the kernel sees.

    The lines are `beside` apart, for each of `count` places; the outputs' gradients at two places are `apart` apart, and the
    gradients of two outputs' weights `of_output`.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        places, cells, count, gradient, apart, beside, out, of_output = given
        fma = fused(builder)
        targets = [
            [on(builder, on(builder, out, k, of_output), i, beside) for i in range(3)] for k in range(PLACES)
        ]
        sums = [[cgutils.alloca_once(builder, FLOATS) for _ in row] for row in targets]
        for row, its_targets in zip(sums, targets, strict=True):
            for total, target in zip(row, its_targets, strict=True):
                builder.store(read(builder, target), total)
        with cgutils.for_range(builder, count) as place:
            at = builder.add(cells, _long(builder, on(builder, places, place.index, 8)))
            seen = [read(builder, on(builder, at, i, beside)) for i in range(3)]
            numbers = on(builder, gradient, place.index, apart)
            for k, row in enumerate(sums):
                every = spread_from(builder, on(builder, numbers, k, 4))
                for some, total in zip(seen, row, strict=True):
                    builder.store(builder.call(fma, [every, some, builder.load(total)]), total)
        for row, its_targets in zip(sums, targets, strict=True):
            for total, target in zip(row, its_targets, strict=True):
                builder.store(builder.load(total), line(builder, target), align=4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), code


@njit(cache=True, nogil=True)
def convolve(places, count, room, pitch, channels, panels, outputs, out, onto):  # type: ignore[no-untyped-def]
    """The sums at the first `count` places (at least `PLACES`), plus what lies at `onto` if that is not 0.

    The weights are laid out in `panels`, for 32 outputs at a time if there are so many, else 16: row, column, channel,
    output.
    """
    wide, at, last = 32 if outputs % 32 == 0 else 16, places.ctypes.data, count - PLACES
    cells, weight = start(room), panels.ctypes.data
    for done in range(0, outputs, wide):
        panel = weight + done * 9 * channels * 4
        for some in range(0, count, PLACES):
            first = min(some, last)  # the last places again rather than places that do not exist
            to = (first * outputs + done) * 4
            plus = onto + to if onto else 0
            if wide == 32:
                convolve2(at + first * 8, cells, pitch, channels, panel, out + to, outputs * 4, plus)
            else:
                convolve1(at + first * 8, cells, pitch, channels, panel, out + to, outputs * 4, plus)


@njit(cache=True, nogil=True)
def weigh(places, count, room, pitch, channels, gradient, outputs, of_weight):  # type: ignore[no-untyped-def]
    """Add the first `count` places' share to the gradients of all weights: output, row, column, channel."""
    at, cell, cells, out = places.ctypes.data, channels * 4, start(room), of_weight.ctypes.data
    for row in range(3):
        for block in range(0, cell, BYTES):
            for k in range(0, outputs, PLACES):
                to = out + (k * 9 + row * 3) * cell + block
                given = gradient + k * 4
                weigh8(at, cells + row * pitch + block, count, given, outputs * 4, cell, to, 9 * cell)
