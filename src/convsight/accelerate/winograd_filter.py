"""Can 3×3 convolutions run on Winograd tiles in our own kernel, and how are their weights laid out for it?

The arithmetic is that of `winograd.Filter`; here it goes some tiles at a time through the cache, straight from the
rows where the cells lie.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate import product_filter
from convsight.accelerate.product_filter import lines_at_a_time, panels
from convsight.accelerate.rows import LINE, Cells, in_parts, kept_room, limits
from convsight.occluding.joined import After
from convsight.occluding.winograd import SIZES, TAPS, matrices

ROWS = 6  # tiles in registers at a time
TURN = 2.0  # multiply-adds of a direct convolution that take as long as one of a transform
ROOM = 120_000  # numbers in the places of some tiles: half of a core's second-level cache
LEAST = 24  # tiles at a time, at least
MANY = 200_000  # weights from which on twice as many tiles are taken, which read them less often
Two = tuple[int, int]


@functools.cache
def usable() -> bool:
    """Whether Numba is there, the processor has wide registers, and the kernel convolves as torch does."""
    if not product_filter.usable():
        return False
    try:
        return all(_convolves_as_torch((m, other)) for m, other in zip(SIZES, reversed(SIZES), strict=True))
    except Exception:  # no room to keep what is compiled
        return False


def _convolves_as_torch(m: Two) -> bool:
    """Windows of two tiles down and across, the last of them smaller."""
    extent = 2 * m[0], 2 * m[1] - 1
    block = extent[0] + TAPS - 1, extent[1] + TAPS - 1
    maps, weight = (
        torch.linspace(-9, 9, math.prod(block) * 16).sin().view(1, *block, 16),
        torch.linspace(-7, 7, 48 * 144).cos().view(48, 16, 3, 3) / 9,
    )
    found = WinogradFilter.of(weight, None, m).run(Cells(maps), block, extent, 1, None)
    right = F.conv2d(maps.permute(0, 3, 1, 2), weight)
    return torch.allclose(found.permute(0, 3, 1, 2), right, rtol=1e-4, atol=1e-4)


@dataclass(frozen=True, eq=False)
class WinogradFilter:
    """A convolution's weights (k c 3 3) in transformed places, for tiles of `m` (rows, columns) cells, and biases.

    Place by place; in each, panels of as many outputs as the kernel has in registers.
    """

    m: Two
    outputs: int
    channels: int
    weight: np.ndarray
    bias: Tensor

    @classmethod
    def of(
        cls, weight: Float[Tensor, "k c 3 3"], bias: Tensor | None, m: Two, gain: Tensor | None = None
    ) -> WinogradFilter:
        k, c = weight.shape[:2]
        g = torch.kron(matrices(m[0])[1], matrices(m[1])[1]).to(weight)
        biases = weight.new_zeros(k) if bias is None else bias.contiguous()
        return cls(m, k, c, panels(weight, gain, g), biases)

    @staticmethod
    def fits(weight: Tensor) -> bool:
        return not (weight.shape[0] % 16 or weight.shape[1] % 16)

    def run(
        self, cells: Cells, block: Two, extent: Two, windows: int, after: After | None
    ) -> Float[Tensor, "n h w k"]:
        """`windows` windows of `extent` cells, each from a `block` of cells, which is at least two larger."""
        from convsight.accelerate.winograd_kernel import convolve

        out = cells.table.new_empty(windows, *extent, self.outputs)
        tiles = -(-extent[0] // self.m[0]), -(-extent[1] // self.m[1])
        given = (
            *cells.addresses(), self.m, block, windows, extent, self.channels, self.outputs, self.weight.ctypes.data,
            self.bias.data_ptr(), lines_at_a_time(), out.data_ptr(),
        )  # fmt: skip

        def part(begin: int, end: int) -> None:
            some, room, starts, apart = self._room(end - begin)
            found = np.empty((self.m[0] + 2) * (self.m[1] + 2), dtype=np.int64)
            convolve(
                *given,
                begin,
                end,
                limits(after),
                some,
                room.ctypes.data,
                starts,
                apart,
                found,
                found.ctypes.data,
            )

        in_parts(part, windows * tiles[0] * tiles[1])
        return out

    def _room(self, tiles: int) -> tuple[int, np.ndarray, tuple[int, int, int], Two]:
        """How many tiles are done at a time, room for them, where in it what starts, and how far places are apart."""
        places, least = (self.m[0] + 2) * (self.m[1] + 2), LEAST * (1 + (self.channels * self.outputs > MANY))
        groups = -(-min(tiles, max(least, ROOM // (places * (self.channels + self.outputs)))) // ROWS)
        inputs, sums = (ROWS * n * 4 + LINE for n in (self.channels, self.outputs))  # not a power of two
        starts = 0, groups * places * inputs, groups * places * (inputs + sums)
        return groups * ROWS, kept_room(starts[2] + (places + 8) * LINE), starts, (inputs, sums)


def cost(m: Two, extent: Two, c: int, k: int) -> float:
    """Time of maps of `extent`, in multiply-adds of a direct convolution (measured with AVX-512)."""
    return sum(
        count * other * _cost_of_tile((rows, columns), c, k)
        for rows, count in _sizes(m[0], extent[0])
        for columns, other in _sizes(m[1], extent[1])
    )


def _sizes(m: int, extent: int) -> list[tuple[int, int]]:
    """Cells of the tiles along one axis, and how many of them there are: a last one may be smaller."""
    return [(m, extent // m), (extent % m, 1)] if extent % m else [(m, extent // m)]


@functools.cache
def _cost_of_tile(m: Two, c: int, k: int) -> float:
    (into_rows, out_rows), (into_columns, out_columns) = (_multiplications(side) for side in m)
    n0, n1 = m[0] + TAPS - 1, m[1] + TAPS - 1
    products = n0 * n1 * c * k * (1 + 16 / min(c, k))
    turned = c * (n1 * into_rows + n0 * into_columns) + k * (n1 * out_rows + m[0] * out_columns)
    return products + TURN * turned


@functools.cache
def _multiplications(m: int) -> tuple[int, int]:
    """Of one line on its way into a tile, and out: numbers of the transforms that are not 0, and reads and writes."""
    a, _, b = matrices(m)
    return int(b.count_nonzero()) + 2 * len(b), int(a.count_nonzero()) + sum(a.shape)
