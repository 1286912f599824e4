"""How do picture files and arrays become pixels in [0, 1], and go back to files?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.imaging.choosing import Bands, as_bands, as_channels, as_indices
from convsight.imaging.depth import in_unit_range, top_of, unit
from convsight.imaging.fitting import Loss, as_fit, as_size, cropped, fit_pixels, losses_in_words
from convsight.opening import Raw, gather
from convsight.picture import TRANSPARENT, Size, to_uint8, write_picture


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures of one size with values in [0, 1], perhaps labelled: what every technique looks at.

    pixels: float32 `n c h w` on the CPU, c = 1 (grey), 3 (RGB) or any other number; never normalised.
    labels: int64 `n` (class index) or float32 `n m` (positions in pixels), or None.
    classes: the class names the labels point into. ids: one name a picture, "0", "1", ... by default.
    notes: what a reader of results should know of how the pictures came to be: cut, padded, rescaled.
    bands: which channels are shown as red, green and blue where there are not 1 or 3; None shows their mean.

    Raises InputError for another shape, NaN, or values outside [0, 1].

    >>> images = Images(torch.zeros(2, 1, 28, 28), labels=torch.tensor([3, 5]))
    >>> len(images), images.size, images.channels, images[1].labels.tolist()
    (2, (28, 28), 1, [5])
    """

    pixels: Float[Tensor, "n c h w"]
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bands: Bands = None

    def __post_init__(self) -> None:
        pixels = self.pixels.detach().to("cpu", torch.float32)
        if pixels.ndim != 4 or 0 in pixels.shape[1:]:
            raise InputError(f"pixels must be n c h w with c 1 or more, not shape {tuple(self.pixels.shape)}")
        object.__setattr__(self, "bands", as_bands(self.bands, pixels.shape[1]))
        labels = _checked_labels(self.labels, len(pixels))
        ids = tuple(map(str, self.ids or range(len(pixels))))
        if len(ids) != len(pixels):
            raise InputError(f"{len(pixels)} pictures need as many ids, not {len(ids)}")
        classes = None if self.classes is None else tuple(map(str, self.classes))
        for name, value in (("pixels", in_unit_range(pixels)), ("labels", labels), ("ids", ids)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "classes", classes)

    @classmethod
    def open(
        cls,
        source: Any,
        *,
        size: int | Size | None = None,
        channels: int | None = None,
        fit: str = "crop",
        axes: str | None = None,
        bits: int | None = None,
        bands: Sequence[int] | str | None = None,
    ) -> Images:
        """Pictures from a file, a folder, a list of anything here, an array, a tensor or a PIL image.

        size: (h, w) or one number for a square. None keeps full resolution, and then all pictures must have
            one size.
        channels: 1 grey, 3 RGB, or how many there are (any number); None keeps grey if all are grey, otherwise
            makes all RGB.
        fit: how a picture of another shape comes to `size` (bilinear, antialiased). "crop" resizes the short
            side and keeps the centre, "pad" keeps the whole picture and puts black around it, "stretch" changes
            its proportions. `notes` name the pictures of which more than a fifth was cut away.
        axes: a letter of n, c, h, w for each axis of the arrays, such as "chw", where it is not to be guessed.
        bits: of whole-number pixels, 1 to 16; None takes 8 for uint8, and for uint16 the smallest of 12, 14 and 16
            that holds all values, which `notes` say.
        bands: the channels shown as red, green and blue of pictures with other than 1 or 3 channels.

        Files: EXIF rotation is applied, CMYK becomes RGB, of an animation the first frame is taken, colour
        profiles are ignored. Pages or bands of a TIFF are channels; more than 4 of them need the extra
        [tiff]. `.npy` and `.npz` hold arrays. Transparency (the fourth of 4 channels, in files and arrays) is laid
        on white unless channels=4 says that it is a channel like the others.
        Arrays: uint8, uint16, bool, or floats in [0, 1], as h w, h w c, c h w, n h w, n h w c or n c h w. 1, 3
        or 4 along an axis are taken for channels, other numbers where `channels` or `axes` say so; where
        a shape fits two layouts numpy arrays are read channels last, tensors channels first.

        Raises DataNotFound (no such file), DataError (not readable as a picture; says which file and why),
        InputError (values out of range, sizes that differ, no axis of channels).

        >>> Images.open(np.zeros((32, 48, 3), np.uint8), size=16).pixels.shape
        torch.Size([1, 3, 16, 16])
        >>> Images.open(np.zeros((20, 30, 12), np.float32), channels=12).pixels.shape
        torch.Size([1, 12, 20, 30])
        """
        parts = opened(source, channels, axes, bits)
        channels = channels or max(part.channels for part in parts)  # RGB if some are RGB and others grey
        sizes = sorted({part.size for part in parts})
        if len(sizes) > 1 and size is None:
            shown = ", ".join(f"{h}×{w}" for h, w in sizes[:4]) + (", ..." if len(sizes) > 4 else "")
            raise InputError(f"the pictures have {len(sizes)} sizes ({shown}); give size=(height, width)")
        joined = fitted(parts, as_size(size), channels, fit)
        return joined if bands is None else replace(joined, bands=bands)

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
        shown = {part.bands for part in parts}
        return cls(
            torch.cat([part.pixels for part in parts]),
            torch.cat(labels) if len(labels) == len(parts) else None,
            known.pop() if len(known) == 1 else None,
            ids if len(set(ids)) == len(ids) else (),
            tuple(dict.fromkeys(note for part in parts for note in part.notes)),
            shown.pop() if len(shown) == 1 else None,
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
            self.notes,
            self.bands,
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
        """1 for grey, 3 for RGB, or any other number."""
        return self.pixels.shape[1]

    def fit(self, size: int | Size | None = None, channels: int | None = None, fit: str = "crop") -> Images:
        """The pictures at another size (see `Images.open` for `fit`) and as grey (1) or RGB (3).

        `notes` say where more than a fifth of a picture is cut away. Raises InputError for channels that cannot
        be converted.
        """
        return fitted([self], as_size(size), channels, fit)

    def take_channels(self, channels: Sequence[int]) -> Images:
        """The pictures with these channels only, in this order, counted from 0.

        >>> Images(torch.rand(1, 12, 8, 8)).take_channels([3, 2, 1]).channels
        3
        """
        chosen = list(as_channels(channels, self.channels))
        return replace(self, pixels=self.pixels[:, chosen], bands=None)

    def save(self, path: str | Path) -> list[Path]:
        """Write one picture to a file named by `path`, or several into that folder as `00000.png`, ..."""
        path = Path(path)
        several = len(self) != 1 or not path.suffix
        files = [path / f"{i:05d}.png" for i in range(len(self))] if several else [path]
        if self.channels not in (1, 3):
            raise InputError(
                f"picture files hold 1 or 3 channels, not {self.channels}; take_channels([...]) chooses some, "
                "numpy.save keeps all"
            )
        for file, chw in zip(files, to_uint8(self.pixels), strict=True):
            write_picture(file, chw)
        return files


def as_images(
    images: Any, size: Size | None = None, channels: int | None = None, fit: str = "crop"
) -> Images:
    """`Images` at this size and in these channels, also made of anything else that `Images.open` takes."""
    if isinstance(images, Images):
        return images.fit(size, channels, fit)
    return Images.open(images, size=size, channels=channels, fit=fit)


def fitted(
    parts: Sequence[Images],
    size: Size | None,
    channels: int | None,
    fit: str = "crop",
    crop: float = 1.0,
    fill: float | Tensor = 0.0,
    colour: str = "black",
) -> Images:
    """Pictures of several sizes at one, joined; a note says where more than a fifth of a picture was lost.

    crop is the share of the side that stays after a network's own preprocessing has resized; it goes with
    fit="crop". fill and its name `colour` go with fit="pad".
    """
    crop = crop if as_fit(fit) == "crop" else 1.0
    wider = None if size is None else (round(size[0] / crop), round(size[1] / crop))
    small, losses = [], []
    for part in parts:
        pixels = fit_pixels(part.pixels, size if part.size == size else wider, channels, fit, fill)
        if size is not None:
            kept = 1.0 if part.size == size else crop
            losses += [Loss.of(_short(name), part.size, size, fit, kept) for name in part.ids]
            pixels = pixels if part.size == size else cropped(pixels, size)
        small.append(part if pixels is part.pixels else replace(part, pixels=pixels))
    joined = Images.concat(small)
    said = losses_in_words(losses, size, colour) if size is not None else ()
    return replace(joined, notes=(*joined.notes, *said)) if said else joined


def _short(name: str) -> str:
    return f"picture {name}" if name.isdigit() else Path(name).name or name


def opened(
    source: Any, channels: int | None = None, axes: str | None = None, bits: int | None = None
) -> list[Images]:
    """What `Images.open` joins: one `Images` for each file or array, at its own size."""
    raws = list(_raws(source, channels, axes))
    if not raws:
        raise InputError("no pictures were given; pass a file, a folder, an array or a list of them")
    top, said = top_of((raw.values for raw in raws if isinstance(raw, Raw)), bits)
    parts = [raw if isinstance(raw, Images) else _from_raw(raw, top, bits, channels) for raw in raws]
    names = [name for part, raw in zip(parts, raws, strict=True) for name in (raw.ids or [""] * len(part))]
    named = all(names) and len(set(names)) == len(names)
    if not named:
        parts = _numbered(parts)
    return [replace(parts[0], notes=(*parts[0].notes, *said)), *parts[1:]] if said else parts


def _raws(source: Any, channels: int | None, axes: str | None) -> Iterator[Images | Raw]:
    if isinstance(source, Images):
        yield source
    elif isinstance(source, (list, tuple)):
        for item in source:
            yield from _raws(item, channels, axes)
    else:
        yield from gather(source, channels, axes)


def _from_raw(raw: Raw, top: float | None, bits: int | None, channels: int | None) -> Images:
    pixels = in_unit_range(torch.from_numpy(np.ascontiguousarray(unit(raw.values, top, bits))))
    notes = raw.notes
    if pixels.shape[1] == 4 and channels != 4 and not raw.kept:
        pixels = pixels[:, :3] * pixels[:, 3:] + (1 - pixels[:, 3:])
        notes = (*notes, TRANSPARENT)
    return Images(pixels, ids=raw.ids, notes=notes)


def _numbered(parts: Sequence[Images]) -> list[Images]:
    """The parts with the ids 0, 1, ... through all of them."""
    starts = np.cumsum([0, *map(len, parts)])
    return [
        replace(part, ids=tuple(map(str, range(start, start + len(part)))))
        for part, start in zip(parts, starts[:-1].tolist(), strict=True)
    ]


def _checked_labels(labels: Any, n: int) -> Tensor | None:
    if labels is None:
        return None
    labels = torch.as_tensor(labels).detach().cpu()
    labels = labels.to(torch.float32 if labels.is_floating_point() or labels.ndim == 2 else torch.int64)
    if len(labels) != n or labels.ndim not in (1, 2):
        raise InputError(f"{n} pictures need labels of shape ({n},) or ({n}, m), not {tuple(labels.shape)}")
    return labels
