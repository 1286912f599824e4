"""What does a pooling layer keep of a feature map, with the numbers written into the cells?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.imaging.fitting import fit_pixels
from convsight.imaging.hand_filters import kernels
from convsight.method import Method, knob
from convsight.results import draw, plot
from convsight.results.kinds import Pictures, Table

# Three 4×4 maps. The first holds the lesson's two examples: its upper left window is 1 9 / 5 4, whose largest
# number is 9, and its 16 nodes sum to 80, which is 5 a node.
EXAMPLE = torch.tensor(
    [
        [[1.0, 9, 6, 4], [5, 4, 7, 8], [5, 1, 2, 9], [6, 7, 3, 3]],
        [[0.0, 3, 8, 2], [4, 2, 1, 6], [7, 5, 0, 4], [9, 1, 3, 9]],
        [[2.0, 8, 1, 1], [6, 4, 3, 0], [0, 1, 5, 2], [3, 4, 7, 1]],
    ]
)
MOST_DRAWN = 8  # pictures that are drawn; `values` has all
MOST_CELLS = 9  # larger windows are shown without numbers: they would not fit into the cells
ORANGE = "#D55E00"
TITLES = {
    "both": "Max pooling and global average pooling",
    "max": "Max pooling",
    "average": "Average pooling",
    "global": "Global average pooling",
}


@dataclass(frozen=True)
class Pooling(Method):
    """How pooling shrinks a stack of feature maps: each window's largest number, or its average, before and after.

    Max pooling: `out[y, x] = max of map[y·stride … + window, x·stride … + window]`; average pooling takes the
    mean of the same window. Global average pooling makes one number of a whole map, the sum over its nodes
    divided by their number. Each map is pooled by itself: a stack of k maps stays a stack of k, smaller ones,
    and the global kind turns it into a vector of k numbers.

    Without pictures the numbers are the lesson's: the window 1, 9, 5, 4 becomes 9, and a map that sums to
    80 over 16 nodes becomes 5. With pictures the stack is what their edges give: the lesson's four 4×4 edge
    kernels, then ReLU; the zoomed place is where the pooled answer is strongest.

    `mode`: "both" (max, and global average), "max", "average" or "global". `window` makes the output coarser,
    `stride` smaller. Rows and columns that do not fill a window are left out, as in PyTorch.

    Returns Pictures; `values` n k h' w' are the pooled maps (of "both": by max), k = 3 for the example and 4
    for pictures. The part lists each map's sum, nodes and average. Raises InputError for a window larger
    than the map.

    >>> Pooling()().values[0, 0].tolist()
    [[9.0, 8.0], [7.0, 9.0]]
    >>> Pooling(mode="global")().values.flatten()[0]
    tensor(5.)
    """

    title = "Pooling"
    kind = Pictures
    source = "LeCun et al. 1998, Proc. IEEE 86(11); Lin et al. 2013, arXiv:1312.4400 (global average)"

    mode: str = knob("both", "which pooling is shown", choices=("both", "max", "average", "global"))
    window: int = knob(2, "a larger window summarises more and keeps less place", unit="px", low=1, high=64)
    stride: int = knob(2, "a larger stride makes the pooled map smaller", unit="px", low=1, high=64)

    def compute(self, images: Images | None = None) -> Pictures:
        stacks = EXAMPLE[None] if images is None else edge_maps(images.pixels)
        pooled = pool(stacks, self.mode, self.window, self.stride)
        shown = range(min(len(stacks), MOST_DRAWN))
        figures = [self._figure(stacks[i], pooled[i]) for i in shown]
        drawn = torch.stack([plot.as_pixels(figure) for figure in figures])
        return Pictures(
            title=TITLES[self.mode],
            images=drawn,
            values=pooled,
            columns=1,
            tile_px=drawn.shape[2],
            captions=images.ids if images is not None and len(images) > 1 else (),
            caption=self._caption(stacks, pooled),
            notes=self._notes(images, stacks),
            svg=plot.svg(figures[0]) if images is None else None,
            parts=(_averages(stacks, images),),
        )

    def _figure(self, stack: Tensor, pooled: Tensor) -> Figure:
        if stack.shape[1] <= MOST_CELLS and stack.shape[2] <= MOST_CELLS:
            return self._small(stack, pooled)
        return self._large(stack, pooled)

    def _small(self, stack: Tensor, pooled: Tensor) -> Figure:
        """Every number of small maps: before, after, and the global average."""
        globally, windows = self.mode in ("both", "global"), self.mode != "global"
        width = 2.0 + 1.7 * windows + 1.75 * globally
        made = plot.figure(width, 2.15 * len(stack) + 0.1)
        for row, (before, after) in enumerate(zip(stack, pooled, strict=True)):
            top, left = 2.15 * row + 0.35, 0.1
            axes = plot.place(made, left, top, 1.65, 1.65)
            _grid(axes, before, f"feature map {row + 1}", float(stack.max()))
            if windows:
                self._outline(axes, 0, 0)
                words = self._words(before, after)
                self._after(made, left + 1.75, top + 0.38, after, float(stack.max()), words)
            if globally:
                self._global(made, left + 1.75 + 1.75 * windows, top + 0.5, before, float(stack.max()))
        return made

    def _large(self, stack: Tensor, pooled: Tensor) -> Figure:
        """Large maps as pictures, with one place of each zoomed until its numbers can be read."""
        globally, windows = self.mode in ("both", "global"), self.mode != "global"
        wide = 2.7
        tall = min(wide * stack.shape[1] / stack.shape[2], 2.7)
        step = max(tall, 1.95) + 0.5
        made = plot.figure(3.0 + 5.75 * windows + 1.45 * globally, step * len(stack))
        for row, (before, after) in enumerate(zip(stack, pooled, strict=True)):
            top, limit = step * row + 0.32, plot.bright(before)
            axes = plot.place(made, 0.1, top, wide, tall)
            _show(axes, before, limit, f"feature map {row + 1}: {before.shape[0]}×{before.shape[1]}")
            if windows:
                self._zoom(made, axes, top, before, after)
                share = after.shape[1] / before.shape[1]
                axes = plot.place(made, 6.9, top, max(wide * share, 0.05), max(tall * share, 0.05))
                _show(axes, after, limit, f"pooled: {after.shape[0]}×{after.shape[1]}")
            if globally:
                self._global(made, 3.0 + 5.75 * windows, top + 0.5, before, limit)
        return made

    def _zoom(self, made: Figure, axes: Any, top: float, before: Tensor, after: Tensor) -> None:
        """The windows around the strongest pooled answer: outlined in the map, and as numbers beside it."""
        best = divmod(int(after.argmax()), after.shape[1])
        y, x = (max(0, min(b, side - 2)) for b, side in zip(best, after.shape, strict=True))
        small = after[y : y + 2, x : x + 2]
        rows, columns = ((n - 1) * self.stride + self.window for n in small.shape)
        y0, x0 = y * self.stride, x * self.stride
        room = max(0.0, before.shape[1] / 22 - columns) / 2
        corner, sides = (x0 - 0.5 - room, y0 - 0.5 - room), (columns + 2 * room, rows + 2 * room)
        axes.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=ORANGE, linewidth=1.8))
        zoomed = before[y0 : y0 + rows, x0 : x0 + columns]
        place = plot.place(made, 3.15, top, 1.65, 1.65)
        _grid(
            place, zoomed, f"rows {y0}–{y0 + rows - 1}, columns {x0}–{x0 + columns - 1}", float(zoomed.max())
        )
        self._outline(place, (best[0] - y) * self.stride, (best[1] - x) * self.stride)
        cell = best[0] - y, best[1] - x
        window = before[best[0] * self.stride :, best[1] * self.stride :][: self.window, : self.window]
        words = self._words(window, after[best[0] :, best[1] :])
        self._after(made, 4.9, top + 0.38, small, float(zoomed.max()), words, cell)

    def _after(
        self,
        made: Figure,
        left: float,
        top: float,
        after: Tensor,
        limit: float,
        words: str,
        cell: Any = (0, 0),
    ) -> None:
        plot.place(made, left, top, 0.4, 0.9).annotate(
            "", (1, 0.5), (0, 0.5), arrowprops={"arrowstyle": "-|>", "color": "#68686f"}
        ).axes.axis("off")
        axes = plot.place(made, left + 0.5, top, 0.95, 0.95)
        _grid(
            axes,
            after,
            f"{'average' if self.mode == 'average' else 'max'} {self.window}×{self.window}",
            limit,
        )
        axes.add_patch(
            Rectangle(cell[::-1], 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.4, clip_on=False)
        )
        axes.text(0, 1.08 * after.shape[0], words, fontsize=8, va="top", color="#B34700")

    def _global(self, made: Figure, left: float, top: float, before: Tensor, limit: float) -> None:
        axes = plot.place(made, left + 0.25, top, 0.62, 0.62)
        _grid(axes, before.mean()[None, None], "global average", limit)
        total, nodes = float(before.sum()), before.numel()
        axes.text(0, 1.15, f"sum {total:,.5g}\n÷ {nodes:,} nodes", fontsize=8, va="top", color="#4a4a52")

    def _outline(self, axes: Any, y: int, x: int) -> None:
        axes.add_patch(
            Rectangle(
                (x, y), self.window, self.window, fill=False, edgecolor=ORANGE, linewidth=2.4, clip_on=False
            )
        )

    def _words(self, before: Tensor, after: Tensor) -> str:
        """'1, 9, 5, 4 → 9' for the upper left window."""
        numbers = before[: self.window, : self.window].flatten().tolist()
        if len(numbers) > 4:
            what = "average" if self.mode == "average" else "largest"
            return f"{what} of {len(numbers)} → {float(after[0, 0]):{_digits(before)}}"
        digits = _digits(before)
        return ", ".join(format(n, digits) for n in numbers) + f" → {float(after[0, 0]):{digits}}"

    def _caption(self, stacks: Tensor, pooled: Tensor) -> str:
        count = stacks.shape[1]
        size = "×".join(map(str, stacks.shape[2:]))
        line = f"A stack of {count} maps of {size} "
        if self.mode != "global":
            small = "×".join(map(str, pooled.shape[2:]))
            line += f"becomes a stack of {count} maps of {small}"
        if self.mode in ("both", "global"):
            line += f"{'; by global average it ' if self.mode == 'both' else ''}becomes a vector of {count} numbers"
        return line + "."

    def _notes(self, images: Images | None, stacks: Tensor) -> tuple[str, ...]:
        lines = []
        if images is not None:
            lines.append(
                "The maps are the lesson's four 4×4 edge kernels on the picture in grey, after ReLU."
            )
        rest = [(side - self.window) % self.stride for side in stacks.shape[2:]]
        if any(rest) and self.mode != "global":
            lines.append(
                f"Left out, because they fill no window: {rest[0]} of the rows, {rest[1]} of the columns."
            )
        if len(stacks) > MOST_DRAWN:
            lines.append(f"Drawn are the first {MOST_DRAWN} of {len(stacks):,} pictures; `values` has all.")
        return tuple(lines)


def pool(stacks: Float[Tensor, "n k h w"], mode: str, window: int, stride: int) -> Float[Tensor, "n k h2 w2"]:
    """Every map by itself: "max" (also "both"), "average" or "global"."""
    if mode == "global":
        return stacks.mean((2, 3), keepdim=True)
    if window > min(stacks.shape[2:]):
        size = "×".join(map(str, stacks.shape[2:]))
        raise InputError(
            f"a window of {window}×{window} does not fit into a map of {size}; take a smaller one"
        )
    return (F.avg_pool2d if mode == "average" else F.max_pool2d)(stacks, window, stride)


def edge_maps(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 4 h2 w2"]:
    """The stack of feature maps that the lesson's four edge kernels and ReLU make of pictures."""
    if min(pixels.shape[2:]) < 4:
        size = "×".join(map(str, pixels.shape[2:]))
        raise InputError(f"4×4 edge kernels do not fit into a picture of {size}; take a larger one")
    weights = torch.stack([kernel.weights for kernel in kernels("lesson")])
    return F.conv2d(fit_pixels(draw.visible(pixels), None, 1), weights).relu()


