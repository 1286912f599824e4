"""Which pictures and which channels do a user's numbers mean?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convsight.errors import InputError

PAGES = "pages"
Bands = tuple[int, ...] | str | None  # a str is PAGES


def as_bands(bands: Sequence[int] | str | None, channels: int) -> Bands:
    """How pictures of other than 1 or 3 channels are shown: as these channels, as grey pages, or as their mean.

    bands: the channels shown as red, green and blue, or the one shown as grey; "pages" for a grey page a channel,
    side by side; None for the mean of all.

    >>> as_bands([3, 2, 1], channels=12)
    (3, 2, 1)
    """
    if bands is None:
        return None
    if isinstance(bands, str):
        if bands != PAGES:
            raise InputError(
                f"bands={bands!r} is not possible; give channel numbers, or 'pages' for all in grey"
            )
        return PAGES
    chosen = as_channels(bands, channels)
    if len(chosen) not in (1, 3):
        raise InputError(
            f"bands={chosen} must name 3 channels (shown as red, green, blue) or 1 (shown as grey)"
        )
    return chosen


def as_channels(chosen: Sequence[int], channels: int) -> tuple[int, ...]:
    """Channel numbers as a tuple; InputError for one that is not there."""
    numbers = tuple(chosen)
    if not numbers or not all(isinstance(number, int) and 0 <= number < channels for number in numbers):
        raise InputError(f"no channels {numbers!r}; there are {channels}, numbered 0 to {channels - 1}")
    return numbers


def as_indices(index: int | slice | Sequence[int] | Tensor, n: int) -> Tensor:
    """Any way of choosing among n things as int64 indices; InputError outside -n..n-1."""
    if isinstance(index, slice):
        return torch.arange(n)[index.start : index.stop] if index.step is None else _stepped(index, n)
    chosen = torch.as_tensor([index] if isinstance(index, int) else index)
    if chosen.dtype == torch.bool:
        if chosen.shape != (n,):
            raise InputError(f"a mask over {n} pictures needs {n} entries, not shape {tuple(chosen.shape)}")
        return chosen.nonzero().flatten()
    chosen = chosen.reshape(-1).to(torch.int64)
    outside = chosen[(chosen < -n) | (chosen >= n)]
    if len(outside):
        raise InputError(f"no picture {int(outside[0])}; there are {n}, numbered 0 to {n - 1}")
    return chosen % max(n, 1)


def _stepped(index: slice, n: int) -> Tensor:
    return torch.tensor(range(*index.indices(n)), dtype=torch.int64)


def bands_in_words(bands: Bands, channels: int) -> str:
    """A note on how pictures of so many channels are shown; "" for grey and RGB, which need none."""
    if channels in (1, 3):
        return ""
    have = f"The pictures have {channels} channels: shown"
    if isinstance(bands, str):
        return f"{have} are all of them, a grey page each."
    if bands is None:
        return f"{have} is their mean, in grey; bands=(r, g, b) shows three of them, bands='pages' each."
    if len(bands) == 1:
        return f"{have} is channel {bands[0]}, in grey."
    return f"{have} are channels {bands[0]}, {bands[1]} and {bands[2]} as red, green and blue."
