"""Can convolutions run on this processor's matrix unit, and how are their weights laid out for it?

With Numba and a processor that has AMX for float16 (Intel's servers since 2024) a convolution of float32 numbers is
done as three of float16 ones, about three times as fast, with errors near those of float32: each number keeps 22
of its 24 bits, and the sums are float32. Numbers are scaled by powers of two to where float16 is finest. See
`tile_kernel` for the loops.
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

from convsight.accelerate.processor import can
from convsight.accelerate.rows import LINE, Cells, at_lines, in_parts, kept_room, limits
from convsight.occluding.joined import After

DEPTH, WIDTH, HEIGHT = 256, 512, 256  # numbers to a sum, outputs and cells at a time: they fit a 2 MB cache
TILE = 1024  # bytes: 16 lines
LARGEST, LARGEST_WEIGHT = 64.0, 256.0  # after scaling: float16 ends at 65504, and is coarse below 1e-4
SETTINGS = np.array([1, *[0] * 15, *[LINE, 0] * 8, *[0] * 16, *[16] * 8, *[0] * 8], dtype=np.uint8)  # fmt: skip


@functools.cache
def present() -> bool:
    """Whether this machine has the matrix unit, and Numba to compile for it."""
    try:
        return bool(can("amx-fp16") and torch.cpu._is_amx_fp16_supported() and torch.cpu._init_amx())
    except AttributeError:  # a torch that does not know of the unit
        return False


@functools.cache
def usable() -> bool:
    """Whether the kernel runs here and convolves as torch does."""
    if not present():
        return False
    maps, weight = torch.linspace(-1, 1, 6 * 6 * 40).view(1, 40, 6, 6), torch.ones(17, 40, 3, 3) / 3
    cells = maps.permute(0, 2, 3, 1).reshape(36, 40).contiguous()
    starts, taps = (np.add.outer(np.arange(n) * 6, np.arange(n)).ravel() for n in (4, 3))
    try:
        found = SplitFilter.of(weight, None).run(Cells(cells), starts, taps, None)
    except Exception:  # no room to keep what is compiled, a processor that Numba does not know
        return False
    return torch.allclose(found, F.conv2d(maps, weight)[0].flatten(1).T, rtol=1e-5, atol=1e-4)


@dataclass(frozen=True, eq=False)
class SplitFilter:
    """A convolution's weights (k c h w) as high and low halves in tiles, and its biases."""

    outputs: int
    channels: int
    blocks: np.ndarray  # taps from, to, channels from, to: what is summed up at a time
    where: np.ndarray  # bytes at which the weights of each chunk of outputs and block start
    tiles: np.ndarray
    scale: float  # that they were multiplied by
    bias: Tensor

    @classmethod
    def of(cls, weight: Float[Tensor, "k c h w"], bias: Tensor | None) -> SplitFilter:
        k, c = weight.shape[:2]
        taps = weight.permute(2, 3, 1, 0).reshape(-1, c, k)
        blocks, parts, where, at = _blocks(len(taps), c), [], [], 0
        scale = scale_of(weight, LARGEST_WEIGHT)
        for first in range(0, k, WIDTH):
            for t0, t1, c0, c1 in blocks:
                parts.append(_tiles(taps[t0:t1, c0:c1, first : first + WIDTH] * scale))
                where.append(at)
                at += parts[-1].nbytes
        tiles = at_lines(at)
        tiles.view(np.float16)[:] = np.concatenate(parts)
        biases = weight.new_zeros(-(-k // 16) * 16)
        if bias is not None:
            biases[:k] = bias
        return cls(k, c, np.array(blocks), np.array(where).reshape(-1, len(blocks)), tiles, scale, biases)

    def run(
        self, cells: Cells, starts: np.ndarray, taps: np.ndarray, after: After | None, scale: float = 1.0
    ) -> Float[Tensor, "m k"]:
        """One row for each of `starts`: the weights times the cells starts + taps.

        The cells are multiplied by `scale`, a power of two: what is then beyond 65504 is infinite.
        """
        if not present():  # asking also lets this process use the unit: without, its instructions end it
            raise RuntimeError("this machine has no matrix unit for float16, or no Numba")
        from convsight.accelerate.tile_kernel import convolve

        out = cells.table.new_empty(len(starts), self.outputs)
        numbers = np.float32(scale), np.float32(1 / (scale * self.scale)), *limits(after)

        def part(begin: int, end: int) -> None:
            sizes, room = self._room()
            convolve(
                *cells.addresses(), starts, taps, self.channels, self.blocks, self.tiles.ctypes.data, self.where,
                self.bias.data_ptr(), out.data_ptr(), begin, end, numbers, sizes, room.ctypes.data,
            )  # fmt: skip

        in_parts(part, len(starts))
        return out

    def _room(self) -> tuple[tuple[int, int, int, int, int], np.ndarray]:
        """Sizes for the loops, and room for inputs in tiles, sums and settings."""
        steps = max(-(-(c1 - c0) // 32) * (t1 - t0) for t0, t1, c0, c1 in self.blocks.tolist())
        tiles = HEIGHT // 16 * steps * 2 * TILE
        sums = HEIGHT // 16 * (-(-min(WIDTH, self.outputs) // 32) * 2) * TILE
        room = kept_room(tiles + sums + 5 * LINE)
        end = tiles + sums + 4 * LINE
        room[end : end + LINE] = SETTINGS
        return (self.outputs, WIDTH, HEIGHT, tiles, sums), room


def scale_of(values: Tensor, largest: float = LARGEST) -> float:
    """The power of two that brings the largest of the values to at most `largest`."""
    most = float(values.abs().max())
    return 2.0 ** math.floor(math.log2(largest / most)) if 0 < most < math.inf else 1.0


def _blocks(taps: int, channels: int) -> list[tuple[int, int, int, int]]:
    """Several taps at a time if they have few channels, or some of the channels of one."""
    some = max(1, DEPTH // (-(-channels // 32) * 32))
    edges = [(a, min(a + DEPTH, channels)) for a in range(0, channels, DEPTH)]
    return [(t, min(t + some, taps), *edge) for t in range(0, taps, some) for edge in edges]


def _tiles(weight: Float[Tensor, "t c k"]) -> np.ndarray:
    """Tiles of 32 inputs (in pairs) × 16 outputs, high then low halves."""
    c, k = weight.shape[1:]
    even = F.pad(weight, (0, -k % 32, 0, -c % 32)).reshape(-1, 16, 2, (k + 31) // 32 * 2, 16)
    values = even.permute(3, 0, 1, 4, 2).contiguous()
    high = values.half()
    return torch.stack([high, (values - high).half()], 2).numpy().ravel()