def _grid(axes: Any, numbers: Tensor, name: str, limit: float) -> None:
    most, digits = max(numbers.shape), _digits(numbers)
    longest = max(len(format(v, digits)) for v in numbers.flatten().tolist())
    inches = float(axes.get_position().width * axes.figure.get_figwidth())
    size = min(12.0, 88 * inches / most / max(longest, 2))
    plot.number_grid(axes, numbers, limit=limit or 1.0, size=size if most <= MOST_CELLS else 0, digits=digits)
    axes.set_anchor("NW")
    axes.set_title(name, fontsize=9, loc="left")


def _digits(numbers: Tensor) -> str:
    """Whole numbers as they are; others with two decimals, or one where the cells are small."""
    if bool((numbers == numbers.round()).all()):
        return ".3g"
    return ".2f" if max(numbers.shape) <= 4 else ".1f"


def _show(axes: Any, values: Tensor, limit: float, name: str) -> None:
    axes.imshow(values.numpy(), cmap="gray", vmin=0, vmax=limit, interpolation="antialiased")
    axes.set_title(name, fontsize=9, loc="left")
    axes.set(xticks=[], yticks=[], anchor="NW")


def _averages(stacks: Tensor, images: Images | None) -> Table:
    several = images is not None and len(images) > 1
    rows = []
    for i, stack in enumerate(stacks):
        name = (images.ids[i],) if images is not None and several else ()
        rows += [
            (*name, k + 1, float(m.sum()), m.numel(), float(m.mean()), float(m.max()))
            for k, m in enumerate(stack)
        ]
    names = ("map", "sum", "nodes", "average = sum ÷ nodes", "largest")
    return Table(
        columns=("picture", *names) if several else names,
        rows=tuple(rows),
        title="Each map as one number: global pooling",
    )
