"""A number per pixel of each picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from convsight.results import draw
from convsight.results.kinds.layout import MOST_ROWS, nth, page
from convsight.results.kinds.pictures import Pictures
from convsight.results.result import Result
from convsight.results.sheet import INK, Legend, Tile


@dataclass(frozen=True, kw_only=True, eq=False)
class Map(Result):
    """A number per pixel of each picture. `values` n h w at picture resolution; signed maps have a zero in the middle.

    Gradient-like maps also carry `per_channel` n c h w (raw, signed). Maps made by hiding also carry `scores`
    n rows cols (the number that is mapped, with the patch at that position) and `clean_score` n (with no patch).
    What else was read at those positions stands in `parts`: `probabilities`, `labels` and `activity`.

    A map with error bars has `half_width` n h w, half the length of each value's 95% interval; its colours fade where
    the interval reaches zero. A map of regions also has the number of each pixel's region (`regions` n h w), their
    values (`region_values` n r) and 95% intervals (`region_intervals` n r 2); pictures with fewer regions end in NaN.
    """

    values: Float[Tensor, "n h w"]
    signed: bool = False
    unit: str = ""
    full_colour: float = 1.0  # share of a map's pixels below the end of its colour scale; 0.99 tames outliers
    pictures: Float[Tensor, "n c h w"] | None = None
    labels_of: tuple[str, ...] = ()  # what each row is about: "Sandal 4.2"
    per_channel: Tensor | None = None
    scores: Tensor | None = None
    clean_score: Tensor | None = None
    half_width: Float[Tensor, "n h w"] | None = None
    regions: Tensor | None = None
    region_values: Tensor | None = None
    region_intervals: Tensor | None = None

    @property
    def certain(self) -> Float[Tensor, "n h w"]:
        """The values as they are coloured: each one's distance from zero that is certain, with its sign.

        It is the end of the 95% interval that is nearer to zero, and 0 where the interval holds zero. A map without
        intervals, or without signs, is coloured by its values.
        """
        if self.half_width is None or not self.signed:
            return self.values
        return self.values.sign() * (self.values.abs() - self.half_width).clamp(min=0)

    @property
    def probabilities(self) -> Tensor | None:
        """The target's probability with the patch at each position, n rows cols; None where it has none."""
        return self._read("probabilities")

    @property
    def labels(self) -> Tensor | None:
        """Index of the most probable class with the patch at each position, n rows cols; None without classes."""
        return self._read("labels")

    @property
    def activity(self) -> Tensor | None:
        """Sum of the strongest feature map with the patch at each position, n rows cols; None without maps."""
        return self._read("activity")

    def _read(self, name: str) -> Tensor | None:
        """The numbers behind the part of that name; of the map itself, where they are its scores."""
        part = self if self.name == name else self.part(name)
        if isinstance(part, Map):
            return part.scores
        return part.values if isinstance(part, Pictures) else None

    def draw_self(self) -> draw.RGB:
        tiles, n, shown = [], min(len(self.values), MOST_ROWS), self.certain
        for i in range(n):
            low, high = float(self.values[i].min()), float(self.values[i].max())
            spread = f"{draw.number(low)} … {draw.number(high)}"
            limit = draw.limit_of(self.values[i], self.full_colour)
            if self.pictures is not None:
                tiles.append(Tile(draw.rgb(self.pictures[i]), nth(self.labels_of, i), INK))
            tiles.append(Tile(draw.colours(shown[i], self.signed, limit), spread))
            if self.pictures is not None:
                tiles.append(Tile(draw.overlay(self.pictures[i], shown[i], self.signed, limit=limit)))
        headings = ("picture", "map", "overlay") if self.pictures is not None else ()
        more = (f"{len(self.values) - n} more pictures are in .values",) if len(self.values) > n else ()
        high = "max" if self.full_colour == 1 else f"strongest {draw.number(100 * (1 - self.full_colour))}%"
        legend = Legend(
            f"−{high}" if self.signed else "0", f"{high} of each map", self.signed, self.unit + self._faded()
        )
        return page(
            self, tiles, 3 if self.pictures is not None else 1, notes=(*self.notes, *more), legend=legend,
            headings=headings, tile_px=max(168, min(self.values.shape[1], 256)),
        )  # fmt: skip

    def _faded(self) -> str:
        faded = self.half_width is not None and self.signed and bool(self.half_width.any())
        return "; pale: less certain, white: its 95% interval holds zero" if faded else ""

    def data(self) -> dict[str, Any]:
        small = self.values[:MOST_ROWS].float()
        step = max(1, -(-max(small.shape[1:]) // 64))
        hover = [[[round(v, 5) for v in row] for row in image] for image in small[:, ::step, ::step].tolist()]
        return {
            **super().data(),
            "signed": self.signed,
            "unit": self.unit,
            "hover_step_px": step,
            "hover": hover,
        }
