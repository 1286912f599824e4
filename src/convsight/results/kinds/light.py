"""One question about a map, answered yes, no or can't tell."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from convsight.results import draw
from convsight.results.kinds.layout import nth, page, tile_px
from convsight.results.kinds.pictures import Pictures
from convsight.results.result import Result
from convsight.results.sheet import Tile, without_words

Answer = Literal["yes", "no", "can't tell"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Light(Result):
    """One of the separate checks of one map; "yes" speaks for the map, and none of them is proof.

    title: the question. verdict: "yes", "no" or "can't tell"; sentence: its reasons in words. `numbers` holds what
    was measured, by name; `pictures` shows it (None where nothing could be made).
    """

    verdict: Answer
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    pictures: Pictures | None = None

    def draw_self(self) -> draw.RGB:
        """The question with its answer, the reasons, and what was looked at."""
        shown = self.pictures
        images, captions = ((), ()) if shown is None else (shown.images, shown.captions)
        tiles = [Tile(draw.rgb(image), nth(captions, i)) for i, image in enumerate(images)]
        size = 168 if shown is None else max(168, tile_px(len(tiles), shown.columns, shown.images.shape[2]))
        words = {"title": self._answered(), "caption": self.sentence}
        return page(self, tiles, max(1, len(tiles)), tile_px=size, **words)

    def data(self) -> dict[str, Any]:
        return {
            **super().data(),
            "verdict": self.verdict,
            "sentence": self.sentence,
            "numbers": self._finite(),
        }

    def as_dict(self) -> dict[str, Any]:
        """Words, numbers and a PNG (base64), ready for JSON; a number that is not finite is None."""
        png = None
        if self.pictures is not None:
            with without_words():
                png = base64.b64encode(draw.png(self.pictures.draw())).decode()
        return {
            "title": self.title,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "numbers": self._finite(),
            "captions": list(self.pictures.captions) if self.pictures else [],
            "png": png,
        }

    def _finite(self) -> dict[str, float | None]:
        return {n: value if abs(value) < float("inf") else None for n, value in self.numbers.items()}

    def _answered(self) -> str:
        return f"{self.title} {self.verdict.capitalize()}."

    def _words(self) -> str:
        words = f"<strong>{html.escape(self._answered())}</strong> {html.escape(self.sentence)}"
        return f"<figcaption>{words}</figcaption>"

    def _figure(self) -> str:
        if self.pictures is not None:
            return super()._figure()
        return f'<figure class="convsight">{self._words()}{self._small_print()}</figure>'
