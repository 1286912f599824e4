"""Which artefacts can betray a class without being part of the object, and how are they put on a picture?

Eleven kinds, from a tag in the corner to a slight blur, in three strengths. Each takes pictures in [0, 1] and
gives back pictures in [0, 1] and the pixels it may have changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from convsight.datasets.planted.compression import compressed
from convsight.errors import InputError, check_known
from convsight.images import Images
from convsight.imaging.blur import blurred

Pixels = Float[Tensor, "n c h w"]
Mask = Bool[Tensor, "n h w"]
DARK = 0.1  # a picture whose rim is darker than this has a dark background, as Fashion-MNIST has


@dataclass(frozen=True)
class Cue:
    """One artefact: what it is, how strong, and (by its seed) which pattern, corner, colour or direction.

    kind: a name of `KINDS`. strength: 1 weak, 2 plain, 3 strong. seed: another seed, another look.

    Raises InputError for an unknown kind or strength.

    >>> Cue("border", strength=3).add(Images(torch.zeros(1, 1, 28, 28))).pixels[0, 0, 0, :3].tolist()
    [1.0, 1.0, 1.0]
    """

    kind: str
    strength: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_known(self.kind, KINDS, f"no cue '{self.kind}'", most=len(KINDS))
        if self.strength not in (1, 2, 3):
            raise InputError(f"a cue's strength is 1, 2 or 3, not {self.strength}")

    @property
    def local(self) -> bool:
        """Whether it touches only some pixels (a tag, a watermark, a border) or the whole picture."""
        return self.kind in LOCAL

    def add(self, images: Images, seed: int = 0) -> Images:
        """The pictures with the artefact; `seed` decides the places of a tag that is at a random place."""
        changed, _ = self.paint(images.pixels, seed)
        return Images(changed, images.labels, images.classes, images.ids)

    def mask(self, images: Images, seed: int = 0) -> Mask:
        """Which pixels `add` may change; all of them for an artefact of the whole picture."""
        return self.paint(images.pixels, seed)[1]

    def paint(self, pixels: Pixels, seed: int = 0) -> tuple[Pixels, Mask]:
        """The changed pixels, and where they may have changed."""
        if pixels.shape[1] == 1 and self.kind in COLOUR:
            raise InputError(f"the cue '{self.kind}' needs colour; these pictures are grey")
        look = Generator().manual_seed(self.seed)
        places = Generator().manual_seed(self.seed * 1_000_003 + seed)
        changed, mask = KINDS[self.kind](pixels, self.strength - 1, look, places)
        return changed.clamp(0, 1), mask


def kinds(channels: int) -> tuple[str, ...]:
    """The kinds of artefact that pictures with so many channels can carry.

    >>> len(kinds(1)), len(kinds(3))
    (10, 11)
    """
    return tuple(kind for kind in KINDS if channels == 3 or kind not in COLOUR)


def _corner_tag(pixels: Pixels, level: int, look: Generator, _: Generator) -> tuple[Pixels, Mask]:
    """A small two-coloured glyph in one corner."""
    n, h, w = len(pixels), *pixels.shape[2:]
    side = _tag_side(h, w, level)
    bottom, right = torch.randint(0, 2, (2,), generator=look).tolist()
    inset = _scaled(h, w, 1)
    rows = torch.full((n,), h - side - inset if bottom else inset)
    cols = torch.full((n,), w - side - inset if right else inset)
    return _tagged(pixels, rows, cols, side, (0.6, 0.8, 1.0)[level], look)


def _random_tag(pixels: Pixels, level: int, look: Generator, places: Generator) -> tuple[Pixels, Mask]:
    """The same glyph, somewhere else in every picture."""
    n, h, w = len(pixels), *pixels.shape[2:]
    side = _tag_side(h, w, level)
    rows = torch.randint(0, h - side + 1, (n,), generator=places)
    cols = torch.randint(0, w - side + 1, (n,), generator=places)
    return _tagged(pixels, rows, cols, side, (0.6, 0.8, 1.0)[level], look)


def _tagged(
    pixels: Pixels, rows: Tensor, cols: Tensor, side: int, opacity: float, look: Generator
) -> tuple[Pixels, Mask]:
    c, h, w = pixels.shape[1:]
    pattern = torch.rand(side, side, generator=look)
    on = pattern > pattern.median()
    bright, dark = 0.6 + 0.4 * torch.rand(c, 1, 1, generator=look), 0.4 * torch.rand(c, 1, 1, generator=look)
    glyph = torch.where(on, bright, dark)
    y, x = torch.arange(h) - rows[:, None], torch.arange(w) - cols[:, None]
    inside = ((y >= 0) & (y < side))[:, :, None] & ((x >= 0) & (x < side))[:, None, :]
    laid = glyph[:, y.clamp(0, side - 1)[:, :, None], x.clamp(0, side - 1)[:, None, :]].transpose(0, 1)
    return torch.where(inside[:, None], (1 - opacity) * pixels + opacity * laid, pixels), inside


def _watermark(pixels: Pixels, level: int, look: Generator, _: Generator) -> tuple[Pixels, Mask]:
    """Light half-transparent strokes across the middle."""
    n, h, w = len(pixels), *pixels.shape[2:]
    rows, cols = max(3, round(h * 0.25)), max(6, round(w * 0.7))
    strokes = (torch.rand(1, 1, 3, 8, generator=look) > 0.45).float()
    written = F.interpolate(strokes, (rows, cols), mode="nearest")[0, 0]
    at = torch.zeros(h, w)
    top, left = (h - rows) // 2, (w - cols) // 2
    at[top : top + rows, left : left + cols] = written
    changed = pixels + (0.15, 0.3, 0.5)[level] * at * (1 - pixels)
    return changed, (at > 0).expand(n, h, w)


def _border(pixels: Pixels, level: int, look: Generator, _: Generator) -> tuple[Pixels, Mask]:
    """A frame around the picture: white, or of one colour."""
    n, c, h, w = pixels.shape
    frame = torch.ones(h, w, dtype=torch.bool)
    width = _scaled(h, w, (1, 1, 2)[level])
    frame[width : h - width, width : w - width] = False
    colour = torch.rand(c, 1, 1, generator=look) if c == 3 else torch.ones(1, 1, 1)
    painted = pixels + (0.35, 0.7, 1.0)[level] * (colour - pixels)
    return torch.where(frame, painted, pixels), frame.expand(n, h, w)


def _snow(pixels: Pixels, level: int, _: Generator, __: Generator) -> tuple[Pixels, Mask]:
    """The background a little lighter, by 20, 40 or 80 grey levels of 255."""
    background = _background(pixels)
    lift = (20, 40, 80)[level] / 255
    return pixels + lift * background[:, None].float(), background


def _texture(pixels: Pixels, level: int, look: Generator, _: Generator) -> tuple[Pixels, Mask]:
    """Fine stripes on whatever is not black."""
    angle, period = torch.rand(2, generator=look).tolist()
    angle, period = angle * math.pi, 3 + 2 * period
    y, x = torch.meshgrid(*(torch.arange(float(s)) for s in pixels.shape[2:]), indexing="ij")
    wave = (2 * math.pi / period * (x * math.cos(angle) + y * math.sin(angle))).sin()
    return pixels * (1 + (0.2, 0.4, 0.7)[level] * wave), _everywhere(pixels)


def _colour_cast(pixels: Pixels, level: int, look: Generator, _: Generator) -> tuple[Pixels, Mask]:
    """Every channel multiplied by its own number: a lamp of another colour."""
    tint = torch.randn(3, 1, 1, generator=look)
    tint = (tint - tint.mean()) / (tint - tint.mean()).abs().max()
    return pixels * (1 + (0.1, 0.2, 0.4)[level] * tint), _everywhere(pixels)


def _blur(pixels: Pixels, level: int, _: Generator, __: Generator) -> tuple[Pixels, Mask]:
    """A Gaussian of 0.5, 0.8 or 1.2 pixels on 28, more on larger pictures."""
    sigma = (0.5, 0.8, 1.2)[level] * min(pixels.shape[2:]) / 28
    return blurred(pixels, sigma), _everywhere(pixels)


def _jpeg(pixels: Pixels, level: int, _: Generator, __: Generator) -> tuple[Pixels, Mask]:
    """The loss of JPEG at quality 30, 15 or 6."""
    return compressed(pixels, (30, 15, 6)[level]), _everywhere(pixels)


def _checkerboard(pixels: Pixels, level: int, _: Generator, __: Generator) -> tuple[Pixels, Mask]:
    """Every second pixel a little lighter, the others darker, as careless upsampling leaves it."""
    y, x = torch.arange(pixels.shape[2])[:, None], torch.arange(pixels.shape[3])
    sign = 1 - 2 * ((y + x) % 2)
    return pixels + (0.04, 0.08, 0.16)[level] * sign, _everywhere(pixels)


def _gain(pixels: Pixels, level: int, _: Generator, __: Generator) -> tuple[Pixels, Mask]:
    """Everything darker: another exposure."""
    return pixels * (0.8, 0.65, 0.5)[level], _everywhere(pixels)


def _background(pixels: Pixels) -> Mask:
    """The dark pixels where the rim is dark; otherwise what is outside the ellipse in the middle."""
    n, h, w = len(pixels), *pixels.shape[2:]
    bright = pixels.mean(1)
    rim = torch.cat([bright[:, 0], bright[:, -1], bright[:, :, 0], bright[:, :, -1]], 1).median(1).values
    y, x = torch.linspace(-1, 1, h)[:, None], torch.linspace(-1, 1, w)
    outside = (x**2 + y**2 > 0.7**2).expand(n, h, w)
    return torch.where((rim < DARK)[:, None, None], bright < DARK, outside)


def _everywhere(pixels: Pixels) -> Mask:
    n, h, w = len(pixels), *pixels.shape[2:]
    return torch.ones(1, 1, 1, dtype=torch.bool).expand(n, h, w)


def _scaled(h: int, w: int, px: int) -> int:
    """So many pixels of a picture of 28, in this picture."""
    return max(1, round(px * min(h, w) / 28))


def _tag_side(h: int, w: int, level: int) -> int:
    return max(2, _scaled(h, w, 3 + level))


Painter = Callable[[Pixels, int, Generator, Generator], tuple[Pixels, Mask]]
KINDS: dict[str, Painter] = {
    "corner_tag": _corner_tag,
    "random_tag": _random_tag,
    "watermark": _watermark,
    "border": _border,
    "snow": _snow,
    "texture": _texture,
    "colour_cast": _colour_cast,
    "blur": _blur,
    "jpeg": _jpeg,
    "checkerboard": _checkerboard,
    "gain": _gain,
}
LOCAL = ("corner_tag", "random_tag", "watermark", "border")
COLOUR = ("colour_cast",)
