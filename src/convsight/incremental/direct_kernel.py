"""How does a convolution of each channel by itself run, straight from the rows where its cells lie?

Sixty-four channels at a time stay in registers while the taps pass by, so that a window needs no copy of what is
around it. Numba compiles this file when it is first imported on a machine; only `direct_filter` imports it.
Addresses are integers, as `Tensor.data_ptr()` gives them.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

BYTES = 64  # of 16 floats
WORD, LONG, FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOATS = ir.VectorType(FLOAT, 16)
FIRST = ir.Constant(ir.VectorType(WORD, 16), [ir.Constant(WORD, 0)] * 16)
EMPTY = ir.Constant(FLOATS, [ir.Constant(FLOAT, 0.0)] * 16)


def _weighing(lines: int) -> Any:
    """An instruction that sums `count` cells of 16 · `lines` channels, weighted, onto a bias, between limits.

    `cells` is the address of the cells' addresses, `on` what is added to each; the weights of two taps are `pitch`
    bytes apart.
    """

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        cells, on, weight, pitch, count, bias, out, low, high = given

        def line(address: Any, number: int) -> Any:
            return builder.inttoptr(
                builder.add(address, ir.Constant(LONG, number * BYTES)), FLOATS.as_pointer()
            )

        kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
        fused = cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
        sums = [cgutils.alloca_once(builder, FLOATS) for _ in range(lines)]
        for i, total in enumerate(sums):
            builder.store(builder.load(line(bias, i), align=4), total)
        with cgutils.for_range(builder, count) as loop:
            place = builder.add(cells, builder.mul(loop.index, ir.Constant(LONG, 8)))
            cell = builder.add(builder.load(builder.inttoptr(place, LONG.as_pointer())), on)
            weights = builder.add(weight, builder.mul(loop.index, pitch))
            for i, total in enumerate(sums):
                two = [builder.load(line(at, i), align=4) for at in (cell, weights)]
                builder.store(builder.call(fused, [*two, builder.load(total)]), total)
        for i, total in enumerate(sums):
            value = builder.load(total)
            for limit, beyond in ((low, "<"), (high, ">")):
                one = builder.insert_element(EMPTY, limit, ir.Constant(WORD, 0))
                limits = builder.shuffle_vector(one, one, FIRST)
                value = builder.select(builder.fcmp_ordered(beyond, value, limits), limits, value)
            builder.store(value, line(out, i), align=4)
        return context.get_dummy_value()

    address, number = types.int64, types.float32
    found = types.void(*[address] * 7, number, number), code
    return intrinsic(lambda _, cells, on, weight, pitch, count, bias, out, low, high: found)


weigh4, weigh1 = _weighing(4), _weighing(1)


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
        for t in range(len(taps)):
            cell = starts[r] + taps[t]
            if len(index) > 0:
                cell = index[cell]
            cells[t] = fresh + (cell - known) * pitch if cell >= known else table + cell * pitch
        to = out + r * pitch
        for some in range(channels // 64):
            at = some * 4 * BYTES
            weigh4(cells_at, at, weight + at, pitch, len(taps), bias + at, to + at, limits[0], limits[1])
        for some in range(channels // 64 * 4, channels // 16):
            at = some * BYTES
            weigh1(cells_at, at, weight + at, pitch, len(taps), bias + at, to + at, limits[0], limits[1])
