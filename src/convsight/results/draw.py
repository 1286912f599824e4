"""How do arrays become pictures: colours, overlays, tiles in a grid, a legend that says what they mean?"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from convsight.imaging.choosing import PAGES, Bands
from convsight.results.encoding import stored

INK, GREY, PAPER, LINE = (28, 28, 32), (104, 104, 112), (255, 255, 255), (208, 208, 214)
RIGHT, WRONG = (0, 114, 60), (190, 40, 40)  # readable on white (WCAG AA) and apart for colour-blind eyes
UNSIGNED, SIGNED = "magma", "RdBu_r"
RGB = UInt8[np.ndarray, "h w 3"]


_BARE: ContextVar[bool] = ContextVar("convsight_bare", default=False)


@contextlib.contextmanager
def without_words() -> Iterator[None]:
    """Sheets drawn inside leave title, caption, notes and footer to the page that shows them."""
    token = _BARE.set(True)
    try:
        yield
    finally:
        _BARE.reset(token)


_BANDS: ContextVar[Bands] = ContextVar("convsight_bands", default=None)


@contextlib.contextmanager
def showing(bands: Bands) -> Iterator[None]:
    """Pictures of other than 1 or 3 channels that are drawn inside show these (see `choosing.as_bands`)."""
    token = _BANDS.set(bands if bands is not None else _BANDS.get())
    try:
        yield
    finally:
        _BANDS.reset(token)


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
def _lut(name: str) -> np.ndarray:
    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def limit_of(values: Tensor, share: float = 1.0) -> float:
    """Where a colour scale ends: the largest magnitude (or that which a `share` of the values stays below).

    It is 1 for a map that is zero everywhere, and the largest magnitude if only the few others are not zero.
    """
    sizes = values[values.isfinite()].abs().flatten().float()
    if not sizes.numel():
        return 1.0
    largest, rank = float(sizes.max()), math.ceil(share * (len(sizes) - 1)) + 1
    top = largest if rank == len(sizes) else float(sizes.kthvalue(rank).values)
    return top or largest or 1.0


def colours(values: Float[Tensor, "h w"], signed: bool, limit: float | None = None) -> RGB:
    """A colour per value: 0 … limit (dark to light), or −limit … limit (blue, white at 0, red) if signed."""
    limit = limit or limit_of(values)
    scaled = values.detach().float().cpu() / limit
    scaled = (scaled + 1) / 2 if signed else scaled
    index = (scaled.clamp(0, 1).nan_to_num(0.0) * 255).round().long().numpy()
    return _lut(SIGNED if signed else UNSIGNED)[index]


def rgb(pixels: Float[Tensor, "c h w"]) -> RGB:
    """Pixels in [0, 1] as 8-bit RGB; of other than 1 or 3 channels what `visible` shows."""
    seen = visible(pixels.detach().float().cpu()[None])[0]
    array = (seen.clamp(0, 1).nan_to_num(0.0) * 255).round().to(torch.uint8)
    return array.expand(3, -1, -1).permute(1, 2, 0).numpy().copy()


def visible(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
    """Pictures of 1 or 3 channels, whatever they had: the bands that `showing` names, or else their mean.

    A grey page for each channel makes a picture a grid of pages, of its own proportions.
    """
    channels, bands = pixels.shape[1], _BANDS.get()
    if channels in (1, 3):
        return pixels
    if bands == PAGES:
        return _pages(pixels)
    if bands is None or isinstance(bands, str) or max(bands) >= channels:
        return pixels.mean(1, keepdim=True)
    return pixels[:, list(bands)]


def in_rgb(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """What `visible` shows, at the pictures' own size, as red, green and blue; for pages their mean."""
    pages = _BANDS.get() == PAGES and pixels.shape[1] not in (1, 3)
    seen = pixels.mean(1, keepdim=True) if pages else visible(pixels)
    return seen.expand(-1, 3, -1, -1)


def _pages(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h2 w2"]:
    n, c, h, w = pixels.shape
    side = math.ceil(math.sqrt(c))
    line = max(1, h // 64)
    padded = F.pad(pixels, (0, line, 0, line, 0, side * side - c), value=1.0)  # white lines between the pages
    grid = padded.view(n, 1, side, side, h + line, w + line).transpose(3, 4)
    return grid.reshape(n, 1, side * (h + line), side * (w + line))[:, :, :-line, :-line]


def overlay(
    pixels: Float[Tensor, "c h w"],
    values: Float[Tensor, "h w"],
    signed: bool,
    opacity: float = 0.75,
    limit: float | None = None,
) -> RGB:
    """The picture in grey under the map's colours; where the map is zero the picture shows through."""
    values = values.detach().float().cpu()
    limit = limit or limit_of(values)
    strength = (values.abs() / limit).clamp(0, 1).sqrt()[..., None].numpy() * opacity
    below = rgb(pixels.mean(0, keepdim=True)).astype(np.float32)
    above = colours(values, signed, limit).astype(np.float32)
    return (below * (1 - strength) + above * strength).round().astype(np.uint8)


def outline(picture: RGB, mask: Tensor, colour: tuple[int, int, int] = (0, 200, 120), width: int = 1) -> RGB:
    """The picture with the border of a boolean mask h w drawn on it."""
    m = mask.float()[None, None]
    edge = (F.max_pool2d(m, 2 * width + 1, 1, width) - m)[0, 0] > 0
    out = picture.copy()
    out[edge.numpy()] = colour
    return out


def enlarge(picture: RGB, height: int) -> RGB:
    """Scaled to `height` pixels: whole-number nearest for small pictures, smooth when shrinking."""
    h, w = picture.shape[:2]
    if height >= h:
        factor = max(1, round(height / h))
        return picture.repeat(factor, 0).repeat(factor, 1)
    size = (max(1, round(w * height / h)), height)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


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


def png(picture: RGB) -> bytes:
    """The bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def scale_png(index: np.ndarray, signed: bool) -> bytes:
    """A PNG file of places 0 … 255 on the scale of `colours`: a byte a pixel, made in a sixth of RGB's time."""
    picture = Image.fromarray(index, "P")
    picture.putpalette(_lut(SIGNED if signed else UNSIGNED).tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def webp(picture: RGB, quality: int = 80) -> bytes:
    """The bytes of a WebP file, a fifth of the PNG's: for thumbnails; quality 0 … 100."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def gif(frames: Sequence[RGB], fps: float) -> bytes:
    """The bytes of an endless animation."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return buffer.getvalue()


def open_viewer(picture: RGB, title: str) -> Path | None:
    """Show a picture in the system's viewer (outside notebooks); without a display write a file and name it.

    The file is the title's words with .png in the folder for temporary files, and is what comes back.
    """
    if has_display():
        Image.fromarray(picture).show(title=title)
        return None
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "picture"
    number, path = tempfile.mkstemp(prefix=f"convsight-{words}-", suffix=".png")
    os.close(number)
    Image.fromarray(picture).save(path)
    print(f"no display to show it on; the picture is in {path}", file=sys.stderr)
    return Path(path)


def has_display() -> bool:
    """Whether a window can be opened: on Linux a display server must be named."""
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return named or sys.platform in ("darwin", "win32")


def number(value: float) -> str:
    """Three significant digits, with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")
