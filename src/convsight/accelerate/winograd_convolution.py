"""3×3 convolutions on Winograd's tiles, some of them at a time, so that all intermediate numbers stay in the cache."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate.product_convolution import most_lines, panels
from convsight.accelerate.shared import (
    LINE,
    Cells,
    Geometry,
    Limits,
    addresses,
    in_parts,
    narrowed,
    working_memory,
)
from convsight.accelerate.winograd import TAPS, Pair, matrices

ROWS = 6  # tiles that are multiplied at the same time
ROOM = 120_000  # numbers of the tiles that are done together: half of a core's second-level cache
FEWEST = 24  # tiles that are done together at least
MANY = 200_000  # from so many weights on, twice as many tiles are done together, so that weights are read less often


@dataclass(frozen=True, eq=False)
class Winograd:
    """A convolution's weights (k c 3 3) transformed for tiles of `m` (rows, columns) cells, and biases.

    The weights lie transformed place by place; within a place in panels of outputs (see `panels`).
    """

    m: Pair
    outputs: int
    channels: int
    weight: np.ndarray
    bias: Tensor

    @staticmethod
    def fits(weight: Tensor, groups: int, geometry: Geometry) -> bool:
        plain = geometry == Geometry((TAPS, TAPS)) and groups == 1
        return plain and weight.shape[0] % 16 == 0 and weight.shape[1] % 16 == 0

    @classmethod
    def of(cls, weight: Float[Tensor, "k c 3 3"], bias: Tensor, gain: Tensor | None, m: Pair) -> Winograd:
        k, c = weight.shape[:2]
        into = torch.kron(matrices(m[0])[1], matrices(m[1])[1]).to(weight)
        return cls(m, k, c, panels(weight, gain, into), bias)

    def run(
        self, cells: Cells, windows: int, block: Pair, extent: Pair, limits: Limits
    ) -> Float[Tensor, "n h w k"]:
        """The windows' values (see `Convolution.run`)."""
        from convsight.accelerate.winograd_kernel import convolve

        out = cells[0].new_empty(windows, *extent, self.outputs)
        tiles = -(-extent[0] // self.m[0]) * -(-extent[1] // self.m[1])

        def part(begin: int, end: int) -> None:
            together, room, starts, pitches = self._room(end - begin)
            found = np.empty((self.m[0] + 2) * (self.m[1] + 2), dtype=np.int64)
            convolve(
                *addresses(cells), self.m, block, windows, extent, self.channels, self.outputs,
                self.weight.ctypes.data, self.bias.data_ptr(), most_lines(), out.data_ptr(), begin, end,
                narrowed(limits), together, room.ctypes.data, starts, pitches, found, found.ctypes.data,
            )  # fmt: skip

        in_parts(part, windows * tiles)
        return out

    def _room(self, tiles: int) -> tuple[int, np.ndarray, tuple[int, int, int], Pair]:
        """For so many tiles: how many are done together, memory for them, and how it is divided.

        Inputs, sums and one tile start at three offsets; two places of the inputs, and of the sums, are so many
        bytes apart. A line more than is needed keeps these distances from being powers of two, which would let
        the places push each other out of the cache.
        """
        places = (self.m[0] + 2) * (self.m[1] + 2)
        fewest = FEWEST * (1 + (self.channels * self.outputs > MANY))
        groups = -(-min(tiles, max(fewest, ROOM // (places * (self.channels + self.outputs)))) // ROWS)
        inputs, sums = (ROWS * n * 4 + LINE for n in (self.channels, self.outputs))
        starts = 0, groups * places * inputs, groups * places * (inputs + sums)
        return groups * ROWS, working_memory(starts[2] + (places + 8) * LINE), starts, (inputs, sums)
