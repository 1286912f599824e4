"""What can this machine's processor do that our own kernels need?"""

from __future__ import annotations

import functools


@functools.cache
def can(*features: str) -> bool:
    """Whether the processor has all `features` (LLVM's names), and Numba is there and allowed to compile for it."""
    try:
        from llvmlite import binding
        from numba import config

        has = binding.get_host_cpu_features()
        return not getattr(config, "DISABLE_JIT", 0) and all(has.get(feature, False) for feature in features)
    except Exception:  # no Numba, or a processor it does not know
        return False


def wide_registers() -> bool:
    """Whether kernels on lines of 16 floats (`registers.py`) are worth it: AVX-512, or AVX2 with fused sums."""
    return can("avx512f") or can("avx2", "fma")
