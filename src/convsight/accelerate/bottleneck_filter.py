"""Can a bottleneck run on our own kernels as one convolution, and how are its weights laid out for them?

Many channels are what MobileNets make of few, convolve each by itself, and turn into few again. What lies between
is six times what goes in and comes out, and fetching it takes longer than computing it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate import product_filter
from convsight.accelerate.direct_filter import DirectFilter
from convsight.accelerate.product_filter import ProductFilter, lines_at_a_time
from convsight.accelerate.rows import NOWHERE, Cells, Reads, in_parts, kept_room, limits
from convsight.occluding.joined import After

ROOM = 200_000  # numbers of many channels at a time: most of a core's second-level cache
FEWEST = 12  # rows at a time, at least


@functools.cache
def usable() -> bool:
    """Whether Numba is there, the processor has wide registers, and the kernel does what torch's three convolutions do."""
    if not product_filter.usable():
        return False
    maps, one = torch.linspace(-9, 9, 20 * 16).sin().view(20, 16), np.zeros(1, dtype=np.int64)
    weights = [
        torch.linspace(-end, end, 512).cos().view(shape)
        for end, shape in ((7, (32, 16, 1, 1)), (9, (32, 1, 4, 4)), (5, (16, 32, 1, 1)))
    ]
    all_channels = [ProductFilter.of(weight, None) for weight in weights[::2]]
    filters = BottleneckFilter(all_channels[0], DirectFilter.of(weights[1], None), all_channels[1])
    source = Reads(Cells(maps), np.arange(20), one)
    taps = np.add.outer(np.arange(4) * 5, np.arange(4)).ravel()
    middle = Reads(Cells(torch.zeros(1, 32), torch.arange(1, 21).int(), None, 1), np.arange(2), taps)
    try:
        found = filters.run(1, source, middle, (("relu", ()), None, None))
    except Exception:  # no room to keep what is compiled
        return False
    right = F.conv2d(F.conv2d(maps.T.view(1, 16, 4, 5), weights[0]).relu(), weights[1], groups=32)
    right = F.conv2d(right, weights[2])[0].flatten(1).T
    return torch.allclose(found, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))


@dataclass(frozen=True, eq=False)
class BottleneckFilter:
    """Weights and biases of a convolution of each channel by itself, and of those of all channels around it."""

    wide: ProductFilter | None
    apart: DirectFilter
    narrow: ProductFilter

    def run(
        self, windows: int, source: Reads | None, middle: Reads, after: tuple[After | None, ...]
    ) -> Float[Tensor, "m k"]:
        """One row for each place of `windows` windows; `middle` reads what `source` becomes, if there is one."""
        from convsight.accelerate.bottleneck_kernel import ROWS, convolve
        from convsight.accelerate.direct_kernel import BLOCK as BESIDE
        from convsight.accelerate.product_kernel import BLOCK
        from convsight.accelerate.product_kernel import ROWS as LEAST

        rows, channels = len(middle.starts), self.apart.weight.shape[1]
        out = middle.cells.table.new_empty(rows + LEAST, self.narrow.outputs)
        area, inside = rows // windows, 0 if source is None else len(source.starts) // windows
        some = max(ROOM // (max(inside, 1) * channels), -(-FEWEST // min(area, max(inside, 1))))
        some = min(some, windows)
        nothing = 0, 0, NOWHERE.astype(np.int64), NOWHERE.astype(np.int64)
        of_source = (source.starts, source.taps) if source else nothing[2:]
        weights = self.apart.weight, self.apart.bias
        given = (
            source.cells.addresses() if source else (0, 0, 0, NOWHERE), of_source, _numbers(self.wide),
            middle.cells.addresses(), (middle.starts, middle.taps),
            (channels, channels, *(values.data_ptr() for values in weights)), _numbers(self.narrow),
            lines_at_a_time(), out.data_ptr(), (inside, area), some,
        )  # fmt: skip

        def part(begin: int, end: int) -> None:
            room = kept_room((some * inside + 2 * LEAST + ROWS) * channels * 4)
            cells = np.empty(max(BLOCK, BESIDE * len(middle.taps)), dtype=np.int64)
            convolve(*given, begin // area, end // area, tuple(map(limits, after)), room.ctypes.data, cells)

        in_parts(part, rows)
        return out[:rows]


def _numbers(filters: ProductFilter | None) -> tuple[int, int, int, int]:
    """Channels, outputs, and where weights and biases lie."""
    if filters is None:
        return 0, 0, 0, 0
    return filters.channels, filters.outputs, filters.weight.ctypes.data, filters.bias.data_ptr()
