"""How do pictures become a sheet: tiles in a grid with title, captions, notes and a legend that says what colours mean?"""

from __future__ import annotations

import contextlib
import functools
import textwrap
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from convsight.results.draw import RGB, colours, enlarge, rgb
from convsight.results.encoding import stored

INK, GREY, PAPER, LINE = (28, 28, 32), (104, 104, 112), (255, 255, 255), (208, 208, 214)
RIGHT, WRONG = (0, 114, 60), (190, 40, 40)  # readable on white (WCAG AA) and apart for colour-blind eyes


_BARE: ContextVar[bool] = ContextVar("convsight_bare", default=False)


@contextlib.contextmanager
def without_words() -> Iterator[None]:
    """Sheets drawn inside leave title, caption, notes and footer to the page that shows them."""
    token = _BARE.set(True)
    try:
        yield
    finally:
        _BARE.reset(token)


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet with a line under it and, if it matters, a coloured frame."""

    rgb: RGB
    caption: str = ""
    colour: tuple[int, int, int] = GREY
    frame: tuple[int, int, int] | None = None


@stored
@dataclass(frozen=True)
class Legend:
    """A colour bar: what the colours of a sheet mean at its two ends."""

    low: str
    high: str
    signed: bool
    unit: str = ""
    grey: bool = False  # black to white through mid-grey instead of the map colours


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: it has −, ×, ² and Greek."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf" / name), size)


def wrap(text: str, width: int, face: ImageFont.FreeTypeFont) -> list[str]:
    """Lines of at most `width` pixels."""
    per_line = max(8, int(width / (face.getlength("abcdefghijklmnopqrstuvwxyz ") / 27)))
    return [line for block in text.splitlines() for line in (textwrap.wrap(block, per_line) or [""])]


def sheet(
    tiles: Sequence[Tile],
    columns: int,
    *,
    title: str = "",
    caption: str = "",
    notes: Sequence[str] = (),
    legend: Legend | None = None,
    row_labels: Sequence[str] = (),
    headings: Sequence[str] = (),
    footer: str = "",
    tile_px: int = 168,
) -> RGB:
    """Tiles in rows of `columns`, with title, caption, column headings, row labels, legend, notes, footer."""
    if _BARE.get():
        title, caption, notes, footer = "", "", (), ""
    pictures = [enlarge(tile.rgb, tile_px) for tile in tiles]
    cell_w = max((p.shape[1] for p in pictures), default=tile_px)
    cell_h = max((p.shape[0] for p in pictures), default=tile_px)
    captions = [fit_text(tile.caption, cell_w, font(12)) for tile in tiles]
    caption_h = 20 if any(captions) else 4
    gap, margin = 10, 2 if _BARE.get() else 16
    side = max((int(font(12).getlength(label)) for label in row_labels), default=0)
    side = min(side, 150) + 10 if row_labels else 0
    rows = -(-len(tiles) // columns)
    width = max(2 * margin + side + columns * (cell_w + gap) - gap, 200 if _BARE.get() else 460)
    head = _text_block(width - 2 * margin, title, caption)
    foot = _foot_block(width - 2 * margin, legend, notes, footer)
    heading_h = 22 if headings else 0
    height = margin + head.height + heading_h + rows * (cell_h + caption_h + gap) + foot.height + margin
    page = Image.new("RGB", (width, height), PAPER)
    page.paste(head, (margin, margin))
    pen = ImageDraw.Draw(page)
    top = margin + head.height
    if len(headings) == columns:  # one a column: none may run into the next
        headings = [fit_text(text, cell_w, font(12, bold=True)) for text in headings]
    for c, text in enumerate(headings):
        pen.text((margin + side + c * (cell_w + gap), top), text, fill=INK, font=font(12, bold=True))
    top += heading_h
    for i, (tile, picture, text) in enumerate(zip(tiles, pictures, captions, strict=True)):
        row, column = divmod(i, columns)
        x, y = margin + side + column * (cell_w + gap), top + row * (cell_h + caption_h + gap)
        page.paste(Image.fromarray(picture), (x, y))
        if tile.frame:
            pen.rectangle(
                (x, y, x + picture.shape[1] - 1, y + picture.shape[0] - 1), outline=tile.frame, width=3
            )
        pen.text((x, y + cell_h + 3), text, fill=tile.colour, font=font(12))
    for row, label in enumerate(row_labels):
        y = top + row * (cell_h + caption_h + gap)
        pen.multiline_text(
            (margin, y + 4), "\n".join(wrap(label, side - 8, font(12))), fill=INK, font=font(12)
        )
    page.paste(foot, (margin, height - margin - foot.height))
    return np.asarray(page)


def fit_text(text: str, width: int, face: ImageFont.FreeTypeFont) -> str:
    """The text, shortened with an ellipsis to `width` pixels."""
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _text_block(width: int, title: str, caption: str) -> Image.Image:
    lines = [
        (line, font(16, bold=True), INK, 24) for line in wrap(title, width, font(16, bold=True)) if title
    ]
    lines += [(line, font(12), GREY, 17) for line in wrap(caption, width, font(12)) if caption]
    return _lines(width, lines, below=10 if lines else 0)


def _foot_block(width: int, legend: Legend | None, notes: Sequence[str], footer: str) -> Image.Image:
    lines = [(line, font(12), INK, 17) for note in notes for line in wrap(note, width, font(12))]
    lines += [(line, font(10), GREY, 14) for line in (wrap(footer, width, font(10)) if footer else [])]
    text = _lines(width, lines, below=0)
    if legend is None:
        return text
    bar = legend_bar(legend, width)
    both = Image.new("RGB", (width, bar.height + text.height), PAPER)
    both.paste(bar, (0, 0))
    both.paste(text, (0, bar.height))
    return both


def legend_bar(legend: Legend, width: int) -> Image.Image:
    ramp = torch.linspace(-1 if legend.signed else 0, 1, 180)[None].expand(10, -1)
    x = int(font(12).getlength(legend.low)) + 6
    after = x + 187 + int(font(12).getlength(legend.high)) + 14
    beside = after + font(12).getlength(legend.unit) <= width
    below = [] if beside else wrap(legend.unit, width, font(12))
    bar = Image.new("RGB", (width, 30 + 17 * len(below)), PAPER)
    pen = ImageDraw.Draw(bar)
    pen.text((0, 4), legend.low, fill=INK, font=font(12))
    shown = rgb((ramp[None] + 1) / 2) if legend.grey else colours(ramp, legend.signed, 1.0)
    bar.paste(Image.fromarray(shown), (x, 6))
    pen.rectangle((x, 6, x + 180, 16), outline=LINE)
    pen.text((x + 187, 4), legend.high, fill=INK, font=font(12))
    if beside:
        pen.text((after, 4), legend.unit, fill=GREY, font=font(12))
    for i, line in enumerate(below):
        pen.text((0, 24 + 17 * i), line, fill=GREY, font=font(12))
    return bar


def _lines(width: int, lines: Sequence[tuple], below: int) -> Image.Image:
    height = sum(line[3] for line in lines) + below
    block = Image.new("RGB", (width, max(height, 1)), PAPER)
    pen, y = ImageDraw.Draw(block), 0
    for text, face, fill, step in lines:
        pen.text((0, y), text, fill=fill, font=face)
        y += step
    return block


def stack(pictures: Sequence[RGB]) -> RGB:
    """Pages one below the other on white, left-aligned."""
    width = max(p.shape[1] for p in pictures)
    padded = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in pictures]
    return np.concatenate(padded)
