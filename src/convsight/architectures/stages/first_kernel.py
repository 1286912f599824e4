"""How does a small convolution of a few colours run, and how do its weights get their gradients?

What such a layer sees are few numbers and what it says are many, so a line of outputs passes by number after number.
Eight outputs are half a line: two cells next to each other share one. Numba compiles this file when it is first imported on
a machine; only `first` imports it. Addresses are integers, as `Tensor.data_ptr()` gives them, and pitches are bytes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import BYTES, EMPTY, FLOATS, LONG, fused, line, on, read, spread_from

BIT = ir.VectorType(ir.IntType(1), 16)
SECOND = ir.Constant(BIT, [False] * 8 + [True] * 8)  # half of a line


def _seen(builder: Any, address: Any, apart: Any) -> Any:
    """The number at an address, in the second half of the line the one `apart` from it."""
    return builder.select(
        SECOND, spread_from(builder, builder.add(address, apart)), spread_from(builder, address)
    )


@intrinsic
def say(typing: Any, out: Any, step: Any, count: Any, pixels: Any, across: Any, apart: Any, taps: Any, all_taps: Any, weight: Any, pitch: Any, bias: Any) -> Any:  # fmt: skip
    """Write `count` lines, `step` apart: what a kernel says to cells that are `across` apart, the second half `apart` from the first.

    `taps` are how far the numbers it sees are from a cell's first, each with a line of weights, `pitch` apart.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        out, step, count, pixels, across, apart, taps, all_taps, weight, pitch, bias = given
        fma, total = fused(builder), cgutils.alloca_once(builder, FLOATS)
        with cgutils.for_range(builder, count) as cell:
            at = on(builder, pixels, cell.index, across)
            builder.store(read(builder, bias), total)
            with cgutils.for_range(builder, all_taps) as tap:
                far = builder.load(builder.inttoptr(on(builder, taps, tap.index, 8), LONG.as_pointer()))
                seen = _seen(builder, builder.add(at, far), apart)
                some = read(builder, on(builder, weight, tap.index, pitch))
                builder.store(builder.call(fma, [seen, some, builder.load(total)]), total)
            builder.store(builder.load(total), line(builder, on(builder, out, cell.index, step)), align=4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 11), code


@intrinsic
def hear(typing: Any, sums: Any, gradient: Any, step: Any, count: Any, pixels: Any, across: Any, apart: Any, half: Any) -> Any:  # fmt: skip
    """Add to a line of sums the lines of a gradient, times the number that belongs to each; 1 if `pixels` is 0.

    With `half` the first half of each line does not count.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        sums, gradient, step, count, pixels, across, apart, half = given
        fma, total = fused(builder), cgutils.alloca_once(builder, FLOATS)
        nothing, lines = ir.Constant(LONG, 0), FLOATS
        ones = ir.Constant(lines, [1.0] * 16)
        halved = builder.icmp_unsigned("!=", half, nothing)
        builder.store(read(builder, sums), total)
        with cgutils.for_range(builder, count) as cell:
            seen = cgutils.alloca_once_value(builder, ones)
            builder.store(ones, seen)
            with builder.if_then(builder.icmp_unsigned("!=", pixels, nothing)):
                builder.store(_seen(builder, on(builder, pixels, cell.index, across), apart), seen)
            value = read(builder, on(builder, gradient, cell.index, step))
            value = builder.select(halved, builder.select(SECOND, value, EMPTY), value)
            builder.store(builder.call(fma, [builder.load(seen), value, builder.load(total)]), total)
        builder.store(builder.load(total), line(builder, sums), align=4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 8), code


@njit(cache=True, nogil=True)
def forwards(out, pixels, size, taps, reach, weight, bias, paired):  # type: ignore[no-untyped-def]
    """Write what the kernel says to all cells of all pictures.

    `size` is the pixels' pictures, rows, columns and channels. The kernel sees `reach` rows and columns; their numbers
    are `taps` bytes from its first. `weight` has a row of outputs for each; with `paired` they are eight, written twice.
    """
    n, rows, cols, cell = size[0], size[1], size[2], size[3] * 4
    tall, wide, pitch = rows - reach[0] + 1, cols - reach[1] + 1, weight.shape[1] * 4
    at, far, biases, count = weight.ctypes.data, taps.ctypes.data, bias.ctypes.data, len(taps)
    for y in range(n * tall):
        first = pixels + (y // tall * rows + y % tall) * cols * cell
        if paired:
            row, last = out + y * wide * 32, wide - 2
            say(row, 64, wide // 2, first, 2 * cell, cell, far, count, at, pitch, biases)
            if wide % 2:
                say(row + last * 32, 64, 1, first + last * cell, 0, cell, far, count, at, pitch, biases)
        else:
            for block in range(0, pitch, BYTES):
                to = out + y * wide * pitch + block
                say(to, pitch, wide, first, cell, 0, far, count, at + block, pitch, biases + block)


@njit(cache=True, nogil=True)
def backwards(sums, gradient, pixels, size, taps, reach, paired):  # type: ignore[no-untyped-def]
    """Add to `sums` a row of outputs for each tap, and last one for the bias: the gradients of the weights."""
    n, rows, cols, cell = size[0], size[1], size[2], size[3] * 4
    tall, wide, pitch = rows - reach[0] + 1, cols - reach[1] + 1, sums.shape[1] * 4
    start, count = sums.ctypes.data, len(taps)
    for y in range(n * tall):
        first = pixels + (y // tall * rows + y % tall) * cols * cell
        for t in range(count + 1):
            seen, to, last = first + taps[t] if t < count else 0, start + t * pitch, wide - 2
            if paired:
                row = gradient + y * wide * 32
                hear(to, row, 64, wide // 2, seen, 2 * cell, cell, 0)
                if wide % 2:
                    hear(to, row + last * 32, 64, 1, seen + last * cell if seen else 0, 0, cell, 1)
            else:
                for block in range(0, pitch, BYTES):
                    hear(to + block, gradient + y * wide * pitch + block, pitch, wide, seen, cell, 0, 0)
