"""Can the compiled convolutions run here? Each kind is tried once and compared with torch's."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F

from convsight.accelerate.convolution import convolution
from convsight.accelerate.processor import has_numba, wide_registers

INSTALL = "pip install numba"
SHAPES = (  # weights, groups, largest window: one for every kernel, and windows whose last tiles are smaller
    ((48, 1, 3, 3), 48, (4, 5)), ((20, 3, 3, 3), 1, (4, 5)), ((112, 20, 3, 2), 1, (4, 5)), ((48, 16, 3, 3), 1, (7, 9)),
)  # fmt: skip


@functools.cache
def why_not() -> str:
    """Why this machine runs no compiled convolutions, and what would help; empty if it does.

    The first call on a machine compiles the kernels, which takes some seconds.
    """
    if not has_numba():
        return f"Numba is not installed or may not compile here ({INSTALL})"
    if not wide_registers():
        return "the processor has neither AVX-512 nor AVX2, which the compiled kernels need"
    try:
        right = all(_as_torch(*shape) for shape in SHAPES)
    except Exception as error:  # Numba raises many kinds, such as for a cache folder it may not write
        return f"the kernels could not be compiled: {error}"
    return "" if right else "the kernels were compiled, but do not compute what torch does"


def _as_torch(shape: tuple[int, int, int, int], groups: int, extent: tuple[int, int]) -> bool:
    block = extent[0] + shape[2] - 1, extent[1] + shape[3] - 1
    weight = torch.linspace(-7, 7, math.prod(shape)).cos().view(shape) / 9
    maps = torch.linspace(-9, 9, 2 * math.prod(block) * shape[1] * groups).sin().view(2, *block, -1)
    bias = torch.linspace(-1, 1, shape[0])
    own = convolution(weight, bias, groups=groups).for_windows(extent)
    assert own is not None
    cells = maps.flatten(0, 2), None, None, 1 << 40
    found = own.run(cells, 2, block, extent, (0.0, math.inf)).permute(0, 3, 1, 2)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias, groups=groups).relu()
    return torch.allclose(found, right, rtol=1e-4, atol=1e-4)
