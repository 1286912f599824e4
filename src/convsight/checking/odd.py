"""Which pictures are unlike the others before one asks what they show: dark, blurred, tiny, of another shape, grey?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.checking.finding import Finding
from convsight.checking.properties import Properties
from convsight.checking.subject import CheckedPictures

RARE = 0.05  # what more than this share of a set has is how the set looks, not an oddity
DARK, BRIGHT = 0.2, 0.9  # of the brightest twentieth of a dark picture, of the darkest of a burnt-out one
BLANK = 2 / 255  # standard deviation
GREY, COLOUR = 0.012, 0.05  # mean saturation of a grey picture; median saturation of a set in colour
FAR = 4.0  # robust standard deviations of sharpness below the median, and at most half of it: blurred
TINY = 0.5  # of the short side that pictures are shown at: a smaller file was enlarged twice or more
SHAPE = math.log(2)  # a shape is odd if it is twice or half as wide as the median one

Oddity = tuple[
    str, Bool[Tensor, " n"], list[str]
]  # its name, which pictures have it, and each one's sentence


def odd(subject: CheckedPictures, properties: Properties) -> Iterator[Finding]:
    """A row for each oddity of each picture."""
    for name, which, sentences in _oddities(subject, properties):
        share = float(which.float().mean())
        if share > RARE and int(which.sum()) > 1:
            continue
        for i in which.nonzero()[:, 0].tolist():
            yield Finding(
                subject.chosen.ids[i], "odd", subject.name(i), "", None, subject.chosen.splits[i], "",
                f"{name}: {sentences[i]}",
                "Look at it. To leave it out, add a row with its id and an empty label to relabel.csv.",
            )  # fmt: skip


def _oddities(subject: CheckedPictures, properties: Properties) -> Iterator[Oddity]:
    contrast = properties.of("contrast")
    dark, bright = (properties.of(f"brightness of the {end} parts") for end in ("brightest", "darkest"))
    blank = contrast < BLANK
    yield "Blank", blank, ["one plain colour."] * len(subject)
    yield "Dark", (dark < DARK) & ~blank, [f"95% of it is below {v:.0%} of white." for v in dark.tolist()]
    yield (
        "Burnt out",
        (bright > BRIGHT) & ~blank,
        [f"95% of it is above {v:.0%} of white." for v in bright.tolist()],
    )
    yield _blurred(properties.of("sharpness"), ~blank)
    saturation = properties.of("saturation")
    if float(saturation.median()) > COLOUR:
        words = [f"without colour, which the others have (saturation {s:.1%})." for s in saturation.tolist()]
        yield "Grey", (saturation < GREY) & ~blank, words
    yield from _of_files(subject, properties)


def _blurred(sharpness: Float[Tensor, " n"], there: Bool[Tensor, " n"]) -> Oddity:
    middle = float(sharpness[there].median()) if bool(there.any()) else 0.0
    spread = 1.4826 * float((sharpness[there] - middle).abs().median()) if bool(there.any()) else 0.0
    which = there & (sharpness < middle - FAR * spread) if spread else torch.zeros_like(there)
    # where sharpness varies much, four spreads reach below nothing: a quarter of the ordinary is blurred anyway
    which = (which & (sharpness < middle / 2)) | (there & (sharpness < middle / 4))
    words = [f"{s / max(middle, 1e-9):.0%} of the ordinary fine structure." for s in sharpness.tolist()]
    return "Blurred", which, words


def _of_files(subject: CheckedPictures, properties: Properties) -> Iterator[Oddity]:
    """What the file's own size says, before it was fitted to the others."""
    height, width = properties.of("height"), properties.of("width")
    known = ~height.isnan()
    if not bool(known.any()):
        return
    wanted = min(subject.data.size)
    sizes = [
        f"{h:.0f}×{w:.0f}" if h == h else "" for h, w in zip(height.tolist(), width.tolist(), strict=True)
    ]
    short = torch.minimum(height, width)
    yield (
        "Tiny",
        known & (short < TINY * wanted),
        [f"{size} pixels, shown at {subject.data.size[0]}×{subject.data.size[1]}." for size in sizes],
    )
    shape = (width / height).log()
    middle = float(shape[known].median())
    usual = f"{math.exp(middle):.2g} times as wide as high"
    yield (
        "Odd shape",
        known & ((shape - middle).abs() > SHAPE),
        [f"{size}; most are {usual}." for size in sizes],
    )
