"""A claim about what the network leans on, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from convsight import draw
from convsight.draw import Tile
from convsight.kinds.layout import footer
from convsight.kinds.pictures import Pictures
from convsight.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict(Result):
    """A claim about what the network leans on, with its evidence; `found` False is an answer too.

    `flip_rate` is the share of other classes' pictures that turn into `target` when the cue is pasted,
    `control_rate` the same with matched donors, `interval` the 95% interval of their difference.
    """

    found: bool
    sentence: str
    target: str = ""
    kind: str = ""  # "place", "background", "border", ...
    region: Tensor | None = None
    flip_rate: float = 0.0
    control_rate: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    examples: Pictures | None = None

    def draw_self(self) -> draw.RGB:
        tiles = [Tile(draw.rgb(image)) for image in self.examples.images] if self.examples else []
        columns = self.examples.columns if self.examples else 1
        return draw.sheet(
            tiles, columns, title=self.sentence, caption=self.caption, notes=self.notes, footer=footer(self)
        )
