"""What can this machine's processor do that our kernels need?"""

from __future__ import annotations

import functools


@functools.cache
def has_numba() -> bool:
    """Whether Numba is installed and allowed to compile (NUMBA_DISABLE_JIT is not set)."""
    try:
        from numba import config
    except ImportError:  # not installed, or not for this Python or this NumPy
        return False
    return not getattr(config, "DISABLE_JIT", 0)


@functools.cache
def can(*features: str) -> bool:
    """Whether Numba is there and the processor has all `features`, by LLVM's names for them."""
    if not has_numba():
        return False
    from llvmlite import binding

    try:
        has = binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know this processor
        return False
    return all(has.get(feature, False) for feature in features)


def wide_registers() -> bool:
    """Whether the processor has the registers that the kernels are written for: AVX-512, or AVX2 with FMA."""
    return can("avx512f") or can("avx2", "fma")
