"""What is in a folder of IDX files, the format of MNIST and Fashion-MNIST?"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from convsight.errors import DataError

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def find_idx(folder: Path) -> dict[str, Path] | None:
    """The four files by official name, gzipped or not, in the folder or its `raw`; None unless all are."""
    for place in (folder, folder / "raw", folder / "FashionMNIST" / "raw"):
        found = {
            name: path
            for pair in FILES.values()
            for name in pair
            for path in (place / name, place / f"{name}.gz")
            if path.is_file()
        }
        if len(found) == 4:
            return found
    return None


def read_idx_split(
    paths: dict[str, Path], split: str
) -> tuple[UInt8[Tensor, "n 1 h w"], Int64[Tensor, " n"]]:
    """Pixels and labels of "train" or "test"; DataError if they do not belong together."""
    images, labels = (read_idx(paths[name]) for name in FILES[split])
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
        raise DataError(
            f"{paths[FILES[split][0]]} holds {tuple(images.shape)} and the labels {tuple(labels.shape)}; "
            "expected n h w and as many labels"
        )
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels.astype(np.int64))


def read_idx(path: Path) -> np.ndarray:
    """The array of one IDX file of unsigned bytes: 0, 0, 8, number of axes, their lengths, the bytes."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it and try again") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise DataError(f"{path}: not an IDX file of bytes (it begins with {data[:4].hex(' ') or 'nothing'})")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], offset=4))
    body = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if body.size != np.prod(shape, dtype=np.int64):
        raise DataError(f"{path}: says it holds {shape}, but has {body.size} bytes; it is damaged")
    return body.reshape(shape).copy()
