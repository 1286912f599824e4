"""How do arrays become pictures: colours, overlays, outlines, the bytes of an image file?"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped, UInt8
from PIL import Image
from torch import Tensor

from convsight.imaging.choosing import PAGES, Bands

UNSIGNED, SIGNED = "magma", "RdBu_r"
RGB = UInt8[np.ndarray, "h w 3"]


_BANDS: ContextVar[Bands] = ContextVar("convsight_bands", default=None)


@contextlib.contextmanager
def showing(bands: Bands) -> Iterator[None]:
    """Pictures of other than 1 or 3 channels that are drawn inside show these (see `choosing.as_bands`)."""
    token = _BANDS.set(bands if bands is not None else _BANDS.get())
    try:
        yield
    finally:
        _BANDS.reset(token)


@functools.cache
def _lut(name: str) -> np.ndarray:
    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def limit_of(values: Tensor, share: float = 1.0) -> float:
    """Where a colour scale ends: the largest magnitude (or that which a `share` of the values stays below).

    It is 1 for a map that is zero everywhere, and the largest magnitude where that of the `share` is zero.
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


def mosaic(tiles: Shaped[Tensor, "n c h w"], columns: int, blank: float = 1.0) -> Shaped[Tensor, "c h2 w2"]:
    """Tiles side by side in rows of `columns`, with no gap; what is left of the last row is `blank`."""
    full = F.pad(tiles, (0, 0, 0, 0, 0, 0, 0, -len(tiles) % columns), value=blank)
    return full.unflatten(0, (-1, columns)).permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)


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


def png(picture: RGB) -> bytes:
    """The bytes of a PNG file."""
    return _file(Image.fromarray(picture), "PNG", compress_level=6)


def scale_png(index: np.ndarray, signed: bool) -> bytes:
    """A PNG file with one byte a pixel, its place 0 … 255 on the scale of `colours`; made in a sixth of RGB's time."""
    picture = Image.fromarray(index, "P")
    picture.putpalette(_lut(SIGNED if signed else UNSIGNED).tobytes())
    return _file(picture, "PNG", compress_level=1)


def webp(picture: RGB, quality: int = 80) -> bytes:
    """The bytes of a WebP file, a fifth of the PNG's: for thumbnails; quality 0 … 100."""
    return _file(Image.fromarray(picture), "WEBP", quality=quality, method=4)


def gif(frames: Sequence[RGB], fps: float) -> bytes:
    """The bytes of an endless animation."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
    return _file(first, "GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)


def _file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
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
