"""The pictures nearest to each query."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from convsight.images import Images
from convsight.results import draw
from convsight.results.kinds.layout import MOST_ROWS, page, tile_px
from convsight.results.result import Result
from convsight.results.sheet import GREY, INK, RIGHT, WRONG, Tile


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking(Result):
    """For each of n queries the k nearest pictures: `ids`, `distances`, `labels`, all n k."""

    ids: tuple[tuple[str, ...], ...]
    distances: Float[Tensor, "n k"]
    labels: Tensor | None
    query: Images
    pictures: Float[Tensor, "n k c h w"]
    classes: tuple[str, ...] = ()
    space: str = ""

    def draw_self(self) -> draw.RGB:
        tiles, known = [], self.query.labels
        if known is not None and (known.ndim != 1 or not self.classes):  # positions are no names
            known = None
        for q in range(min(len(self.query), MOST_ROWS)):
            truth = self._name(known[q]) if known is not None else self.query.ids[q]
            tiles.append(Tile(draw.rgb(self.query.pixels[q]), truth, INK, INK))
            for j, distance in enumerate(self.distances[q].tolist()):
                name = self._name(self.labels[q, j]) if self.labels is not None else self.ids[q][j]
                agrees = None if self.labels is None or known is None else name == truth
                colour = {None: GREY, True: RIGHT, False: WRONG}[agrees]
                tiles.append(Tile(draw.rgb(self.pictures[q, j]), f"{draw.number(distance)} {name}", colour))
        columns = self.distances.shape[1] + 1
        headings = ("query", f"nearest by {self.space}" if self.space else "nearest")
        size = tile_px(columns, columns, self.query.size[0])
        return page(self, tiles, columns, headings=headings, tile_px=size)

    def _name(self, label: Tensor) -> str:
        index = int(label)
        return self.classes[index] if 0 <= index < len(self.classes) else str(index)
