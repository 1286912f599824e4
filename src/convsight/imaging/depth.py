"""Which number is white? Whole-number pixels are divided by the range that their camera or scanner really uses."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from convsight.errors import InputError

TOLERANCE = 1e-4  # rounding that interpolation may leave outside [0, 1]; clamped away
USUAL_BITS = (12, 14, 16)  # of cameras, scanners and satellites that write 16-bit numbers


def top_of(arrays: Iterable[np.ndarray], bits: int | None = None) -> tuple[float | None, tuple[str, ...]]:
    """The number that is white in all 16-bit arrays together, and a note where it is not 65535.

    bits: 8 to 16, where it is known. Without it the smallest of 12, 14 and 16 bits that holds every value is
    taken. None if no array holds 16-bit numbers.

    >>> top_of([np.array([0, 4000], np.uint16)])[0], top_of([np.array([0, 5000], np.uint16)])[0]
    (4095.0, 16383.0)
    """
    if bits is not None and not 1 <= bits <= 16:
        raise InputError(f"bits must lie between 1 and 16, not {bits}")
    deep = [int(array.max()) for array in arrays if array.dtype == np.uint16 and array.size]
    if not deep:
        return None, ()
    return top_for(max(deep), bits)


def top_for(highest: int, bits: int | None = None) -> tuple[float, tuple[str, ...]]:
    """The same for 16-bit numbers whose largest is `highest`."""
    chosen = bits or next(b for b in USUAL_BITS if highest < 2**b)
    top = 2**chosen - 1
    if highest > top:
        raise InputError(f"pixels reach {highest:,}, which is more than bits={bits} hold (0..{top:,})")
    if chosen == 16 or bits is not None:
        return float(top), ()
    return float(top), (
        f"16-bit pixels reach {highest:,} at most: taken as {chosen}-bit data and divided by {top:,}; "
        "bits=16 divides by 65,535.",
    )


def unit(array: np.ndarray, top: float | None, bits: int | None = None) -> np.ndarray:
    """The array as float32 in [0, 1]; floats stay as they are. InputError for other whole numbers."""
    if array.dtype == np.bool_:
        return array.astype(np.float32)
    if array.dtype == np.uint8 and bits is None:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype == np.uint16 and bits is None:
        return (array / np.float64(top or 65535)).astype(np.float32)
    if array.dtype.kind in "iu" and bits is not None:
        return _known_depth(array, bits)
    if array.dtype.kind in "iu":
        raise InputError(
            f"whole-number pixels must be uint8 (0..255) or uint16 (0..65535), not {array.dtype} with "
            f"{_range(array)}; convert with .astype('uint8'), divide to [0, 1], or say bits=12"
        )
    if array.dtype.kind != "f":
        raise InputError(f"pixels are numbers, not {array.dtype}")
    return array.astype(np.float32)


def _known_depth(array: np.ndarray, bits: int) -> np.ndarray:
    top = 2**bits - 1
    if array.size and (int(array.min()) < 0 or int(array.max()) > top):
        raise InputError(f"pixels lie in {_range(array)}, where bits={bits} hold 0..{top:,}")
    return (array / np.float64(top)).astype(np.float32)


def _range(array: np.ndarray) -> str:
    return f"{int(array.min())}..{int(array.max())}" if array.size else "no values"


def in_unit_range(pixels: Tensor) -> Tensor:
    """The pixels, clamped to [0, 1] where rounding left it; InputError for NaN and other numbers."""
    if pixels.numel() == 0:
        return pixels
    low, high = (float(v) for v in torch.aminmax(pixels))
    if math.isnan(low) or math.isnan(high):
        raise InputError(
            f"pixels contain NaN ({int(pixels.isnan().sum())} values); numbers in [0, 1] are expected"
        )
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        hint = "divide by 255" if low >= 0 and high <= 255 else "undo the normalisation (x * std + mean)"
        raise InputError(f"pixels must lie in [0, 1], not {low:g}..{high:g}; {hint}")
    return pixels.clamp(0, 1) if low < 0 or high > 1 else pixels
