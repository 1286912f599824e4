"""What can a technique answer with? A closed set of kinds.

Result
├── Map        a number per pixel, n h w, signed or not
├── Pictures   pictures n c h w in rows
├── Points     a position per picture, n 2|3
├── Ranking    the k pictures nearest to each of n
├── Curve      named series of x and y
├── Table      columns and rows
└── Verdict    a claim about the network, with its evidence

The command line, the report and the studio know these kinds and never a technique.
"""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from convsight import draw, plot
from convsight.draw import Legend, Tile
from convsight.images import Images
from convsight.result import Result, inline_image

MOST_ROWS = 12  # pictures of one Map that are drawn; .values and .save("x.npz") have them all
MOST_TABLE_ROWS = 60  # rows of a Table that are drawn; .rows, .html() and .save("x.csv") have them all


@dataclass(frozen=True, kw_only=True, eq=False)
class Map(Result):
    """A number per pixel of each picture. `values` n h w at picture resolution; signed maps have a zero in the middle.

    Gradient-like maps also carry `per_channel` n c h w (raw, signed). Occlusion also carries `scores`,
    `probabilities`, `labels` and `activity` n rows cols (with the patch at that place) and `clean_score` n.
    """

    values: Float[Tensor, "n h w"]
    signed: bool = False
    unit: str = ""
    full_colour: float = 1.0  # share of a map's pixels below the end of its colour scale; 0.99 tames outliers
    pictures: Float[Tensor, "n c h w"] | None = None
    labels_of: tuple[str, ...] = ()  # what each row is about: "Sandal 4.2"
    per_channel: Tensor | None = None
    scores: Tensor | None = None
    probabilities: Tensor | None = None
    labels: Tensor | None = None
    activity: Tensor | None = None
    clean_score: Tensor | None = None

    def draw_self(self) -> draw.RGB:
        tiles, n = [], min(len(self.values), MOST_ROWS)
        for i in range(n):
            low, high = float(self.values[i].min()), float(self.values[i].max())
            name = self.labels_of[i] if i < len(self.labels_of) else ""
            spread = f"{draw.number(low)} … {draw.number(high)}"
            limit = draw.limit_of(self.values[i], self.full_colour)
            if self.pictures is not None:
                tiles.append(Tile(draw.rgb(self.pictures[i]), name, draw.INK))
            tiles.append(Tile(draw.colours(self.values[i], self.signed, limit), spread))
            if self.pictures is not None:
                tiles.append(Tile(draw.overlay(self.pictures[i], self.values[i], self.signed, limit=limit)))
        headings = ("picture", "map", "overlay") if self.pictures is not None else ()
        more = (f"{len(self.values) - n} more pictures are in .values",) if len(self.values) > n else ()
        high = "max" if self.full_colour == 1 else f"strongest {draw.number(100 * (1 - self.full_colour))}%"
        legend = Legend(f"−{high}" if self.signed else "0", f"{high} of each map", self.signed, self.unit)
        return draw.sheet(
            tiles, 3 if self.pictures is not None else 1, title=self.title, caption=self.caption,
            notes=(*self.notes, *more), legend=legend, headings=headings, footer=_footer(self),
            tile_px=max(168, min(self.values.shape[1], 256)),
        )  # fmt: skip

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
            return _framed(self, draw.rgb(self.images[0]))
        shown = self.images if self.fps is None else self.images[:: max(1, len(self.images) // 8)][:8]
        tiles = []
        for i, image in enumerate(shown):
            colour = (draw.RIGHT if self.right[i] else draw.WRONG) if i < len(self.right) else None
            caption = self.captions[i] if i < len(self.captions) else ""
            tiles.append(Tile(draw.rgb(image), caption, colour or draw.GREY, colour))
        size = self.tile_px or _tile_px(len(shown), self.columns, self.images.shape[2])
        return draw.sheet(
            tiles, min(self.columns, max(len(tiles), 1)), title=self.title, caption=self.caption, notes=self.notes,
            legend=self.legend, row_labels=self.row_labels, headings=self.headings, footer=_footer(self),
            tile_px=size,
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Points(Result):
    """A position per picture: `xy` n 2|3, `ids` n, optional class `labels` n and the `classes` they name.

    `groups` n and `group_names` colour the points by something else than their class, such as the error.
    `predicted` n (class index) and `losses` n (nats) are what the network makes of each picture.
    """

    xy: Float[Tensor, "n d"]
    ids: tuple[str, ...]
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    axes: tuple[str, ...] = ("x", "y")
    pictures: Tensor | None = None
    groups: Tensor | None = None
    group_names: tuple[str, ...] = ()
    predicted: Tensor | None = None
    losses: Tensor | None = None

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "csv")

    def draw_self(self) -> draw.RGB:
        groups, names = (
            (self.labels, self.classes) if self.groups is None else (self.groups, self.group_names)
        )
        colours = None if groups is None else groups.numpy()
        named = names[: len(self.classes)] == self.classes
        return _framed(self, plot.scatter(self.xy.numpy(), colours, names, *self.axes, name_groups=named))

    def data(self) -> dict[str, Any]:
        per_picture = {
            name: None if value is None else [None if v != v else round(v, 4) for v in value.tolist()]
            for name in ("labels", "groups", "predicted", "losses")
            for value in [getattr(self, name)]
        }
        return {
            **super().data(),
            "xy": [[round(v, 4) for v in row] for row in self.xy.tolist()],
            "ids": list(self.ids),
            "classes": list(self.classes),
            "group_names": list(self.group_names),
            **per_picture,
        }

    def _encoded(self, suffix: str) -> bytes:
        if suffix != "csv":
            return super()._encoded(suffix)
        names = (
            [self.classes[i] if 0 <= i < len(self.classes) else "" for i in self.labels.tolist()]
            if self.labels is not None
            else [""] * len(self.ids)
        )
        rows = [(i, n, *p) for i, n, p in zip(self.ids, names, self.xy.tolist(), strict=True)]
        return _csv(("id", "label", *"xyz"[: self.xy.shape[1]]), rows)


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
            tiles.append(Tile(draw.rgb(self.query.pixels[q]), truth, draw.INK, draw.INK))
            for j, distance in enumerate(self.distances[q].tolist()):
                name = self._name(self.labels[q, j]) if self.labels is not None else self.ids[q][j]
                agrees = None if self.labels is None or known is None else name == truth
                colour = {None: draw.GREY, True: draw.RIGHT, False: draw.WRONG}[agrees]
                tiles.append(Tile(draw.rgb(self.pictures[q, j]), f"{draw.number(distance)} {name}", colour))
        columns = self.distances.shape[1] + 1
        size = _tile_px(columns, columns, self.query.size[0])
        return draw.sheet(
            tiles, columns, title=self.title, caption=self.caption, notes=self.notes, footer=_footer(self),
            headings=("query", f"nearest by {self.space}" if self.space else "nearest"), tile_px=size,
        )  # fmt: skip

    def _name(self, label: Tensor) -> str:
        index = int(label)
        return self.classes[index] if 0 <= index < len(self.classes) else str(index)


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
        return _framed(self, plot.curves(self.series, self.x_label, self.y_label, self.style))

    def arrays(self) -> dict[str, np.ndarray]:
        return {f"{s.name}.{axis}": np.asarray(getattr(s, axis)) for s in self.series for axis in ("x", "y")}

    def data(self) -> dict[str, Any]:
        series = [{"name": s.name, "x": list(s.x), "y": list(s.y)} for s in self.series]
        return {**super().data(), "series": series, "x_label": self.x_label, "y_label": self.y_label}

    def _encoded(self, suffix: str) -> bytes:
        if suffix != "csv":
            return super()._encoded(suffix)
        rows = [(s.name, x, y) for s in self.series for x, y in zip(s.x, s.y, strict=True)]
        return _csv(("series", self.x_label or "x", self.y_label or "y"), rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Result):
    """Columns and rows of words and numbers; `shade` colours the numbers by size (a confusion matrix)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    shade: bool = False

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "csv")

    def draw_self(self) -> draw.RGB:
        rows, left_out = self.rows[:MOST_TABLE_ROWS], len(self.rows) - MOST_TABLE_ROWS
        if left_out > 0:
            rows = (*rows, (f"… and {left_out} more", *[""] * (len(self.columns) - 1)))
        return _framed(self, plot.table(self.columns, rows, self.shade))

    def arrays(self) -> dict[str, np.ndarray]:
        return {c: np.asarray([row[j] for row in self.rows]) for j, c in enumerate(self.columns)}

    def data(self) -> dict[str, Any]:
        return {**super().data(), "columns": list(self.columns), "rows": [list(row) for row in self.rows]}

    def _figure(self) -> str:
        top = max((abs(c) for r in self.rows for c in r if _is_number(c)), default=1) or 1
        head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in self.columns)
        body = "".join(f"<tr>{''.join(self._cell(c, top) for c in row)}</tr>" for row in self.rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<figure class="convsight">{self._words()}<div class="drawn">{table}</div>{self._small_print()}</figure>'

    def _cell(self, value: Any, top: float) -> str:
        text = html.escape(plot.cell_text(value))
        if not _is_number(value):
            return f"<td>{text}</td>"
        share = min(1.0, abs(value) / top) ** 0.5 if self.shade else 0.0
        style = (
            f' style="background:rgba(0,114,178,{0.75 * share:.2f});{"color:#fff" if share > 0.75 else ""}"'
            if share
            else ""
        )
        return f'<td class="number"{style}>{text}</td>'

    def _encoded(self, suffix: str) -> bytes:
        return _csv(self.columns, self.rows) if suffix == "csv" else super()._encoded(suffix)


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
            tiles, columns, title=self.sentence, caption=self.caption, notes=self.notes, footer=_footer(self)
        )


def _footer(result: Result) -> str:
    return result.provenance.sentence() if result.provenance else ""


def _framed(result: Result, chart: draw.RGB) -> draw.RGB:
    """A chart under its title, with notes and provenance, at its own size."""
    return draw.sheet(
        [Tile(chart)], 1, title=result.title, caption=result.caption, notes=result.notes, footer=_footer(result),
        tile_px=chart.shape[0],
    )  # fmt: skip


def _tile_px(n: int, columns: int, height: int) -> int:
    """Large tiles for a few pictures, small ones for many: about 1100 pixels a row, and less for many rows."""
    rows = -(-n // max(1, columns))
    wanted = max(56, min(224 if rows <= 4 else 112, 1100 // max(1, min(n, columns))))
    return wanted if height > wanted else max(height, wanted // height * height)


def _csv(columns: Any, rows: Any) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
