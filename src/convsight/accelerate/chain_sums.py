"""Which instructions add to a chain's clean sums what changed cells make different?

A sum is held for some outputs of one place at a time: lines of 16 floats, of which a last one may be 8 wide. Only
`chain_kernel` imports this file, and Numba keeps what it made of it until `chain_kernel` itself changes.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from convsight.accelerate.registers import EMPTY, FLOAT, FLOATS, LONG, fused, line, on, spread

WIDTHS = (  # more outputs than this are left: how many are summed at a time, in lines of 16 and a last one of 8
    (56, (16, 16, 16, 16)), (48, (16, 16, 16, 8)), (24, (16, 16)), (16, (16, 8)), (8, (16,)), (0, (8,)),
)  # fmt: skip
TAPS = 3  # of a kernel whose places of a row are summed together


class Sums:
    """Sums of some outputs of one place: lines of 16, of which a last one may be 8 wide."""

    def __init__(self, builder: Any, widths: Sequence[int], start: Any = None):
        self.builder, self.widths = builder, widths
        self.kinds = [ir.VectorType(FLOAT, width) for width in widths]
        self.held = [cgutils.alloca_once(builder, kind) for kind in self.kinds]
        for i, kind in enumerate(self.kinds):
            nothing = ir.Constant(kind, [ir.Constant(FLOAT, 0.0)] * kind.count)
            builder.store(nothing if start is None else self.read(start, i), self.held[i])

    def place(self, address: Any, i: int) -> Any:
        return self.builder.bitcast(line(self.builder, address, i), self.kinds[i].as_pointer())

    def read(self, address: Any, i: int) -> Any:
        return self.builder.load(self.place(address, i), align=4)

    def lines(self, address: Any) -> list[Any]:
        return [self.read(address, i) for i in range(len(self.widths))]

    def each(self, value: Any) -> list[Any]:
        """A number in all places of each line."""
        every = spread(self.builder, value)
        some = [
            ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(width))) for width in self.widths
        ]
        return [
            every if width == 16 else self.builder.shuffle_vector(every, every, lanes)
            for width, lanes in zip(self.widths, some, strict=True)
        ]

    def number(self, address: Any) -> list[Any]:
        return self.each(self.builder.load(self.builder.inttoptr(address, FLOAT.as_pointer())))

    def weigh(self, number: Sequence[Any], weights: Sequence[Any]) -> None:
        for i, total in enumerate(self.held):
            fma = fused(self.builder, self.widths[i])
            self.builder.store(
                self.builder.call(fma, [number[i], weights[i], self.builder.load(total)]), total
            )

    def write(self, address: Any, low: Any, high: Any, more: Sums | None = None) -> None:
        """Put them there, with those of `more` added, between limits."""
        builder, lows, highs = self.builder, self.each(low), self.each(high)
        for i, total in enumerate(self.held):
            value = builder.load(total)
            if more is not None:
                value = builder.fadd(value, builder.load(more.held[i]))
            for limit, beyond in ((lows[i], "<"), (highs[i], ">")):
                value = builder.select(builder.fcmp_ordered(beyond, value, limit), limit, value)
            builder.store(value, self.place(address, i), align=4)


def _chosen(
    builder: Any, number: Any, choices: Sequence[tuple[int, Any]], emit: Callable[[Any], None]
) -> None:
    """Emit what belongs to the first of `choices` that `number` is above; the last one needs no comparison."""
    (least, choice), *others = choices
    if not others:
        return emit(choice)
    beyond = builder.icmp_signed(">", number, ir.Constant(LONG, least))
    with builder.if_else(beyond) as (then, otherwise):
        with then:
            emit(choice)
        with otherwise:
            _chosen(builder, number, others, emit)
    return None


@intrinsic
def add(typing: Any, left: Any, before: Any, numbers: Any, down: Any, weight: Any, below: Any, rows: Any, count: Any, pitch: Any, out: Any, low: Any, high: Any) -> Any:  # fmt: skip
    """Write what is at `before`, and `rows` of `count` numbers weighted for some of the outputs that are `left`.

    Every other number has sums of its own, since each waits for the one before. The bytes to the next row are `down`, to
    its weights `below`, to the next number's weights `pitch`.
    """

    def emit(builder, widths, before, numbers, down, weight, below, rows, count, pitch, out, low, high):  # type: ignore[no-untyped-def]  # fmt: skip
        sums, others, one = Sums(builder, widths, before), Sums(builder, widths), ir.Constant(LONG, 1)
        with cgutils.for_range(builder, rows) as row:
            at, weights = on(builder, numbers, row.index, down), on(builder, weight, row.index, below)
            with cgutils.for_range(builder, builder.lshr(count, one)) as pair:
                first, own = (
                    on(builder, at, pair.index, 8),
                    on(builder, weights, pair.index, builder.add(pitch, pitch)),
                )
                sums.weigh(sums.number(first), sums.lines(own))
                second = builder.add(first, ir.Constant(LONG, 4))
                others.weigh(others.number(second), others.lines(builder.add(own, pitch)))
            with cgutils.for_range(builder, builder.and_(count, one)):
                last = builder.sub(count, one)
                sums.weigh(
                    sums.number(on(builder, at, last, 4)), sums.lines(on(builder, weights, last, pitch))
                )
        sums.write(out, low, high, others)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        _chosen(builder, given[0], WIDTHS, lambda widths: emit(builder, widths, *given[1:]))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 10, types.float32, types.float32), code


@intrinsic
def reach(typing: Any, inputs: Any, left: Any, before: Any, numbers: Any, down: Any, weight: Any, below: Any, along: Any, rows: Any, channels: Any, pitch: Any, out: Any, beside: Any, start: Any, end: Any, low: Any, high: Any) -> Any:  # fmt: skip
    """Write what is at `before`, and what some rows of one to four cells add in the places that they reach.

    A cell reaches three places, so all `inputs` of a row reach two more than they are. Places are `beside` bytes from
    each other, and only those from `start` up to `end` are written. Cells lie one behind the other. The bytes to the
    next row are `down`, to its weights `below`, to the next tap's `along`, to the next channel's `pitch`. At most 32
    outputs are `left`.
    """

    def emit(builder, cells, widths, before, numbers, down, weight, below, along, rows, channels, pitch, out, beside, start, end, low, high):  # type: ignore[no-untyped-def]  # fmt: skip
        unused = cgutils.alloca_once_value(builder, ir.Constant(ir.ArrayType(FLOATS, 2), [EMPTY] * 2))
        aside, sums, written = builder.ptrtoint(unused, LONG), [], []
        for place in [ir.Constant(LONG, i) for i in range(cells + TAPS - 1)]:
            within = builder.and_(
                builder.icmp_signed(">=", place, start), builder.icmp_signed("<", place, end)
            )
            source, to = (
                builder.select(within, on(builder, at, place, beside), aside) for at in (before, out)
            )
            sums.append(Sums(builder, widths, source))
            written.append(to)
        with cgutils.for_range(builder, rows) as row:
            at, weights = on(builder, numbers, row.index, down), on(builder, weight, row.index, below)
            with cgutils.for_range(builder, channels) as channel:
                cell, own = on(builder, at, channel.index, 4), on(builder, weights, channel.index, pitch)
                each = [sums[0].lines(on(builder, own, ir.Constant(LONG, tap), along)) for tap in range(TAPS)]
                for i in range(cells):
                    value = sums[0].number(on(builder, cell, builder.mul(channels, ir.Constant(LONG, i)), 4))
                    for tap in range(TAPS):
                        sums[i + TAPS - 1 - tap].weigh(value, each[tap])
        for to, total in zip(written, sums, strict=True):
            total.write(to, low, high)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        narrow = [(least, widths) for least, widths in WIDTHS if sum(widths) <= 32]

        def by_width(cells: int) -> None:
            _chosen(builder, given[1], narrow, lambda widths: emit(builder, cells, widths, *given[2:]))

        _chosen(builder, given[0], [(cells - 1, cells) for cells in (4, 3, 2, 1)], by_width)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 15, types.float32, types.float32), code
