"""The instructions that all kernels are made of: those on a line, which is sixteen floats in one wide register.

They are written for LLVM, the compiler inside of Numba, because Numba's own loops do not keep sums in registers.
Addresses are integers, as `Tensor.data_ptr()` gives them. Numba keeps the code of a kernel on disk until the kernel's
own file changes, so a change in this file needs a change in those.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

BYTES = 64  # in a line
WORD, LONG, FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOATS = ir.VectorType(FLOAT, 16)
FIRST = ir.Constant(ir.VectorType(WORD, 16), [ir.Constant(WORD, 0)] * 16)
EMPTY = ir.Constant(FLOATS, [ir.Constant(FLOAT, 0.0)] * 16)


def on(builder: Any, address: Any, index: Any, pitch: Any) -> Any:
    """The address that is `index` times `pitch` bytes further on."""
    pitch = ir.Constant(LONG, pitch) if isinstance(pitch, int) else pitch
    index = ir.Constant(LONG, index) if isinstance(index, int) else index
    return builder.add(address, builder.mul(index, pitch))


def line(builder: Any, address: Any, number: int = 0) -> Any:
    """A pointer to the line that is `number` lines after an address."""
    return builder.inttoptr(builder.add(address, ir.Constant(LONG, number * BYTES)), FLOATS.as_pointer())


def read(builder: Any, address: Any, number: int = 0) -> Any:
    """The line that is `number` lines after an address."""
    return builder.load(line(builder, address, number), align=4)


def spread(builder: Any, number: Any) -> Any:
    """A line with the same number sixteen times."""
    one = builder.insert_element(EMPTY, number, ir.Constant(WORD, 0))
    return builder.shuffle_vector(one, one, FIRST)


def between(builder: Any, value: Any, low: Any, high: Any) -> Any:
    """A line cut to limits; what is not a number stays so."""
    for limit, beyond in ((low, "<"), (high, ">")):
        limits = spread(builder, limit)
        value = builder.select(builder.fcmp_ordered(beyond, value, limits), limits, value)
    return value


def fused(builder: Any) -> Any:
    """The function a · b + c of lines, rounded once."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
