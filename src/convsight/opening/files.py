"""How is one file read: a picture, a TIFF of many bands, or an array in .npy or .npz?"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from convsight.errors import DataError, DataNotFound, InputError
from convsight.imaging.depth import top_of, unit
from convsight.opening.arrays import from_array
from convsight.opening.raw import Raw
from convsight.opening.tiff import beyond_pillow, read_tiff
from convsight.picture import Size, bands, opened, picture_header, read_picture

ARRAYS = (".npy", ".npz")
TIFFS = (".tif", ".tiff")
IN_NPZ = ("images", "image", "pixels", "x", "x_train", "train_images", "arr_0")  # the first one there is read


def read_raw(path: Path, channels: int | None = None, axes: str | None = None) -> Raw:
    """The picture or pictures in a file as it holds them; DataError or DataNotFound name the file.

    channels and axes tell how an array (.npy, .npz) lies, and that the 2 or 4 channels of a file are to be kept.
    """
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return _named(_read_array(path, channels, axes), path)
    if suffix in TIFFS and path.is_file():
        return _named(read_tiff(path, channels), path)
    with opened(path) as image:
        frames = image.n_frames if getattr(image, "is_animated", False) else 1  # type: ignore[attr-defined]
        values, notes = bands(image, channels)
    moving = (f"Of the {frames} frames of {path.name} the first was read.",) if frames > 1 else ()
    return _named(Raw(values[None], notes=(*notes, *moving), kept=len(values) == channels), path)


def _named(raw: Raw, path: Path) -> Raw:
    n = len(raw.values)
    return replace(raw, ids=(path.name,) if n == 1 else tuple(f"{path.name}#{i}" for i in range(n)))


def _read_array(path: Path, channels: int | None, axes: str | None) -> Raw:
    array, notes = _stored_array(path)
    try:
        raw = from_array(array, channels=channels, axes=axes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return replace(raw, notes=(*notes, *raw.notes))


def _stored_array(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False), ()
        with np.load(path, allow_pickle=False) as file:
            names = {name.lower(): name for name in file.files}
            chosen = next((names[known] for known in IN_NPZ if known in names), None)
            chosen = next(iter(file.files)) if chosen is None and len(file.files) == 1 else chosen
            if chosen is None:
                held = ", ".join(file.files) or "no arrays"
                raise DataError(
                    f"{path}: has {held}; the pictures' array must be called {' or '.join(IN_NPZ)}"
                )
            others = [name for name in file.files if name != chosen]
            left = (f"Of {path.name} only {chosen!r} was read, not {', '.join(others)}.",) if others else ()
            return file[chosen], left
    except FileNotFoundError:
        raise DataNotFound(f"there is no file {path}", given=path) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read as {path.suffix} ({error})", given=path) from error


@dataclass(frozen=True)
class Facts:
    """What can be told of a file before its pixels are needed: how it will be decoded."""

    size: Size
    channels: int
    deep: bool = False  # more than 8 bits a channel


def facts_of(path: Path, channels: int | None = None) -> Facts | None:
    """Size and channels of a file, mostly from its header alone; None if it cannot be read."""
    suffix = path.suffix.lower()
    if suffix not in (*ARRAYS, *TIFFS):
        header = picture_header(path, channels)
        return None if header is None else Facts(*header, deep=suffix == ".png" and _deep_png(path))
    try:
        if suffix in ARRAYS or beyond_pillow(path) or channels not in (None, 1, 3):
            values = read_raw(path, channels).values
            if len(values) != 1:
                return None
            return Facts((values.shape[2], values.shape[3]), values.shape[1], values.dtype != np.uint8)
    except (DataError, InputError):
        return None
    return _facts_of_tiff(path, channels)


def _deep_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(25)[24:25] == b"\x10"  # bit depth, PNG 3 section 11.2.1


def _facts_of_tiff(path: Path, channels: int | None) -> Facts | None:
    try:
        values = read_tiff(path, channels).values
    except DataError:
        return None
    return Facts((values.shape[2], values.shape[3]), values.shape[1], values.dtype != np.uint8)


def read_unit(path: Path, channels: int | None = None, top: float | None = None) -> np.ndarray:
    """One picture c h w as float32 in [0, 1]; 16-bit numbers are divided by `top`, or by their own range."""
    raw = read_raw(path, channels)
    if len(raw.values) != 1:
        raise DataError(
            f"{path}: holds {len(raw.values)} pictures, where a file of a data set holds one; if "
            f"they are the channels of one picture, say channels={len(raw.values)}"
        )
    values = raw.values[0]
    return unit(values, top if top is not None else top_of([values])[0])


__all__ = ["Facts", "facts_of", "read_picture", "read_raw", "read_unit"]
