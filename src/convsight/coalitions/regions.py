"""Into which regions is a picture cut: a grid, superpixels, or those of a label image?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.errors import InputError, required
from convsight.images import Images
from convsight.picture import read_picture
from convsight.results.encoding import stored

SUPERPIXELS = "superpixels"
COUNT = 49  # superpixels that are asked for, as many as a 7×7 grid has regions
COMPACTNESS = 10.0  # scikit-image's default: how much nearness counts beside colour


@stored
@dataclass(frozen=True, eq=False)
class Labels:
    """A label image or a mask that the user drew; those with equal numbers have the same `repr`."""

    numbers: Int[Tensor, "*n h w"]

    def __repr__(self) -> str:
        array = np.ascontiguousarray(self.numbers.numpy())
        digest = hashlib.blake2b(array.tobytes(), digest_size=6).hexdigest()
        return f"labels {'×'.join(map(str, array.shape))} {digest}"


Regions = int | tuple[int, int] | str | Labels


def as_regions(given: Any) -> Regions:
    """What a user may write for regions, as something that can be kept: arrays become `Labels`."""
    if isinstance(given, (Tensor, np.ndarray)):
        numbers = torch.as_tensor(given)
        if numbers.is_floating_point() or numbers.ndim not in (2, 3):
            raise InputError(
                "a label image is whole numbers or True and False, h×w or n×h×w",
                given=f"{numbers.dtype} of shape {tuple(numbers.shape)}",
            )
        return Labels(numbers.long().cpu())
    if isinstance(given, list):
        return tuple(given)  # type: ignore[return-value]
    return given


def regions_of(given: Regions, images: Images) -> Int[Tensor, "n h w"]:
    """The number of the region of every pixel, from 0 on, for each picture."""
    n, size = len(images), images.size
    if isinstance(given, Labels):
        return numbered(given.numbers, n, size)
    if isinstance(given, str):
        if given == SUPERPIXELS:
            return torch.stack([superpixels(picture) for picture in images.pixels])
        return numbered(_opened(given), n, size)
    rows, columns = (given, given) if isinstance(given, int) else _pair(given)
    return grid(size, rows, columns).expand(n, -1, -1)


def grid(size: tuple[int, int], rows: int, columns: int) -> Int[Tensor, "h w"]:
    """Rectangles as equal as whole pixels allow, numbered row by row.

    >>> grid((4, 6), 2, 3)[0]
    tensor([0, 0, 1, 1, 2, 2])
    """
    for name, count, length in zip(("rows", "columns"), (rows, columns), size, strict=True):
        if not 1 <= count <= length:
            raise InputError(f"{count} {name} of regions in pictures of {length} px; give 1 to {length}")
    down, across = (torch.arange(s) * count // s for s, count in zip(size, (rows, columns), strict=True))
    return down[:, None] * columns + across


def numbered(labels: Tensor, n: int, size: tuple[int, int]) -> Int[Tensor, "n h w"]:
    """A label image (one for all pictures, or one each) with its labels counted from 0 in their order."""
    if tuple(labels.shape[-2:]) != size or (labels.ndim == 3 and len(labels) not in (1, n)):
        wanted, given = "×".join(map(str, size)), "×".join(map(str, labels.shape))
        raise InputError(
            f"labels of regions are {wanted}, as the network's pictures, one or {n}; given {given}"
        )
    found = torch.stack([_counted(image) for image in labels.reshape(-1, *size)])
    if int(found.amax((1, 2)).min()) < 1:
        raise InputError("a label image with one label is one region; give two regions or more")
    return found.expand(n, -1, -1)


def _counted(image: Tensor) -> Int[Tensor, "h w"]:
    return image.unique(return_inverse=True)[1]


def superpixels(picture: Float[Tensor, "c h w"], count: int = COUNT) -> Int[Tensor, "h w"]:
    """About `count` patches of one colour each (SLIC, Achanta et al. 2012, by scikit-image)."""
    skimage = required("skimage.segmentation", "segmentation", "regions='superpixels'", "scikit-image")
    found = skimage.slic(
        picture.permute(1, 2, 0).numpy().astype(np.float64), n_segments=count, compactness=COMPACTNESS,
        start_label=0, channel_axis=2, convert2lab=len(picture) == 3,
    )  # fmt: skip
    return _counted(torch.from_numpy(found))


def _pair(given: Any) -> tuple[int, int]:
    if not isinstance(given, tuple) or len(given) != 2 or not all(isinstance(v, int) for v in given):
        raise InputError(
            f"regions={given!r} is not possible",
            works="a number for a square grid, (rows, columns), 'superpixels', a label image or its file",
        )
    return given


def _opened(path: str) -> Tensor:
    """The colours of a file as labels: each colour is a region."""
    if not Path(path).expanduser().is_file():
        raise InputError(
            f"regions={path!r}: no such file",
            works="a number for a square grid, 4x6 for rows and columns, superpixels, or a label image's file",
        )
    colours = (read_picture(path) * 65535).round().long()
    return sum((channel << 16 * i for i, channel in enumerate(colours)), torch.zeros_like(colours[0]))
