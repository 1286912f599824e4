"""How do picture files and arrays become pixels in [0, 1], and go back to files?"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from convsight.errors import DataNotFound, InputError
from convsight.picture import Size, decode, folder_hint, picture_files, read_picture, to_uint8, write_picture

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as JPEG and Pillow's "L" use
TOLERANCE = 1e-4  # rounding that interpolation may leave outside [0, 1]; clamped away


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures of one size with values in [0, 1], perhaps labelled: what every technique looks at.

    pixels: float32 `n c h w` on the CPU, c = 1 (grey) or 3 (RGB); never normalised.
    labels: int64 `n` (class index) or float32 `n m` (positions in pixels), or None.
    classes: the class names the labels point into. ids: one name a picture, "0", "1", ... by default.

    Raises InputError for another shape, NaN, or values outside [0, 1].

    >>> images = Images(torch.zeros(2, 1, 28, 28), labels=torch.tensor([3, 5]))
    >>> len(images), images.size, images.channels, images[1].labels.tolist()
    (2, (28, 28), 1, [5])
    """

    pixels: Float[Tensor, "n c h w"]
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels.detach().to("cpu", torch.float32)
        if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape[2:]:
            raise InputError(f"pixels must be n c h w with c 1 or 3, not shape {tuple(self.pixels.shape)}")
        labels = _checked_labels(self.labels, len(pixels))
        ids = tuple(map(str, self.ids or range(len(pixels))))
        if len(ids) != len(pixels):
            raise InputError(f"{len(pixels)} pictures need as many ids, not {len(ids)}")
        classes = None if self.classes is None else tuple(map(str, self.classes))
        for name, value in (("pixels", _in_unit_range(pixels)), ("labels", labels), ("ids", ids)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "classes", classes)

    @classmethod
    def open(cls, source: Any, *, size: int | Size | None = None, channels: int | None = None) -> Images:
        """Pictures from a file, a folder, a list of anything here, an array, a tensor or a PIL image.

        size: (h, w) or one number for a square; the short side is resized (bilinear, antialiased) and the
            centre cropped. None keeps full resolution, and then all pictures must have one size.
        channels: 1 grey, 3 RGB; None keeps grey if all are grey, otherwise makes all RGB.

        Files: EXIF rotation is applied, transparency is laid on white, 16-bit grey is divided by 65535, CMYK
        becomes RGB, of an animation the first frame is taken, colour profiles are ignored. Arrays: uint8
        (0..255), uint16 (0..65535), bool, or floats in [0, 1], as h w, h w c, c h w, n h w, n h w c or
        n c h w; where a shape fits two of them numpy arrays are read channels last, tensors channels first.

        Raises DataNotFound (no such file), DataError (not readable as a picture; says which file and why),
        InputError (values out of range, sizes that differ).

        >>> Images.open(np.zeros((32, 48, 3), np.uint8), size=16).pixels.shape
        torch.Size([1, 3, 16, 16])
        """
        parts, ids = _gather(source)
        if not parts:
            raise InputError("no pictures were given; pass a file, a folder, an array or a list of them")
        channels = channels or max(part.channels for part in parts)
        parts = [part.fit(size, channels) for part in parts]
        sizes = sorted({part.size for part in parts})
        if len(sizes) > 1:
            shown = ", ".join(f"{h}×{w}" for h, w in sizes[:4]) + (", ..." if len(sizes) > 4 else "")
            raise InputError(f"the pictures have {len(sizes)} sizes ({shown}); give size=(height, width)")
        return replace(cls.concat(parts), ids=ids) if ids else cls.concat(parts)

    @classmethod
    def concat(cls, parts: Sequence[Images]) -> Images:
        """All pictures of several `Images` in order; labels stay if every part has them."""
        if len(parts) == 1:
            return parts[0]
        shapes = sorted({tuple(part.pixels.shape[1:]) for part in parts})
        if len(shapes) != 1:
            raise InputError(f"pictures of shapes {shapes} cannot be joined; .fit(size, channels) them first")
        labels = [part.labels for part in parts if part.labels is not None]
        known = {part.classes for part in parts}
        ids = tuple(name for part in parts for name in part.ids)
        return cls(
            torch.cat([part.pixels for part in parts]),
            torch.cat(labels) if len(labels) == len(parts) else None,
            known.pop() if len(known) == 1 else None,
            ids if len(set(ids)) == len(ids) else (),
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Images:
        """A selection, still `Images`: one by number, or several by slice, list, index or mask tensor."""
        chosen = as_indices(index, len(self))
        return Images(
            self.pixels[chosen],
            None if self.labels is None else self.labels[chosen],
            self.classes,
            tuple(self.ids[i] for i in chosen.tolist()),
        )

    def __iter__(self) -> Iterator[Images]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        labels = "" if self.labels is None else f", labels {tuple(self.labels.shape)}"
        return f"Images({len(self)} × {self.channels} × {self.size[0]} × {self.size[1]}{labels})"

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return (self.pixels.shape[2], self.pixels.shape[3])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.pixels.shape[1]

    def fit(self, size: int | Size | None = None, channels: int | None = None) -> Images:
        """The pictures at another size (short side resized, centre cropped) and as grey (1) or RGB (3)."""
        pixels = fit_pixels(self.pixels, as_size(size), channels)
        return self if pixels is self.pixels else replace(self, pixels=pixels)

    def save(self, path: str | Path) -> list[Path]:
        """Write one picture to a file named by `path`, or several into that folder as `00000.png`, ..."""
        path = Path(path)
        several = len(self) != 1 or not path.suffix
        files = [path / f"{i:05d}.png" for i in range(len(self))] if several else [path]
        for file, chw in zip(files, to_uint8(self.pixels), strict=True):
            write_picture(file, chw)
        return files


def as_images(images: Any) -> Images:
    """`Images` as they are, or what `Images.open` makes of anything else."""
    return images if isinstance(images, Images) else Images.open(images)


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


def as_size(size: int | Sequence[int] | None) -> Size | None:
    """(h, w) from one number or two; InputError for anything else."""
    if size is None:
        return None
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(s, int) and s > 0 for s in both):
        raise InputError(f"size must be a number of pixels or (height, width), not {size!r}")
    return cast(Size, both)


