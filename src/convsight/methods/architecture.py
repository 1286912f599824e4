"""How is a network built: which blocks, of which shapes, and where are its weights and its work?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.colors
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from convsight.method import Method, knob
from convsight.network.blocks import Block, blocks
from convsight.network.classifier import Classifier
from convsight.results import plot
from convsight.results.kinds import Pictures, Table

COLOURS = {
    "input": "#AEB6C0", "convolution": "#4C9BD1", "unit": "#7B74BD", "pool": "#D9622B", "linear": "#2FA37C",
    "softmax": "#C774A4", "other": "#A39A2C",
}  # fmt: skip
WIDTH = 10.2  # inches of a row: 1000 pixels of a page, at 96 an inch
LETTER = 0.069  # inches of one letter of a label
MOST_SLABS = 4  # repeated blocks are drawn as so many slabs at most; the count is written


@dataclass(frozen=True)
class Architecture(Method):
    """How a network is built: its layers as the familiar blocks with their shapes, from picture to softmax.

    Each box is a stack of feature maps: its height and depth stand for the rows and columns of the maps, its
    thickness for their number (all on a logarithmic scale, so that 224×224×3 and 1×1×4096 fit on one page).
    Equal neighbours are drawn side by side once with ×n. Batch normalisation, dropout, padding and flattening
    belong to the block before them; activations are named in the legend.

    `group`: "auto" finds repeated units such as residual blocks, "layers" draws every convolution, "stages"
    draws one box for each map size.

    Returns Pictures with one drawing, also as vectors (`.svg`, `.save("net.svg")`). The part is the table of
    all layers: name, kind, output shape, weights, multiply-adds and receptive field. `cs.architecture(net)`
    needs no picture.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Flatten(),
    ...                  torch.nn.Linear(4 * 36, 2)), input_size=8, channels=1)
    >>> [b.kind for b in blocks(net)]
    ['input', 'convolution', 'linear', 'softmax']
    """

    title = "Architecture"
    kind = Pictures
    source = "drawn after Simonyan & Zisserman 2014, arXiv:1409.1556 (VGG-16)"

    group: str = knob("auto", "how layers are put together", choices=("auto", "layers", "stages"))

    def compute(self, net: Classifier) -> Pictures:
        found = blocks(net, self.group)
        figure = draw_blocks(found)
        return Pictures(
            title=f"Architecture of {net.name}",
            images=plot.as_pixels(figure)[None],
            columns=1,
            caption=_summary(net),
            notes=("Sides and thickness are logarithmic. Shapes are rows × columns × channels.",),
            svg=plot.svg(figure),
            parts=(layer_table(net, channels_last=True),),
        )


@dataclass(frozen=True)
class Box:
    """A block at its place: left edge of its slabs, their thickness and number, height, depth (inches)."""

    block: Block
    left: float
    thick: float
    slabs: int
    tall: float
    depth: float
    slot: float

    @property
    def wide(self) -> float:
        return self.slabs * self.thick + (self.slabs - 1) * 0.05


def draw_blocks(found: Sequence[Block]) -> Figure:
    """The figure: rows of boxes, each with its name above and its shape below, and a legend."""
    rows = _rows(_boxes(found))
    above, below = [max(map(_above, row)) for row in rows], [max(map(_below, row)) for row in rows]
    tall = sum(above) + sum(below) + 0.45
    made = plot.figure(WIDTH + 0.2, tall)
    axes = plot.place(made, 0, 0, WIDTH + 0.2, tall)
    axes.set(xlim=(0, WIDTH + 0.2), ylim=(tall, 0))
    axes.axis("off")
    for i, row in enumerate(rows):
        middle = sum(above[: i + 1]) + sum(below[:i])
        _draw_row(axes, row, middle, last=i == len(rows) - 1)
    _legend(axes, found, tall - 0.2)
    return made


def _above(box: Box) -> float:
    """Inches from the middle of a box to the top of its name."""
    arc = 0.16 * (box.wide + 0.5 * box.depth) + 0.1 if box.block.skip else 0.0
    return (box.tall + 0.6 * box.depth) / 2 + 0.15 + arc + 0.145 * (1 + _name(box.block).count("\n"))


def _below(box: Box) -> float:
    return (box.tall + 0.6 * box.depth) / 2 + 0.55


def _boxes(found: Sequence[Block]) -> list[Box]:
    """Thinner slabs if that makes one row of them all."""
    for thin in (1.0, 0.85, 0.7, 0.55):
        boxes = [_box(block, max(found[0].size), thin) for block in found]
        if sum(box.slot for box in boxes) <= WIDTH - 0.3:
            return boxes
    return [_box(block, max(found[0].size), 1.0) for block in found]


def _box(block: Block, largest: int, thin: float) -> Box:
    def extent(side: int) -> float:
        return 0.26 + 1.7 * math.log(side) / math.log(max(largest, 2))

    tall, depth = extent(block.size[0]), 0.3 * extent(block.size[1])
    slabs = min(block.count, MOST_SLABS)
    thick = thin * (0.05 + 0.042 * math.log2(1 + block.channels))
    if block.kind in ("pool", "softmax"):
        thick = min(thick, 0.16 * thin)
    thick = thick if slabs == 1 else max(0.09, thick * 0.62)
    words = max(len(line) for line in [*_name(block).split("\n"), *block.label.split("\n")])
    wide = slabs * thick + (slabs - 1) * 0.05 + 0.5 * depth
    return Box(block, 0.0, thick, slabs, tall, depth, max(wide + 0.14, words * LETTER + 0.08))


def _name(block: Block) -> str:
    times = f" ×{block.count}" if block.count > 1 else ""
    return block.title + times + (f"\n{block.weighted} layers" if block.kind == "unit" else "")


def _rows(boxes: list[Box]) -> list[list[Box]]:
    """As few rows as hold the boxes, about equally full, each spread over the width."""
    count = math.ceil(sum(box.slot for box in boxes) / (WIDTH - 0.3))
    share = sum(box.slot for box in boxes) / count
    rows: list[list[Box]] = [[]]
    for box in boxes:
        used = sum(b.slot for b in rows[-1])
        over = used + box.slot > WIDTH - 0.3 or (used + box.slot / 2 > share and len(rows) < count)
        if rows[-1] and over:
            rows.append([])
        rows[-1].append(box)
    return [_spread(row) for row in rows]


def _spread(row: list[Box]) -> list[Box]:
    free = min(0.8, (WIDTH - 0.3 - sum(box.slot for box in row)) / len(row))
    placed, left = [], 0.15
    for box in row:
        inset = (box.slot + free - box.wide - 0.5 * box.depth) / 2
        placed.append(
            Box(box.block, left + inset, box.thick, box.slabs, box.tall, box.depth, box.slot + free)
        )
        left += box.slot + free
    return placed


def _draw_row(axes: Any, row: list[Box], middle: float, last: bool) -> None:
    first, end = row[0], row[-1]
    stop = end.left + end.wide if last else WIDTH + 0.1
    axes.plot((first.left, stop), (middle, middle), color="#9aa2ab", linewidth=1.2, zorder=0)
    for i, box in enumerate(row):
        top = middle - (box.tall - 0.6 * box.depth) / 2
        for slab in range(box.slabs):
            place = box.left + slab * (box.thick + 0.05)
            _slab(axes, place, top, box, 1 + i + 0.1 * slab)
        _words(axes, box, top)


def _slab(axes: Any, left: float, top: float, box: Box, order: float) -> None:
    """A cuboid seen from the front right: front, top (lighter) and right face (darker)."""
    dx, dy = 0.5 * box.depth, 0.6 * box.depth
    right, bottom, colour = left + box.thick, top + box.tall, COLOURS[box.block.kind]
    faces = (
        ([(left, top), (right, top), (right, bottom), (left, bottom)], colour),
        ([(left, top), (left + dx, top - dy), (right + dx, top - dy), (right, top)], _mixed(colour, 1.0)),
        (
            [(right, top), (right + dx, top - dy), (right + dx, bottom - dy), (right, bottom)],
            _mixed(colour, 0.0),
        ),
    )
    for corners, face in faces:
        axes.add_patch(Polygon(corners, facecolor=face, edgecolor="white", linewidth=0.6, zorder=order))


def _mixed(colour: str, white: float) -> tuple[float, ...]:
    """The colour a third of the way to white (1) or black (0)."""
    return tuple(0.68 * c + 0.32 * white for c in matplotlib.colors.to_rgb(colour))


def _words(axes: Any, box: Box, top: float) -> None:
    centre = box.left + (box.wide + 0.5 * box.depth) / 2
    above = top - 0.6 * box.depth - 0.07
    if box.block.skip:
        ends = (box.left - 0.04, above), (box.left + box.wide + 0.5 * box.depth + 0.04, above)
        arc = FancyArrowPatch(*ends, connectionstyle="arc3,rad=-0.35", arrowstyle="-|>", mutation_scale=8)
        arc.set(color="#68686f", linewidth=1.0, zorder=50)
        axes.add_patch(arc)
        above -= 0.16 * (ends[1][0] - ends[0][0]) + 0.05
    axes.text(centre, above, _name(box.block), ha="center", va="bottom", fontsize=8.5, linespacing=1.1)
    below = box.left + box.wide / 2 if box.depth > 0.2 else centre
    label = {"ha": "center", "va": "top", "fontsize": 8.5, "linespacing": 1.1, "color": "#3a3a42"}
    axes.text(below, top + box.tall + 0.07, box.block.label, **label)


def _legend(axes: Any, found: Sequence[Block], y: float) -> None:
    names = {
        "convolution": "convolution",
        "unit": "block of layers",
        "pool": "pooling",
        "linear": "fully connected",
        "softmax": "",  # softmax or sigmoid, as the block is called
        "other": "other",
    }
    x = 0.3
    for kind, name in names.items():
        here = [block for block in found if block.kind == kind]
        if not here:
            continue
        activations = sorted({block.activation for block in here if block.activation})
        text = (name or here[0].title) + "".join(f" + {activation}" for activation in activations[:2])
        axes.add_patch(Rectangle((x, y - 0.09), 0.18, 0.18, facecolor=COLOURS[kind]))
        axes.text(x + 0.25, y, text, va="center", fontsize=9)
        x += 0.5 + 0.075 * len(text)
    if any(block.skip for block in found):
        arc = FancyArrowPatch(
            (x, y + 0.07), (x + 0.3, y + 0.07), connectionstyle="arc3,rad=-0.5", arrowstyle="-|>"
        )
        arc.set(color="#68686f", linewidth=1.0, mutation_scale=8)
        axes.add_patch(arc)
        axes.text(x + 0.37, y, "skip connection", va="center", fontsize=9)


def layer_table(net: Classifier, channels_last: bool = False) -> Table:
    """Kind, output shape, parameters, multiply-adds and receptive field of every layer, and the sums.

    Output shapes are c×h×w as PyTorch keeps them, or with `channels_last` h×w×c as textbooks write them.
    """
    layers = net.layers.values()
    rows: list[tuple] = []
    for layer in layers:
        shape, field = layer.output_shape, "×".join(map(str, layer.receptive_field))
        if channels_last:
            shape = (*shape[1:], shape[0])
        rows.append((layer.name, layer.kind, "×".join(map(str, shape)), layer.parameters, layer.macs, field))
    rows.append(("total", "", "", _weights(net), sum(layer.macs for layer in layers), ""))
    output = "output, h×w×c" if channels_last else "output"
    columns = ("layer", "kind", output, "parameters", "MACs", "receptive field, px")
    return Table(columns=columns, rows=tuple(rows), title=f"Layers of {net.name}")


def _weights(net: Classifier) -> int:
    return sum(p.numel() for p in net.module.parameters())


def _summary(net: Classifier) -> str:
    layers = net.layers.values()
    weighted = sum(layer.macs > 0 for layer in layers)
    work = sum(layer.macs for layer in layers)
    picture = "×".join(map(str, (*net.input_size, net.channels)))
    ends = net.answers
    return (
        f"From a picture of {picture} to {ends}: {weighted} layers with weights, "
        f"{_weights(net):,} weights, {_short(work)} multiply-adds a picture."
    )


def _short(number: int) -> str:
    for size, word in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return str(number)
