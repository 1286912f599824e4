"""Which compiled kernel computes a convolution quickest, if there is one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from convsight.accelerate.direct_convolution import Depthwise, FewChannels
from convsight.accelerate.product_convolution import Products
from convsight.accelerate.shared import Cells, Geometry, Limits
from convsight.accelerate.winograd import Pair, best_tile, cost
from convsight.accelerate.winograd_convolution import Winograd

GAIN = 1.1  # Winograd's tiles are taken where they are modelled to be this much quicker


class Convolution(Protocol):
    """A convolution whose weights are laid out for one kernel."""

    def run(
        self, cells: Cells, windows: int, block: Pair, extent: Pair, limits: Limits
    ) -> Float[Tensor, "n h w k"]:
        """`windows` windows of `extent` (h, w), each from a `block` of input cells, padding included.

        The cells of the first window's block come first, row by row, then those of the next one. The values
        are cut to `limits` (lowest, highest), so that an activation needs no pass of its own.
        """
        ...


@dataclass(eq=False)
class Layer:
    """A convolution's weights (float32, on the processor), and the kernel that they were last laid out for.

    Each output's weights are multiplied by its `gain`, which is how a batch norm is folded in.
    """

    weight: Float[Tensor, "k c h w"]
    bias: Float[Tensor, " k"]
    gain: Float[Tensor, " k"] | None
    geometry: Geometry
    groups: int
    _laid_out: tuple[Pair | None, Convolution | None] | None = None

    def for_windows(self, largest: Pair) -> Convolution | None:
        """The quickest kernel for windows of up to `largest` (h, w); None if there is none for such weights."""
        tile = self._tile(largest)
        if self._laid_out is None or self._laid_out[0] != tile:
            self._laid_out = None  # first give back the memory of the other layout
            self._laid_out = tile, self._lay_out(tile)
        return self._laid_out[1]

    def on_tiles(self, largest: Pair) -> bool:
        """Whether Winograd's tiles, with clearly fewer multiplications, are what computes such windows."""
        return self._tile(largest) is not None

    def _tile(self, largest: Pair) -> Pair | None:
        """The tile on which Winograd's way is clearly the quickest one."""
        if not Winograd.fits(self.weight, self.groups, self.geometry):
            return None
        outputs, inputs = self.weight.shape[:2]
        tile = best_tile(largest, inputs, outputs)
        direct = largest[0] * largest[1] * self.weight.numel()
        return tile if cost(tile, largest, inputs, outputs) * GAIN < direct else None

    def _lay_out(self, tile: Pair | None) -> Convolution | None:
        if tile is not None:
            return Winograd.of(self.weight, self.bias, self.gain, tile)
        for kind in (Depthwise, FewChannels, Products):
            if kind.fits(self.weight, self.groups):
                return kind.of(self.weight, self.bias, self.gain, self.geometry)
        return None


def convolution(
    weight: Float[Tensor, "k c h w"],
    bias: Float[Tensor, " k"] | None = None,
    gain: Float[Tensor, " k"] | None = None,
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Layer:
    """A layer for any windows: `convolution(weight, bias).for_windows((12, 12)).run(...)`."""
    geometry = Geometry((weight.shape[2], weight.shape[3]), stride, dilation)
    bias = weight.new_zeros(len(weight)) if bias is None else bias.contiguous()
    return Layer(weight, bias, gain, geometry, groups)
