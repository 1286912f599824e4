"""Pictures in rows: filters, feature maps, crops, dreams, frames of an animation."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from convsight.results import draw
from convsight.results.kinds.layout import framed, nth, page, tile_px
from convsight.results.result import Result, inline_image
from convsight.results.sheet import GREY, RIGHT, WRONG, Legend, Tile


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures(Result):
    """Pictures in [0, 1] in rows of `columns`, n c h w; `values` keeps the numbers behind them."""

    images: Float[Tensor, "n c h w"]
    captions: tuple[str, ...] = ()
    columns: int = 8
    row_labels: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    legend: Legend | None = None
    values: Tensor | None = None
    right: tuple[bool, ...] = ()  # frames a picture green or red
    fps: float | None = None  # the pictures are the frames of an animation
    tile_px: int | None = None

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "gif")

    def draw_self(self) -> draw.RGB:
        if self.svg is not None and len(self.images) == 1:
            return framed(self, draw.rgb(self.images[0]))
        shown = self.images if self.fps is None else self.images[:: max(1, len(self.images) // 8)][:8]
        tiles = []
        for i, image in enumerate(shown):
            colour = (RIGHT if self.right[i] else WRONG) if i < len(self.right) else None
            tiles.append(Tile(draw.rgb(image), nth(self.captions, i), colour or GREY, colour))
        size = self.tile_px or tile_px(len(shown), self.columns, self.images.shape[2])
        return page(
            self, tiles, min(self.columns, max(len(tiles), 1)), legend=self.legend, row_labels=self.row_labels,
            headings=self.headings, tile_px=size,
        )  # fmt: skip

    def _figure(self) -> str:
        if self.fps is None:
            return super()._figure()
        drawn = inline_image(self._encoded("gif"), "gif", html.escape(self.title))
        return f'<figure class="convsight">{self._words()}<div class="drawn">{drawn}</div>{self._small_print()}</figure>'

    def _encoded(self, suffix: str) -> bytes:
        if suffix != "gif":
            return super()._encoded(suffix)
        height = max(self.images.shape[2], 160)
        return draw.gif([draw.enlarge(draw.rgb(image), height) for image in self.images], self.fps or 4)
