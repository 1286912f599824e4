"""Named series over one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from convsight.results import draw, plot
from convsight.results.encoding import stored
from convsight.results.kinds.layout import csv_bytes, framed
from convsight.results.result import Result


@stored
@dataclass(frozen=True)
class Series:
    """One line of a Curve."""

    name: str
    x: tuple
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve(Result):
    """Named series over one axis, drawn as a line, a step or bars."""

    series: tuple[Series, ...]
    x_label: str = ""
    y_label: str = ""
    style: str = "line"

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "csv")

    def draw_self(self) -> draw.RGB:
        return framed(self, plot.curves(self.series, self.x_label, self.y_label, self.style))

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"{s.name}.{axis}": np.asarray(getattr(s, axis)) for s in self.series for axis in ("x", "y")}

    def data(self) -> dict[str, Any]:
        series = [{"name": s.name, "x": list(s.x), "y": list(s.y)} for s in self.series]
        return {**super().data(), "series": series, "x_label": self.x_label, "y_label": self.y_label}

    def _encoded(self, suffix: str) -> bytes:
        if suffix != "csv":
            return super()._encoded(suffix)
        rows = [(s.name, x, y) for s in self.series for x, y in zip(s.x, s.y, strict=True)]
        return csv_bytes(("series", self.x_label or "x", self.y_label or "y"), rows)
