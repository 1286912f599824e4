"""Which instructions do our kernels share? Those on a line: sixteen floats in one wide register.

Numba compiles the kernels (`*_kernel.py`); here are the pieces of which their instructions are made, in the form that
its compiler takes. Addresses are integers, as `Tensor.data_ptr()` gives them. Numba keeps what it made of a kernel
until the kernel's own file changes. `wide_registers` (in `processor.py`) says whether any of it can run.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

BYTES = 64  # of a line
WORD, LONG, FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOATS = ir.VectorType(FLOAT, 16)
FIRST = ir.Constant(ir.VectorType(WORD, 16), [ir.Constant(WORD, 0)] * 16)
EMPTY = ir.Constant(FLOATS, [ir.Constant(FLOAT, 0.0)] * 16)


def on(builder: Any, address: Any, index: Any, pitch: Any) -> Any:
    """The address `index` pitches (or that many bytes) on."""
    pitch = ir.Constant(LONG, pitch) if isinstance(pitch, int) else pitch
    index = ir.Constant(LONG, index) if isinstance(index, int) else index
    return builder.add(address, builder.mul(index, pitch))


def line(builder: Any, address: Any, number: int = 0) -> Any:
    """Where the line `number` lines on from an address is."""
    return builder.inttoptr(builder.add(address, ir.Constant(LONG, number * BYTES)), FLOATS.as_pointer())


def read(builder: Any, address: Any, number: int = 0) -> Any:
    """The line `number` lines on from an address."""
    return builder.load(line(builder, address, number), align=4)


def spread(builder: Any, number: Any) -> Any:
    """A line of one number."""
    one = builder.insert_element(EMPTY, number, ir.Constant(WORD, 0))
    return builder.shuffle_vector(one, one, FIRST)


def spread_from(builder: Any, address: Any) -> Any:
    """A line of the one float at an address."""
    return spread(builder, builder.load(builder.inttoptr(address, FLOAT.as_pointer())))


def between(builder: Any, value: Any, low: Any, high: Any) -> Any:
    """A line within limits; what is not a number stays."""
    for limit, beyond in ((low, "<"), (high, ">")):
        limits = spread(builder, limit)
        value = builder.select(builder.fcmp_ordered(beyond, value, limits), limits, value)
    return value


def fused(builder: Any, width: int = 16) -> Any:
    """The function a · b + c of lines, or of vectors of another `width`, rounded once."""
    kind = FLOATS if width == 16 else ir.VectorType(FLOAT, width)
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{width}f32"
    )