def fit_pixels(pixels: Float[Tensor, "n c h w"], size: Size | None, channels: int | None) -> Tensor:
    """Resize so that `size` is just covered (bilinear, antialiased), crop the centre, make grey or RGB."""
    if channels not in (None, 1, 3):
        raise InputError(f"channels must be 1 (grey) or 3 (RGB), not {channels!r}")
    if channels == 1 and pixels.shape[1] == 3:
        pixels = (pixels * torch.tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True).clamp(0, 1)
    h, w = pixels.shape[2:]
    if size is not None and size != (h, w):
        scale = max(size[0] / h, size[1] / w)
        cover = (max(size[0], round(h * scale)), max(size[1], round(w * scale)))
        pixels = F.interpolate(pixels, cover, mode="bilinear", antialias=True).clamp(0, 1)
        top, left = (cover[0] - size[0]) // 2, (cover[1] - size[1]) // 2
        pixels = pixels[:, :, top : top + size[0], left : left + size[1]]
    if channels == 3 and pixels.shape[1] == 1:
        pixels = pixels.repeat(1, 3, 1, 1)
    return pixels


def _gather(source: Any) -> tuple[list[Images], tuple[str, ...]]:
    if isinstance(source, Images):
        return [source], ()
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if path.is_dir():
            files = picture_files(path)
            if not files:
                raise DataNotFound(f"no pictures directly in the folder {path}; {folder_hint(path)}")
            return [Images(read_picture(f)[None]) for f in files], tuple(f.name for f in files)
        return [Images(read_picture(path)[None])], (str(source),)
    if isinstance(source, Image.Image):
        return [Images(decode(source)[None])], ()
    if isinstance(source, (np.ndarray, np.generic, Tensor)):
        return [_from_array(source)], ()
    if isinstance(source, (list, tuple)):
        gathered = [_gather(item) for item in source]
        ids = tuple(i for parts, names in gathered for i in (names or [""] * sum(map(len, parts))))
        parts = [part for some, _ in gathered for part in some]
        return parts, (ids if all(ids) and len(set(ids)) == len(ids) else ())
    raise InputError(
        f"cannot make pictures from {type(source).__name__}; pass a file, a folder, an array, a tensor, "
        "a PIL image or a list of them"
    )


def _from_array(array: Any) -> Images:
    channels_last = not isinstance(array, Tensor)
    tensor = array.detach().cpu() if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
    nchw = _to_nchw(tensor, channels_last)
    if nchw.dtype in (torch.uint8, torch.uint16, torch.bool):
        top = {torch.uint8: 255.0, torch.uint16: 65535.0, torch.bool: 1.0}[nchw.dtype]
        pixels = nchw.to(torch.float32) / top
    elif nchw.is_floating_point():
        pixels = _in_unit_range(nchw.to(torch.float32))
    else:
        low, high = (int(v) for v in torch.aminmax(nchw))
        raise InputError(
            f"whole-number pixels must be uint8 (0..255) or uint16 (0..65535), not {nchw.dtype} with "
            f"{low}..{high}; convert with .astype('uint8') or divide to [0, 1]"
        )
    if pixels.shape[1] == 4:
        pixels = pixels[:, :3] * pixels[:, 3:] + (1 - pixels[:, 3:])
    return Images(pixels)


def _to_nchw(tensor: Tensor, channels_last: bool) -> Tensor:
    shape = tuple(tensor.shape)
    if tensor.ndim == 2:
        return tensor[None, None]
    if tensor.ndim not in (3, 4) or tensor.numel() == 0:
        raise InputError(
            f"an array of shape {shape} is not a picture; expected h w, h w c, c h w, n c h w, ..."
        )
    first, last = shape[-3] in (1, 3, 4), shape[-1] in (1, 3, 4)
    batch = tensor if tensor.ndim == 4 else tensor[None]
    if last and (channels_last or not first):
        return batch.permute(0, 3, 1, 2)
    if first:
        return batch
    if tensor.ndim == 3:
        return tensor[:, None]
    raise InputError(f"an array of shape {shape} has no axis of 1 or 3 channels; expected n c h w or n h w c")


def _in_unit_range(pixels: Tensor) -> Tensor:
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


def _checked_labels(labels: Any, n: int) -> Tensor | None:
    if labels is None:
        return None
    labels = torch.as_tensor(labels).detach().cpu()
    labels = labels.to(torch.float32 if labels.is_floating_point() or labels.ndim == 2 else torch.int64)
    if len(labels) != n or labels.ndim not in (1, 2):
        raise InputError(f"{n} pictures need labels of shape ({n},) or ({n}, m), not {tuple(labels.shape)}")
    return labels


def _stepped(index: slice, n: int) -> Tensor:
    return torch.tensor(range(*index.indices(n)), dtype=torch.int64)
