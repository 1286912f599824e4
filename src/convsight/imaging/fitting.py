"""How does a picture of any size and shape come to fill the input of a network, and what is lost on the way?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError, check_known

Size = tuple[int, int]  # height, width

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as JPEG and Pillow's "L" use
WORTH_SAYING = 0.2  # the share of a picture that its shape may cost (or that may be padding) without a note
STRETCH_WORTH_SAYING = 1 / (1 - WORTH_SAYING)

Fit = Literal["crop", "pad", "stretch"]


def as_size(size: int | Sequence[int] | None) -> Size | None:
    """(h, w) from one number or two; InputError for anything else."""
    if size is None:
        return None
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(s, int) and s > 0 for s in both):
        raise InputError(f"size must be a number of pixels or (height, width), not {size!r}")
    return cast(Size, both)


def as_fit(fit: str) -> Fit:
    """The word itself; InputError for one that is not known."""
    check_known(fit, get_args(Fit), f"fit={fit!r} is not possible")
    return cast(Fit, fit)


def fit_pixels(
    pixels: Float[Tensor, "n c h w"],
    size: Size | None,
    channels: int | None,
    fit: str = "crop",
    fill: float | Float[Tensor, " c"] = 0.0,
) -> Float[Tensor, "n c h w"]:
    """Pixels at another size (bilinear, antialiased), and grey made RGB or RGB made grey.

    fit: "crop" resizes until `size` is just covered and keeps the centre, "pad" until the whole picture just
    fits inside and puts `fill` (a number, or one a channel) around it, "stretch" ignores the proportions.
    """
    if channels == 1 and pixels.shape[1] == 3:
        pixels = (pixels * torch.tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True).clamp(0, 1)
    if channels not in (None, pixels.shape[1]) and (channels, pixels.shape[1]) != (3, 1):
        raise InputError(channels_differ(pixels.shape[1], channels))
    h, w = pixels.shape[2:]
    if size is not None and size != (h, w):
        how = as_fit(fit)
        if how == "crop":
            pixels = cropped(_resized(pixels, _scaled((h, w), size, max)), size)
        elif how == "pad":
            pixels = _padded(_resized(pixels, _scaled((h, w), size, min)), size, fill)
        else:
            pixels = _resized(pixels, size)
    if channels == 3 and pixels.shape[1] == 1:
        pixels = pixels.repeat(1, 3, 1, 1)
    return pixels


def channels_differ(given: int, wanted: int | None) -> str:
    """What to say of pictures that have another number of channels than is wanted."""
    if wanted is not None and wanted < 1:
        return f"channels must be at least 1, not {wanted}"
    return (
        f"the pictures have {_channels(given)}, where {_channels(wanted or 0)} are wanted; only grey and RGB are "
        "converted into one another. Images.take_channels([0, 1, ...]) chooses some of them"
    )


def _channels(count: int) -> str:
    return {1: "1 channel (grey)", 3: "3 channels (RGB)"}.get(count, f"{count} channels")


def _scaled(of: Size, to: Size, choose: Callable[[Any, Any], Any]) -> Size:
    """`of` enlarged or shrunk in proportion until it covers `to` (max) or lies inside it (min)."""
    scale = choose(to[0] / of[0], to[1] / of[1])
    height, width = (max(1, round(side * scale)) for side in of)
    return (choose(to[0], height), choose(to[1], width))


def _resized(pixels: Tensor, size: Size) -> Tensor:
    if (pixels.shape[2], pixels.shape[3]) == size:
        return pixels
    return F.interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 1)


def cropped(pixels: Float[Tensor, "n c h w"], size: Size) -> Float[Tensor, "n c h w"]:
    """The middle `size` pixels of pictures that are at least as large."""
    top, left = (pixels.shape[2] - size[0]) // 2, (pixels.shape[3] - size[1]) // 2
    return pixels[:, :, top : top + size[0], left : left + size[1]]


def _padded(pixels: Tensor, size: Size, fill: float | Tensor) -> Tensor:
    n, c, h, w = pixels.shape
    colour = torch.as_tensor(fill, dtype=pixels.dtype).reshape(-1, 1, 1).expand(c, 1, 1)
    page = colour.expand(n, c, *size).clone()
    top, left = (size[0] - h) // 2, (size[1] - w) // 2
    page[:, :, top : top + h, left : left + w] = pixels
    return page


@dataclass(frozen=True)
class Loss:
    """What fitting one picture did to it: the share of it cut away, of the input that is padding, the stretch.

    `published` is the share that the network's own centre crop takes of every picture, as its publisher measured it.
    It is no reason for a note; a note comes where the shape of the picture costs more than a fifth of it.
    """

    name: str
    cut: float = 0.0
    sides: str = ""
    published: float = 0.0
    padding: float = 0.0
    stretch: float = 1.0

    @classmethod
    def of(cls, name: str, given: Size, size: Size, fit: str, crop: float = 1.0) -> Loss:
        """crop is the share of the side that a network's own preprocessing keeps after the resizing."""
        shape = (given[0] / given[1]) / (size[0] / size[1])  # above 1: the picture is too tall
        kept = min(shape, 1 / shape)
        if fit == "pad":
            return cls(name, padding=1 - kept)
        if fit == "stretch":
            return cls(name, stretch=1 / kept)
        sides = "top and bottom" if shape > 1 else "left and right" if shape < 1 else ""
        return cls(
            name, 1 - kept * crop**2, "all four sides" if crop < 1 or not sides else sides, 1 - crop**2
        )

    @property
    def amount(self) -> float:
        return max(self.cut, self.padding, self.stretch - 1)

    @property
    def worth_saying(self) -> bool:
        by_shape = 1 - (1 - self.cut) / (1 - self.published)
        return max(by_shape, self.padding) > WORTH_SAYING or self.stretch > STRETCH_WORTH_SAYING

    @property
    def words(self) -> str:
        if self.cut:
            return f"{self.name} {self.cut:.0%} ({self.sides})"
        return f"{self.name} {self.padding:.0%}" if self.padding else f"{self.name} {self.stretch:.1f}-fold"


def losses_in_words(losses: Sequence[Loss], size: Size, padding: str = "black") -> tuple[str, ...]:
    """One note on the pictures that lost more than a fifth (or are that much padding), or none.

    >>> losses_in_words([Loss.of("wide.png", (64, 192), (64, 64), "crop")], (64, 64))[0]
    'To fill 64×64, a picture lost more than a fifth: wide.png 67% (left and right). fit="pad" or "stretch" (--fit pad) keeps the whole picture.'
    """
    told = sorted((loss for loss in losses if loss.worth_saying), key=lambda loss: -loss.amount)
    if not told:
        return ()
    named = ", ".join(loss.words for loss in told[:4]) + (
        f" and {len(told) - 4} more" if len(told) > 4 else ""
    )
    of_all = f"{len(told)} of {len(losses)} pictures" if len(losses) > 1 else "a picture"
    to = f"{size[0]}×{size[1]}"
    if told[0].cut:
        own = (
            f" (of which {told[0].published:.0%} is the network's own centre crop)"
            if told[0].published
            else ""
        )
        return (
            f"To fill {to}, {of_all} lost more than a fifth: {named}{own}. "
            'fit="pad" or "stretch" (--fit pad) keeps the whole picture.',
        )
    if told[0].padding:
        return (f"More than a fifth of the {to} input is padding ({padding}) in {of_all}: {named}.",)
    return (f"Stretched to {to}, the proportions of {of_all} changed: {named}.",)
