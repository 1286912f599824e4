"""How do numbers become charts: curves, bars, scatters and tables, drawn with matplotlib off screen?"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.results.draw import RGB, limit_of

if TYPE_CHECKING:  # what draws charts takes a third of a second to import: only where a chart is drawn
    from matplotlib.figure import Figure

# Okabe & Ito 2008, then Tol's muted: apart for colour-blind eyes.
PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A7F00", "#882255", "#332288",
    "#44AA99", "#117733", "#AA4499", "#999933", "#661100", "#6699CC",
)  # fmt: skip
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#68686f",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.hashsalt": "convsight",
    "svg.fonttype": "none",
}


def figure(width: float = 7.2, height: float = 4.0) -> Figure:
    """An empty figure in inches, laid out by itself, in no global list of figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        made = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
        FigureCanvasAgg(made)
    return made


def place(made: Figure, left: float, top: float, width: float, height: float) -> Any:
    """Axes at a place of the figure in inches from its upper left corner; nothing else is laid out."""
    made.set_layout_engine("none")
    wide, tall = made.get_size_inches()
    return made.add_axes((left / wide, 1 - (top + height) / tall, width / wide, height / tall))


def pixels(made: Figure) -> RGB:
    """The figure as 8-bit RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(made)
    with matplotlib.rc_context(STYLE):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def svg(made: Figure) -> str:
    """The figure as SVG text."""
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        made.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def as_pixels(made: Figure) -> Float[Tensor, "c h w"]:
    """The figure as a picture in [0, 1]; its layout stays as it was drawn, for `svg` after it."""
    picture = torch.from_numpy(pixels(made)).permute(2, 0, 1).float() / 255
    made.set_layout_engine("none")
    return picture


def bright(values: Tensor) -> float:
    """Where a colour scale of answers ends: few are strong, so at the 99.5% quantile of |value|."""
    sizes = values.abs().flatten().sort().values
    return float(sizes[round(0.995 * (len(sizes) - 1))]) or limit_of(values)


def number_grid(
    axes: Any,
    values: Any,
    *,
    signed: bool = False,
    limit: float | None = None,
    size: float = 10,
    digits: str = ".3g",
) -> None:
    """A matrix as coloured cells with each number written in its cell; signed ones are white at zero."""
    from matplotlib.patches import Rectangle

    numbers = np.asarray(values, dtype=float)
    limit = limit or float(np.abs(numbers).max()) or 1.0
    colours = matplotlib.colormaps["RdBu_r" if signed else "Blues"]
    share = (0.75 * numbers / limit + 1) / 2 if signed else 0.75 * numbers / limit
    faces = colours(np.clip(share, 0, 1))
    rows, columns = numbers.shape
    for (y, x), number in np.ndenumerate(numbers):
        face = faces[y, x]
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", linewidth=1.2))
        ink = "white" if face[:3] @ (0.299, 0.587, 0.114) < 0.55 else "#1c1c20"
        text = format(number + 0.0, digits).replace("-", "−")
        if size:
            axes.text(x + 0.5, y + 0.53, text, ha="center", va="center", color=ink, fontsize=size)
    axes.set(xlim=(-0.05, columns + 0.05), ylim=(rows + 0.05, -0.05), aspect="equal")
    axes.axis("off")


def curves(series: Sequence[Any], x_label: str, y_label: str, style: str = "line", title: str = "") -> RGB:
    """Lines, steps or bars of `series` (each with .name, .x, .y) on one pair of axes."""
    with matplotlib.rc_context(STYLE):
        made = figure()
        axes = made.add_subplot()
        for i, each in enumerate(series):
            x, y, colour = list(each.x), np.asarray(each.y, dtype=float), PALETTE[i % len(PALETTE)]
            if style == "bar":
                width = 0.8 / len(series)
                axes.bar(
                    np.arange(len(x)) + (i - (len(series) - 1) / 2) * width,
                    y,
                    width,
                    color=colour,
                    label=each.name,
                )
                axes.set_xticks(
                    range(len(x)),
                    [str(v) for v in x],
                    rotation=30 if len(x) > 6 else 0,
                    ha="right" if len(x) > 6 else "center",
                )
            elif style == "step":
                axes.step(x, y, where="mid", color=colour, label=each.name)
            else:
                axes.plot(
                    x, y, color=colour, label=each.name, marker="o" if len(x) < 25 else "", markersize=3.5
                )
        if style == "line" and all(isinstance(x, int) for each in series for x in each.x):
            axes.locator_params(axis="x", integer=True)
        named = style == "line" and any(isinstance(v, str) for each in series for v in each.x)
        if named and max(len(each.x) for each in series) > 6:
            axes.tick_params(axis="x", rotation=30)
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("right")
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
        axes.grid(axis="y", alpha=0.25)
        if len(series) > 1:
            outside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if len(series) > 5 else {}
            axes.legend(frameon=False, **outside)
        return pixels(made)


def shares(rows: Sequence[tuple[str, float, tuple[float, float] | None]]) -> RGB:
    """Shares from 0 to 100% as horizontal bars with their words, the number, and an interval where there is one."""
    made = figure(7.2, 0.5 + 0.34 * len(rows))
    axes = made.add_subplot()
    for i, (_, share, interval) in enumerate(rows):
        axes.barh(i, share, height=0.62, color=PALETTE[i % 2 if i < 2 else 4 + i % 2])
        if interval is not None:
            axes.plot(interval, (i, i), color="#1c1c20", linewidth=1.6)
        axes.text(max(share, interval[1] if interval else 0) + 0.012, i, f"{share:.0%}", va="center")
    axes.set_yticks(range(len(rows)), [words for words, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    return pixels(made)


def scatter(
    xy: np.ndarray,
    labels: np.ndarray | None,
    names: Sequence[str],
    x_label: str,
    y_label: str,
    z_label: str = "",
    title: str = "",
    name_groups: bool = True,
) -> RGB:
    """Points coloured by label, each class's name at its median (of a handful: above one of them) unless
    `name_groups` is False."""
    with matplotlib.rc_context(STYLE):
        three = xy.shape[1] == 3
        made = figure(8.6 if three else 7.6, 6.4)
        axes: Any = made.add_subplot(projection="3d" if three else None)
        size = float(np.clip(6000 / max(len(xy), 1), 1.5, 26))
        groups = [None] if labels is None else sorted(set(labels.tolist()))
        for i, group in enumerate(groups):
            chosen = xy if group is None else xy[labels == group]
            name = "" if group is None else names[group] if 0 <= group < len(names) else str(group)
            few = len(groups) <= 20 and len(chosen) < 0.02 * len(xy)  # they must still be seen among many
            axes.scatter(
                *chosen.T,
                s=max(size, 36) if few else size,
                color=PALETTE[i % len(PALETTE)],
                label=name,
                linewidths=0.8 if few else 0,
                edgecolors="black",
                alpha=0.75,
            )
            if name and name_groups and not three and len(groups) <= 20:
                box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0}
                words = {"ha": "center", "fontsize": 9, "weight": "bold", "bbox": box}
                if few:
                    above = {"xytext": (0, 9), "textcoords": "offset points", "va": "bottom"}
                    axes.annotate(name, central(chosen), **above, **words)
                else:
                    axes.text(*np.median(chosen, axis=0), name, va="center", **words)
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
        if three and z_label:
            axes.set_zlabel(z_label)
        if not x_label and not y_label:  # axes without a name have no unit either
            axes.tick_params(labelbottom=False, labelleft=False, length=0)
        if labels is not None and len(groups) <= 20:
            if three:
                legend = made.legend(frameon=False, loc="outside right center")
            else:
                legend = axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
            for handle in legend.legend_handles:
                handle.set_sizes([40])  # type: ignore[union-attr]
        return pixels(made)


def central(points: np.ndarray) -> np.ndarray:
    """The point with the shortest way to all the others: one of them, where their median may lie among none."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    return points[apart.sum(1).argmin()]


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], shade: bool, title: str = "") -> RGB:
    """A table with its numbers aligned; `shade` colours numeric cells by their share of the largest."""
    from matplotlib.transforms import Bbox

    with matplotlib.rc_context(STYLE):
        shown = [[cell_text(cell) for cell in row] for row in rows]
        widths = [max([len(str(c)), *(len(r[j]) for r in shown)]) for j, c in enumerate(columns)]
        made = figure(
            max(3.5, 0.105 * sum(widths) + 0.35 * len(columns)),
            0.27 * (len(rows) + 1) + (0.4 if title else 0.1),
        )
        axes = made.add_subplot()
        axes.axis("off")
        axes.set_title(title)
        drawn = axes.table(
            cellText=shown or [[""] * len(columns)],
            colLabels=list(columns),
            bbox=Bbox.unit(),
            colWidths=[w / sum(widths) for w in widths],
        )
        drawn.auto_set_font_size(False)
        drawn.set_fontsize(9)
        top = max((abs(c) for r in rows for c in r if isinstance(c, (int, float))), default=1) or 1
        for (i, j), cell in drawn.get_celld().items():
            cell.set(edgecolor="#d0d0d6", linewidth=0.6)
            if i == 0:
                cell.set_text_props(weight="bold")
                cell.set_facecolor("#f2f2f5")
                continue
            value = rows[i - 1][j] if rows else ""
            cell.get_text().set_horizontalalignment("right" if isinstance(value, (int, float)) else "left")
            if shade and isinstance(value, (int, float)):
                share = min(1.0, abs(value) / top) ** 0.5
                cell.set_facecolor((1 - 0.75 * share, 1 - 0.45 * share, 1 - 0.12 * share))
        return pixels(made)


def cell_text(value: Any) -> str:
    """A table cell as people read it: thousands apart, four significant digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
