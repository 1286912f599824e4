"""Can convolutions of few multiplications run on our own kernels, and how are their weights laid out for them?"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from convsight.accelerate.processor import wide_registers
from convsight.accelerate.rows import Cells, in_parts, limits
from convsight.occluding.joined import After


@functools.cache
def usable() -> bool:
    """Whether Numba is there, the processor has wide registers, and the kernel convolves as torch does."""
    if not wide_registers():
        return False
    maps, weight = (
        torch.linspace(-1, 1, 16 * 80).view(1, 80, 4, 4),
        torch.linspace(0, 1, 720).view(80, 1, 3, 3),
    )
    cells = maps.permute(0, 2, 3, 1).reshape(16, 80).contiguous()
    starts, taps = (np.add.outer(np.arange(n) * 4, np.arange(n)).ravel() for n in (2, 3))
    try:
        found = DirectFilter.of(weight, None).run(Cells(cells), starts, taps, None)
        few = FewFilter.of(weight[:17].expand(-1, 80, -1, -1), None).run(Cells(cells), starts, taps, None)
    except Exception:  # no room to keep what is compiled
        return False
    right = F.conv2d(maps, weight, groups=80), F.conv2d(maps, weight[:17].expand(-1, 80, -1, -1))
    return all(
        torch.allclose(mine, theirs[0].flatten(1).T, rtol=1e-4, atol=1e-4)
        for mine, theirs in zip((found, few), right, strict=True)
    )


@dataclass(frozen=True, eq=False)
class DirectFilter:
    """Weights of a convolution that keeps channels apart (taps, c), and biases."""

    weight: Float[Tensor, "t c"]
    bias: Float[Tensor, " c"]

    @classmethod
    def of(cls, weight: Float[Tensor, "c 1 h w"], bias: Tensor | None) -> DirectFilter:
        biases = weight.new_zeros(len(weight)) if bias is None else bias.contiguous()
        return cls(weight.flatten(1).T.contiguous(), biases)

    @staticmethod
    def fits(weight: Tensor, groups: int) -> bool:
        return groups == len(weight) and weight.shape[1] == 1 and groups % 16 == 0

    def run(
        self, cells: Cells, starts: np.ndarray, taps: np.ndarray, after: After | None
    ) -> Float[Tensor, "m c"]:
        """One row for each of `starts`: each channel's weights times the cells starts + taps."""
        from convsight.accelerate.direct_kernel import BLOCK, convolve

        channels = self.weight.shape[1]
        out = cells.table.new_empty(len(starts), channels)

        def part(begin: int, end: int) -> None:
            room = np.empty(BLOCK * len(taps), dtype=np.int64)
            convolve(
                *cells.addresses(), starts, taps, channels, self.weight.data_ptr(), self.bias.data_ptr(),
                out.data_ptr(), begin, end, limits(after), room, room.ctypes.data,
            )  # fmt: skip

        in_parts(part, len(starts))
        return out


@dataclass(frozen=True, eq=False)
class FewFilter:
    """A convolution of few outputs (taps, channels, outputs filled up to 16 or 32), and biases."""

    outputs: int
    weight: Float[Tensor, "t c k"]
    bias: Float[Tensor, " k"]

    @classmethod
    def of(cls, weight: Float[Tensor, "k c h w"], bias: Tensor | None) -> FewFilter:
        k, c = weight.shape[:2]
        full = (0, -k % 16)
        biases = weight.new_zeros(k) if bias is None else bias
        taps = weight.permute(2, 3, 1, 0).reshape(-1, c, k)
        return cls(k, F.pad(taps, full).contiguous(), F.pad(biases, full))

    @staticmethod
    def fits(weight: Tensor, groups: int) -> bool:
        """Whether torch, which fills channels up to 16, has less use of its registers."""
        return groups == 1 and len(weight) <= 32 and weight.shape[1] < 16

    def run(
        self, cells: Cells, starts: np.ndarray, taps: np.ndarray, after: After | None
    ) -> Float[Tensor, "m k"]:
        """One row for each of `starts`: the weights times the cells starts + taps."""
        from convsight.accelerate.direct_kernel import PLACES, convolve_few

        rows, channels = len(starts), self.weight.shape[1]
        out = cells.table.new_empty((rows + PLACES) * self.outputs + 32)
        room = np.empty(PLACES * len(taps), dtype=np.int64)
        convolve_few(
            *cells.addresses(), starts, taps, channels, self.outputs, self.weight.data_ptr(),
            self.bias.data_ptr(), out.data_ptr(), limits(after), room, room.ctypes.data,
        )  # fmt: skip
        return out[: rows * self.outputs].view(rows, self.outputs)


def collected(cells: Cells, index: Int[Tensor, "m h w"]) -> Float[Tensor, "m h w c"]:
    """The rows of `cells` that `index` names, which take the places in it."""
    from convsight.accelerate.direct_kernel import collect

    channels = cells.table.shape[1]
    out = cells.table.new_empty(*index.shape, channels)
    fresh = cells.table if cells.fresh is None else cells.fresh
    rows = (fresh.reshape(-1, channels).numpy(), cells.known, index.view(-1).numpy())
    collect(cells.table.numpy(), *rows, out.view(-1, channels).numpy())
    return out
