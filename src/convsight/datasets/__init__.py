"""Pictures to learn from: `dataset(source)` gives them with their splits, from wherever they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convsight.datasets.arrays import from_arrays, from_npz
from convsight.datasets.base import Dataset, Split
from convsight.datasets.download import Progress
from convsight.datasets.drawn import drawn_garments
from convsight.datasets.fashion_mnist import fashion_mnist, from_idx
from convsight.datasets.idx import find_idx
from convsight.datasets.image_folder import image_folder
from convsight.datasets.locate import locate
from convsight.errors import DataNotFound, InputError, closest
from convsight.images import as_size
from convsight.picture import Size

__all__ = ["Dataset", "Split", "as_dataset", "available", "dataset"]

NAMED = {
    "fashion-mnist": "70,000 photos of clothing in 10 classes, 28×28 grey",
    "drawn-garments": "the same 10 classes drawn by us, 28×28 grey; needs no download",
    "drawn-garments-colour": "the same, 64×64 in colour",
    "locate": "Fashion-MNIST garments somewhere on a 48×48 canvas; predict where, in pixels",
    "locate-drawn": "the same with drawn garments; needs no download",
}
GARMENTS_OF = {"locate": "fashion-mnist", "locate-drawn": "drawn-garments"}


def dataset(
    source: Any,
    *,
    size: int | Size | None = None,
    channels: int | None = None,
    seed: int = 0,
    validation: float | int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Dataset:
    """A data set with train, validation and test splits, from a name, a folder, a file or arrays.

    source: one of `available()`; a folder `class/img` or `train|val|test/class/img`, or of IDX files; an .npz
        file; (pixels, labels), or {"train": (pixels, labels), "test": ...}. "locate:NAME" places the garments
        of fashion-mnist or drawn-garments on a canvas.
    size: (h, w) or a number, in pixels: every picture is resized to cover it and its centre cropped; of
        "locate" it is the canvas.
    channels: 1 grey, 3 RGB. seed: which pictures are held out, or what is drawn.
    validation: how many training pictures to keep out for choosing, a fraction below 1 or a number, every
        class in proportion. limit: at most so many pictures of every split, for a quick look.
    progress: called as (what, done, total) while files are downloaded (bytes) or read (pictures).
    options: what the source itself takes: path= (fashion-mnist), n_train= (drawn-garments), max_bad= (a
        folder), classes= (arrays), ...

    Raises DataNotFound (unknown name, nothing there), DataError (there, but not usable), InputError.

    >>> data = dataset("drawn-garments", limit=100)
    >>> len(data.train), data.train[0].pixels.shape
    (100, torch.Size([1, 1, 28, 28]))
    """
    size = as_size(size)
    options = {"seed": seed} | ({} if validation is None else {"validation": validation}) | options
    opened = _open(source, size, channels, limit, progress, options)
    return opened.limited(limit, seed).fit(size, channels)


def as_dataset(data: Any) -> Dataset:
    """A `Dataset` as it is, or what `dataset` makes of anything else."""
    return data if isinstance(data, Dataset) else dataset(data)


def available() -> list[tuple[str, str]]:
    """The data sets known by name: (name, one-line description)."""
    return list(NAMED.items())


def _open(
    source: Any,
    size: Size | None,
    channels: int | None,
    limit: int | None,
    progress: Progress | None,
    options: dict[str, Any],
) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if isinstance(source, (str, os.PathLike)):
        name = str(source)
        if name in GARMENTS_OF or name.startswith("locate:"):
            garments = GARMENTS_OF.get(name) or name.removeprefix("locate:")
            garments = _open(garments, None, None, limit, progress, options).limited(limit, options["seed"])
            return locate(garments, canvas=size or 48, seed=options["seed"])
        if name in ("drawn-garments", "drawn-garments-colour"):
            return drawn_garments(colour=name.endswith("colour"), limit=limit, **options)
        if name == "fashion-mnist":
            return fashion_mnist(progress=progress, **options)
        return _from_path(Path(source), size, channels, progress, options)
    if isinstance(source, Mapping) or (isinstance(source, tuple) and len(source) == 2):
        return from_arrays(source, **options)
    raise InputError(
        f"a data set cannot be made of {type(source).__name__}; pass a name, a folder, an .npz file or "
        "(pixels, labels)"
    )


def _from_path(
    path: Path,
    size: Size | None,
    channels: int | None,
    progress: Progress | None,
    options: dict[str, Any],
) -> Dataset:
    path = path.expanduser()
    if path.suffix.lower() == ".npz":
        return from_npz(path, **options)
    if not path.exists():
        raise DataNotFound(
            f"no data set and no folder {str(path)!r}; {closest(str(path), NAMED)}; or pass a folder of "
            "pictures (class/img), an .npz file or (pixels, labels)"
        )
    if not path.is_dir():
        raise DataNotFound(
            f"{path} is not a data set; expected a folder of pictures (class/img) or an .npz file"
        )
    if files := find_idx(path):
        if "fashion" in path.resolve().name.lower():
            return fashion_mnist(path, **options)
        return from_idx(files, path.resolve().name, None, **options)
    return image_folder(path, size=size, channels=channels, progress=progress, **options)
