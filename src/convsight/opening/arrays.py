"""Which axis of an array is which? Pictures lie in memory as h w c, c h w, n h w, n c h w, ..."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from convsight.errors import InputError
from convsight.opening.raw import Raw

KNOWN = (1, 3, 4)  # grey, RGB, RGBA: so many along an axis are taken for channels unasked


def from_array(
    array: np.ndarray, *, tensor: bool = False, channels: int | None = None, axes: str | None = None
) -> Raw:
    """The array as n c h w.

    axes: one letter of n, c, h, w for each axis, such as "hwc" or "nchw"; a missing n or c is an axis of one.
    channels: how many there are along the channel axis; 1, 3 and 4 are found without it. tensor: channels come
    first where both ends of the shape fit; otherwise they come last.

    Raises InputError where no axis can be the channels', and says what would tell.
    """
    if array.size == 0 or array.ndim < 2:
        raise InputError(
            f"an array of shape {array.shape} is not a picture; expected h w, h w c, c h w, n c h w, ..."
        )
    if axes is not None:
        return Raw(_by_letters(array, axes), kept=True)
    if array.ndim == 2:
        return Raw(array[None, None])
    if array.ndim > 4:
        raise InputError(
            f"an array of shape {array.shape} is not a picture; expected h w, h w c, c h w, n c h w, ..."
        )
    return _by_size(array, tensor, channels)


def _by_letters(array: np.ndarray, axes: str) -> Shaped[np.ndarray, "n c h w"]:
    letters = axes.lower()
    if sorted(letters) != sorted(set(letters)) or not set("hw") <= set(letters) <= set("nchw"):
        raise InputError(f"axes={axes!r} must name each of h and w once, and perhaps n and c, such as 'chw'")
    if len(letters) != array.ndim:
        raise InputError(
            f"axes={axes!r} names {len(letters)} axes; the array of shape {array.shape} has {array.ndim}"
        )
    ordered = array.transpose([letters.index(letter) for letter in "nchw" if letter in letters])
    ordered = ordered if "n" in letters else ordered[None]
    return ordered if "c" in letters else ordered[:, None]


def _by_size(array: np.ndarray, tensor: bool, channels: int | None) -> Raw:
    batch = array if array.ndim == 4 else array[None]
    for count in (channels,) if channels not in (None, *KNOWN) else (channels, None):
        counts = KNOWN if count is None else (count,)
        first, last = batch.shape[1] in counts, batch.shape[3] in counts
        if last and (first is False or not tensor):
            return Raw(batch.transpose(0, 3, 1, 2), kept=count is not None)
        if first:
            return Raw(batch, kept=count is not None)
    if array.ndim == 3 and channels in (None, *KNOWN):
        return Raw(array[:, None], notes=_taken_for_stack(array.shape))
    raise InputError(_no_channels(array.shape, channels))


def _taken_for_stack(shape: tuple[int, ...]) -> tuple[str, ...]:
    n, h, w = shape
    return (
        f"An array of shape {shape} was read as {n} grey pictures of {h}×{w}; "
        "channels=… or axes='chw' reads it as one picture of several channels.",
    )


def _no_channels(shape: tuple[int, ...], channels: int | None) -> str:
    wanted = "1, 3 or 4 channels" if channels is None else f"{channels} channels"
    letters = "'nchw' or 'nhwc'" if len(shape) == 4 else "'chw' or 'hwc'"
    ways = f"axes={letters} says which axis they are on"
    if channels is None:
        ways = f"channels=… says how many there are, or {ways}"
    return f"an array of shape {shape} has no axis of {wanted}; {ways}"
