"""What stands before the surroundings of a composed picture: its colours, its outline, its shadow."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Objects:
    """Things to stand before surroundings.

    colours: the picture of each. cover: how much of each pixel it covers, 0 to 1. shade: what its shadow leaves of
    the light on the ground, 1 where there is none. collar: x and y of the place where a leash would be tied.
    """

    colours: Float[Tensor, "n 3 h w"]
    cover: Float[Tensor, "n h w"]
    shade: Float[Tensor, "n h w"]
    collar: Float[Tensor, "n 2"]

    def repeated(self, times: int) -> Objects:
        """Every object so many times in a row."""
        fields = (self.colours, self.cover, self.shade, self.collar)
        return Objects(*(field.repeat_interleave(times, 0) for field in fields))
