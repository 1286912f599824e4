"""Convolutions of many channels as matrix products of the cells that they read.

torch's kernels are at their best on large maps; windows are small, and the cells that they read lie apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate.processor import can
from convsight.accelerate.shared import (
    Cells,
    Geometry,
    Limits,
    addresses,
    aligned,
    in_parts,
    narrowed,
)


def most_lines() -> int:
    """Lines of sixteen outputs that fit the registers: there are 32 for sixteen numbers (AVX-512), or 16 for eight."""
    return 4 if can("avx512f") else 1


def panels(
    weight: Float[Tensor, "k c h w"],
    gain: Float[Tensor, " k"] | None,
    into: Float[Tensor, "n t"] | None = None,
) -> np.ndarray:
    """The weights in the order in which a product reads them: panel by panel of outputs, then taps, then channels.

    A panel has as many outputs as the kernel computes at a time. Each output's weights are multiplied by its
    `gain`. With `into`, the taps are first transformed: each of its n rows weighs the taps, and the n results
    follow each other. Only one panel is copied at a time, so that large weights never exist twice.
    """
    (k, c), t = weight.shape[:2], weight.shape[2:].numel()
    n, depth, at = (1, t * c, 0) if into is None else (len(into), c, 0)
    found = aligned(n * depth * k * 4).view(np.float32)
    rows = torch.from_numpy(found).view(n, depth * k)
    while at < k:
        lines = min(most_lines(), (k - at) // 16)
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
class Products:
    """A convolution of any number of channels to a multiple of 16 outputs: its weights in panels, and biases."""

    outputs: int
    channels: int
    weight: np.ndarray
    bias: Float[Tensor, " k"]
    geometry: Geometry

    @staticmethod
    def fits(weight: Tensor, groups: int) -> bool:
        return groups == 1 and len(weight) % 16 == 0

    @classmethod
    def of(
        cls, weight: Float[Tensor, "k c h w"], bias: Tensor, gain: Tensor | None, geometry: Geometry
    ) -> Products:
        k, c = weight.shape[:2]
        return cls(k, c, panels(weight, gain), bias, geometry)

    def run(
        self, cells: Cells, windows: int, block: tuple[int, int], extent: tuple[int, int], limits: Limits
    ) -> Float[Tensor, "n h w k"]:
        """The windows' values (see `Convolution.run`)."""
        from convsight.accelerate.product_kernel import BLOCK, ROWS, convolve

        rows, taps = windows * extent[0] * extent[1], self.geometry.taps(block)
        layout, out = self.geometry.layout(block, extent), cells[0].new_empty(max(rows, ROWS), self.outputs)

        def part(begin: int, end: int) -> None:
            found = np.empty(BLOCK * len(taps), dtype=np.int64)
            convolve(
                *addresses(cells), layout, taps, self.channels, self.outputs, self.weight.ctypes.data,
                self.bias.data_ptr(), most_lines(), out.data_ptr(), begin, end, narrowed(limits), found,
                found.ctypes.data,
            )  # fmt: skip

        in_parts(part, rows)
        return out[:rows].view(windows, *extent, self.outputs)
