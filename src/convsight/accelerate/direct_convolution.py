"""Convolutions with few multiplications a cell: of each channel by itself, or of few input channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate.shared import Cells, Geometry, Limits, addresses, in_parts, narrowed

FEW_CHANNELS, FEW_OUTPUTS = 16, 32  # below so many channels, oneDNN leaves most of a register empty


def scaled(weight: Float[Tensor, "k c h w"], gain: Float[Tensor, " k"] | None) -> Float[Tensor, "k c h w"]:
    return weight if gain is None else weight * gain[:, None, None, None]


@dataclass(frozen=True, eq=False)
class Depthwise:
    """A convolution of each channel by itself: its weights, one row of channels a tap, and biases."""

    weight: Float[Tensor, "t c"]
    bias: Float[Tensor, " c"]
    geometry: Geometry

    @staticmethod
    def fits(weight: Tensor, groups: int) -> bool:
        return groups == len(weight) and weight.shape[1] == 1 and groups % 16 == 0

    @classmethod
    def of(
        cls, weight: Float[Tensor, "c 1 h w"], bias: Tensor, gain: Tensor | None, geometry: Geometry
    ) -> Depthwise:
        return cls(scaled(weight, gain).flatten(1).T.contiguous(), bias, geometry)

    def run(
        self, cells: Cells, windows: int, block: tuple[int, int], extent: tuple[int, int], limits: Limits
    ) -> Float[Tensor, "n h w c"]:
        """The windows' values (see `Convolution.run`)."""
        from convsight.accelerate.direct_kernel import BLOCK, convolve_depthwise

        channels, taps = self.weight.shape[1], self.geometry.taps(block)
        layout, out = self.geometry.layout(block, extent), cells[0].new_empty(windows, *extent, channels)

        def part(begin: int, end: int) -> None:
            found = np.empty(BLOCK * len(taps), dtype=np.int64)
            convolve_depthwise(
                *addresses(cells), layout, taps, channels, self.weight.data_ptr(), self.bias.data_ptr(),
                out.data_ptr(), begin, end, narrowed(limits), found, found.ctypes.data,
            )  # fmt: skip

        in_parts(part, windows * extent[0] * extent[1])
        return out


@dataclass(frozen=True, eq=False)
class FewChannels:
    """A convolution of few channels: its weights with the outputs filled up to 16 or 32, and biases."""

    outputs: int
    weight: Float[Tensor, "t c k"]
    bias: Float[Tensor, " k"]
    geometry: Geometry

    @staticmethod
    def fits(weight: Tensor, groups: int) -> bool:
        return groups == 1 and len(weight) <= FEW_OUTPUTS and weight.shape[1] < FEW_CHANNELS

    @classmethod
    def of(
        cls, weight: Float[Tensor, "k c h w"], bias: Tensor, gain: Tensor | None, geometry: Geometry
    ) -> FewChannels:
        k, c = weight.shape[:2]
        filled_up = (0, -k % 16)
        taps = scaled(weight, gain).permute(2, 3, 1, 0).reshape(-1, c, k)
        return cls(k, F.pad(taps, filled_up).contiguous(), F.pad(bias, filled_up), geometry)

    def run(
        self, cells: Cells, windows: int, block: tuple[int, int], extent: tuple[int, int], limits: Limits
    ) -> Float[Tensor, "n h w k"]:
        """The windows' values (see `Convolution.run`)."""
        from convsight.accelerate.product_kernel import PLACES, convolve_few

        channels, taps = self.weight.shape[1], self.geometry.taps(block)
        layout, rows = self.geometry.layout(block, extent), windows * extent[0] * extent[1]
        out = cells[0].new_empty((rows + PLACES) * self.outputs + 32)  # the kernel writes whole registers
        found = np.empty(PLACES * len(taps), dtype=np.int64)
        convolve_few(
            *addresses(cells), layout, rows, taps, channels, self.outputs, self.weight.data_ptr(),
            self.bias.data_ptr(), out.data_ptr(), narrowed(limits), found, found.ctypes.data,
        )  # fmt: skip
        return out[: rows * self.outputs].view(windows, *extent, self.outputs)
