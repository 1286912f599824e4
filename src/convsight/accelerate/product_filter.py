"""Can convolutions of many channels run on our own kernel, and how are their weights laid out for it?

torch's kernels are at their best on large maps; windows are small, and what they read lies apart.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate import direct_filter
from convsight.accelerate.processor import can
from convsight.accelerate.rows import Cells, at_lines, in_parts, limits
from convsight.occluding.joined import After


@functools.cache
def usable() -> bool:
    """Whether Numba is there, the processor has wide registers, and the kernel convolves as torch does."""
    if not direct_filter.usable():
        return False
    maps, weight = torch.linspace(-9, 9, 30 * 20).sin().view(1, 5, 6, 20), torch.linspace(-1, 1, 112 * 180)
    weight, bias = weight.cos().view(112, 20, 3, 3), torch.linspace(-1, 1, 112)
    starts, taps = (np.add.outer(np.arange(h) * 6, np.arange(w)).ravel() for h, w in ((3, 4), (3, 3)))
    try:
        found = ProductFilter.of(weight, bias).run(Cells(maps.view(30, 20)), starts, taps, ("relu", ()))
    except Exception:  # no room to keep what is compiled
        return False
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight, bias).relu()
    return torch.allclose(found, right[0].flatten(1).T, rtol=1e-4, atol=1e-4)


@functools.cache
def lines_at_a_time() -> int:
    """Lines of sixteen outputs that fit the registers: there are 32 of sixteen numbers, or 16 of eight."""
    return 4 if can("avx512f") else 1


def panels(
    weight: Float[Tensor, "k c h w"],
    gain: Float[Tensor, " k"] | None,
    into: Float[Tensor, "n t"] | None = None,
) -> np.ndarray:
    """Weights so laid out that a product reads them in order: panel by panel of outputs, then taps, then channels.

    Each output's are multiplied by its `gain`. With `into`, each of its rows weighs the taps, and the results are laid
    out one after the other. Panel by panel also in that all weights are not copied on the way.
    """
    (k, c), t = weight.shape[:2], weight.shape[2:].numel()
    n, depth, at = (1, t * c, 0) if into is None else (len(into), c, 0)
    found = at_lines(n * depth * k * 4).view(np.float32)
    rows = torch.from_numpy(found).view(n, depth * k)
    while at < k:
        lines = min(lines_at_a_time(), (k - at) // 16)
        width = 64 if lines >= 4 else 32 if lines >= 2 else 16
        part = weight.detach()[at : at + width]
        part = part if gain is None else part * gain[at : at + width, None, None, None]
        taps, own = part.flatten(2).permute(2, 1, 0), rows[:, at * depth : (at + width) * depth]
        if into is None:
            own.view(t, c, -1).copy_(taps)
        else:
            torch.mm(into, taps.reshape(t, -1), out=own)
        at += width
    return found


@dataclass(frozen=True, eq=False)
class ProductFilter:
    """A convolution's weights in panels of as many outputs as the kernel has in registers, and biases."""

    outputs: int
    channels: int
    weight: np.ndarray
    bias: Float[Tensor, " k"]

    @classmethod
    def of(
        cls, weight: Float[Tensor, "k c h w"], bias: Tensor | None, gain: Tensor | None = None
    ) -> ProductFilter:
        k, c = weight.shape[:2]
        biases = weight.new_zeros(k) if bias is None else bias.contiguous()
        return cls(k, c, panels(weight, gain), biases)

    @staticmethod
    def fits(weight: Tensor, groups: int) -> bool:
        return groups == 1 and len(weight) % 16 == 0

    def run(
        self, cells: Cells, starts: np.ndarray, taps: np.ndarray, after: After | None
    ) -> Float[Tensor, "m k"]:
        """One row for each of `starts`: the weights times the cells starts + taps."""
        from convsight.accelerate.product_kernel import BLOCK, ROWS, convolve

        rows = len(starts)
        out = cells.table.new_empty(max(rows, ROWS), self.outputs)

        def part(begin: int, end: int) -> None:
            room = np.empty(BLOCK * len(taps), dtype=np.int64)
            convolve(
                *cells.addresses(), starts, taps, self.channels, self.outputs, self.weight.ctypes.data,
                self.bias.data_ptr(), lines_at_a_time(), out.data_ptr(), begin, end, limits(after), room,
                room.ctypes.data,
            )  # fmt: skip

        in_parts(part, rows)
        return out[:rows]
