"""From wherever pictures are: files, folders, arrays, tensors and PIL images become numbers n c h w."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convsight.errors import DataNotFound, InputError
from convsight.opening.arrays import from_array
from convsight.opening.files import read_raw
from convsight.opening.raw import Raw
from convsight.picture import bands, folder_hint, picture_files

__all__ = ["Raw", "gather", "is_picture"]


def gather(source: Any, channels: int | None = None, axes: str | None = None) -> list[Raw]:
    """Every picture of one file, folder, array, tensor or PIL image, in order; those of one array stay together.

    channels and axes are those of `Images.open`. Raises DataNotFound, DataError (a file), InputError.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if path.is_dir():
            return [read_raw(file, channels, axes) for file in _files_in(path)]
        raw = read_raw(path, channels, axes)
        return [replace(raw, ids=(str(source),)) if len(raw.ids) == 1 else raw]
    if isinstance(source, Image.Image):
        values, notes = bands(source, channels)
        name = Path(str(getattr(source, "filename", "") or "")).name
        return [Raw(values[None], (name,) if name else (), notes, kept=len(values) == channels)]
    if isinstance(source, (np.ndarray, np.generic, Tensor)):
        tensor = isinstance(source, Tensor)
        return [from_array(_numpy(source), tensor=tensor, channels=channels, axes=axes)]
    raise InputError(
        f"cannot make pictures from {type(source).__name__}",
        given=type(source).__name__,
        works="pass a file, a folder, an array, a tensor, a PIL image or a list of them",
    )


def is_picture(source: Any) -> bool:
    """Whether the source is a PIL image."""
    return isinstance(source, Image.Image)


def _files_in(folder: Path) -> list[Path]:
    files = picture_files(folder)
    if not files:
        raise DataNotFound(
            f"no pictures directly in the folder {folder}", given=folder, works=folder_hint(folder)
        )
    return files


def _numpy(array: Any) -> np.ndarray:
    if not isinstance(array, Tensor):
        return np.asarray(array)
    array = array.detach().cpu()
    return array.to(torch.float32).numpy() if array.is_floating_point() else array.numpy()
