"""How does a convolution run on a processor's tile registers, each number as two of half the length?

Intel's matrix extension (AMX) multiplies tiles of float16 numbers and adds up in float32. A float32 number is, to
22 of its 24 bits, the sum of two float16 ones, so three such products (high · high + low · high + high · low) stand
for one of float32, in a third of the time. Numba compiles this file when it is first imported on a machine, and
keeps the result; nothing else imports it than `split_filter`, which knows whether it can run.

Addresses are integers, as `Tensor.data_ptr()` gives them. A tile is 16 lines of 64 bytes. Everything is in one
file because Numba looks at this file alone to see whether what it kept is still up to date.
"""

# pyright: reportCallIssue=false, reportUnusedExpression=false
from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE, TILE = 64, 1024  # bytes
BYTE, LONG, FLOAT = ir.IntType(8), ir.IntType(64), ir.FloatType()
FLOATS = ir.VectorType(FLOAT, 16)
WORDS = ir.VectorType(ir.IntType(32), 16)
HALVES = ir.VectorType(ir.HalfType(), 16)

# ---- instructions ------------------------------------------------------------------------------------------


def _instruction(name: str, numbers: tuple[int, ...] = (), arguments: int = 0) -> Any:
    """An instruction on the tiles `numbers`; the first of its `arguments` is an address."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = [ir.Constant(BYTE, n) for n in numbers]
        if given:
            values += [_line(builder, given[0], BYTE), *given[1:]]
        kind = ir.FunctionType(ir.VoidType(), [v.type for v in values])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), values)
        return context.get_dummy_value()

    found = types.void(*[types.int64] * arguments), code
    return intrinsic([lambda _: found, lambda _, a: found, lambda _, a, b: found][arguments])


def _line(builder: Any, address: Any, kind: ir.Type) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _every(kind: ir.VectorType, value: Any) -> ir.Constant:
    return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)


def _spread(builder: Any, number: Any) -> Any:
    """A vector of one number."""
    one = builder.insert_element(_every(FLOATS, 0.0), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, _every(WORDS, 0))


configure, configured = _instruction("ldtilecfg", (), 1), _instruction("sttilecfg", (), 1)
z0, z1, z2, z3 = (_instruction("tilezero", (i,)) for i in range(4))
ld0, ld1, ld2, ld3, ld4, ld5, ld6, ld7 = (_instruction("tileloadd64", (i,), 2) for i in range(8))
st0, st1, st2, st3 = (_instruction("tilestored64", (i,), 2) for i in range(4))
m046, m147, m256, m357 = (  # tile 0 += tile 4 · tile 6, and so on
    _instruction("tdpfp16ps", numbers) for numbers in ((0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7))
)


@intrinsic
def split(typing: Any, source: Any, scale: Any, high: Any, low: Any) -> Any:
    """Write the 32 floats at `source` times `scale`, rounded to float16, to one line, and what that leaves to another."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        scales = _spread(builder, given[1])
        for bytes_on in (0, LINE):
            at = builder.add(given[0], ir.Constant(LONG, bytes_on))
            whole = builder.fmul(builder.load(_line(builder, at, FLOATS), align=4), scales)
            top = builder.fptrunc(whole, HALVES)
            rest = builder.fptrunc(builder.fsub(whole, builder.fpext(top, FLOATS)), HALVES)
            for line, half in ((given[2], top), (given[3], rest)):
                to = builder.add(line, ir.Constant(LONG, bytes_on // 2))
                builder.store(half, _line(builder, to, HALVES), align=LINE // 2)
        return context.get_dummy_value()

    return types.void(types.int64, types.float32, types.int64, types.int64), code


@intrinsic
def clear(typing: Any, address: Any) -> Any:
    """Write a line of zeros."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.store(_every(WORDS, 0), _line(builder, given[0], WORDS), align=LINE)
        return context.get_dummy_value()

    return types.void(types.int64), code


@intrinsic
def finish(typing: Any, sums: Any, bias: Any, out: Any, scale: Any, low: Any, high: Any) -> Any:
    """Write 16 sums times `scale` plus their biases, none below `low` or above `high`, to `out`."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        value, bias = (builder.load(_line(builder, at, FLOATS), align=4) for at in given[:2])
        value = builder.fadd(builder.fmul(value, _spread(builder, given[3])), bias)
        for limit, beyond in ((given[4], "<"), (given[5], ">")):
            limits = _spread(builder, limit)
            value = builder.select(builder.fcmp_ordered(beyond, value, limits), limits, value)
        builder.store(value, _line(builder, given[2], FLOATS), align=4)
        return context.get_dummy_value()

    number = types.float32
    return types.void(types.int64, types.int64, types.int64, number, number, number), code


def _copying(count: int) -> Any:
    """An instruction that copies so many floats."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.VectorType(FLOAT, count)
        value = builder.load(_line(builder, given[0], kind), align=4)
        builder.store(value, _line(builder, given[1], kind), align=4)
        return context.get_dummy_value()

    return intrinsic(lambda _, source, target: (types.void(types.int64, types.int64), code))


copy1, copy4, copy16 = _copying(1), _copying(4), _copying(16)


# ---- loops -------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _copy(source, target, count):  # type: ignore[no-untyped-def]
    """Copy fewer than 32 floats; the last ones twice where that saves copying one by one."""
    if count >= 16:
        copy16(source, target)
        copy16(source + 4 * (count - 16), target + 4 * (count - 16))
    elif count >= 4:
        for i in range(0, count - 3, 4):
            copy4(source + 4 * i, target + 4 * i)
        copy4(source + 4 * (count - 4), target + 4 * (count - 4))
    else:
        for i in range(count):
            copy1(source + 4 * i, target + 4 * i)


@njit(cache=True, nogil=True)
def _pack(table, fresh, known, index, scale, starts, taps, first, rows, block, channels, tiles, spare):  # type: ignore[no-untyped-def]
    """Bring the inputs of some rows of cells into tiles: high and low halves of 32 channels in turn."""
    whole, rest = (block[3] - block[2]) // 32, (block[3] - block[2]) % 32
    steps = whole + (rest > 0)
    for r in range(rows):
        line = tiles + (r // 16) * steps * (block[1] - block[0]) * 2 * TILE + (r % 16) * LINE
        for tap in range(block[0], block[1]):
            cell = starts[first + r] + taps[tap]
            if len(index) > 0:
                cell = index[cell]
            at = fresh + (cell - known) * channels * 4 if cell >= known else table + cell * channels * 4
            at += block[2] * 4
            for _ in range(whole):
                split(at, scale, line, line + TILE)
                at += 2 * LINE
                line += 2 * TILE
            if rest > 0:
                _copy(at, spare, rest)
                split(spare, scale, line, line + TILE)
                line += 2 * TILE


@njit(cache=True, nogil=True)
def _multiply(tiles, weight, sums, pairs, columns, steps, first):  # type: ignore[no-untyped-def]
    """Add tiles · weight to the sums (or, the first time, set them), two by two tiles at a time."""
    for p in range(pairs):
        for n in range(0, columns, 2):
            s = sums + (2 * p * columns + n) * TILE
            below = s + columns * TILE
            if first:
                z0(), z1(), z2(), z3()
            else:
                ld0(s, LINE), ld1(s + TILE, LINE), ld2(below, LINE), ld3(below + TILE, LINE)
            x = tiles + 4 * p * steps * TILE
            w = weight + 2 * n * steps * TILE
            for _ in range(steps):
                x2, w2 = x + 2 * steps * TILE, w + 2 * steps * TILE
                ld4(x, LINE), ld6(w + TILE, LINE), ld5(x2, LINE), ld7(w2 + TILE, LINE)
                m046(), m147(), m256(), m357()
                ld6(w, LINE), ld7(w2, LINE)
                m046(), m147(), m256(), m357()
                ld4(x + TILE, LINE), ld5(x2 + TILE, LINE)
                m046(), m147(), m256(), m357()
                x += 2 * TILE
                w += 2 * TILE
            st0(s, LINE), st1(s + TILE, LINE), st2(below, LINE), st3(below + TILE, LINE)


@njit(cache=True, nogil=True)
def _finish(sums, columns, rows, wide, bias, out, row_bytes, numbers, spare):  # type: ignore[no-untyped-def]
    """Add the biases, cut off what is beyond the limits and write rows of `wide` numbers."""
    for r in range(rows):
        s = sums + (r // 16) * columns * TILE + (r % 16) * LINE
        at = out + r * row_bytes
        for n in range(wide // 16):
            finish(s + n * TILE, bias + n * LINE, at + n * LINE, numbers[1], numbers[2], numbers[3])
        if wide % 16 > 0:
            n = wide // 16
            finish(s + n * TILE, bias + n * LINE, spare, numbers[1], numbers[2], numbers[3])
            _copy(spare, at + n * LINE, wide % 16)


@njit(cache=True, nogil=True)
def convolve(
    table,
    fresh,
    known,
    index,
    starts,
    taps,
    channels,
    blocks,
    weight,
    where,
    bias,
    out,
    begin,
    end,
    numbers,
    sizes,
    room,
):  # type: ignore[no-untyped-def]
    """Rows `begin` ... `end` − 1 of the value: cell r sums the inputs starts[r] + taps, times the weights.

    `table` are rows of `channels` floats; `index`, if it is not empty, says which row a cell is, where the rows from
    `known` on are those of `fresh`.
    `blocks` (taps from, to, channels from, to) are done in turn; where[chunk of outputs, block] are their weights.
    `numbers` are the scales of inputs and sums, then the limits of the value.
    """
    outputs, chunk, height, room_tiles, room_sums = sizes
    sums = room + room_tiles
    spare = sums + room_sums  # 32 floats whose end stays zero, then 16, then the tile settings found here
    for line in range(2):
        clear(spare + line * LINE)
    configured(spare + 3 * LINE)
    configure(spare + 4 * LINE)
    for number in range(len(where)):
        wide = min(chunk, outputs - number * chunk)
        columns = (wide + 31) // 32 * 2
        for first in range(begin, end, height):
            rows = min(height, end - first)
            for j in range(len(blocks)):
                block = blocks[j]
                _pack(
                    table,
                    fresh,
                    known,
                    index,
                    numbers[0],
                    starts,
                    taps,
                    first,
                    rows,
                    block,
                    channels,
                    room,
                    spare,
                )
                steps = (block[3] - block[2] + 31) // 32 * (block[1] - block[0])
                _multiply(room, weight + where[number, j], sums, (rows + 31) // 32, columns, steps, j == 0)
            to = out + (first * outputs + number * chunk) * 4
            _finish(
                sums,
                columns,
                rows,
                wide,
                bias + number * chunk * 4,
                to,
                outputs * 4,
                numbers,
                spare + 2 * LINE,
            )
    configure(spare + 3 * LINE)
