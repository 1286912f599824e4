"""Pictures to learn from: `dataset(source)` gives them with their splits, from wherever they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from convsight.datasets.base import Dataset, Split
from convsight.datasets.drawn import drawn_garments
from convsight.datasets.fashion_mnist import fashion_mnist, from_idx
from convsight.datasets.idx import find_idx
from convsight.errors import DataNotFound, InputError, closest
from convsight.images import as_size
from convsight.picture import Size

__all__ = ["Dataset", "Split", "available", "dataset"]

NAMED: dict[str, tuple[Callable[..., Dataset], str]] = {
    "fashion-mnist": (fashion_mnist, "70,000 photos of clothing, 10 classes, 28×28 grey"),
    "drawn-garments": (drawn_garments, "the same classes, drawn by us: 28×28 grey, needs no download"),
    "drawn-garments-colour": (partial(drawn_garments, colour=True), "the same, 64×64 in colour"),
}


def dataset(
    source: Any,
    *,
    size: int | Size | None = None,
    channels: int | None = None,
    seed: int = 0,
    validation: float | None = None,
    limit: int | None = None,
    **options: Any,
) -> Dataset:
    """A data set with train, validation and test splits, from a name, a folder, a file or arrays.

    source: one of `available()`; or a folder of IDX files.
    size: (h, w) or a number, in pixels: every picture is resized to cover it and its centre cropped.
    channels: 1 grey, 3 RGB. seed: which pictures are held out.
    validation: how many training pictures to keep out for choosing, a fraction below 1 or a number, every
    class in proportion. limit: at most so many pictures of every split, for a quick look.
    options: what the source itself takes, such as path= for fashion-mnist or n_train= for
    drawn garments.

    Raises DataNotFound (unknown name, nothing there), DataError (there, but not usable), InputError.
    """
    if validation is not None:
        options["validation"] = validation
    opened = _open(source, seed=seed, **options)
    return opened.limited(limit, seed).fit(as_size(size), channels)


def available() -> list[tuple[str, str]]:
    """The data sets known by name: (name, one-line description)."""
    return [(name, description) for name, (_, description) in NAMED.items()]


def _open(source: Any, **options: Any) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"a data set cannot be made of {type(source).__name__}")
    if str(source) in NAMED:
        return NAMED[str(source)][0](**options)
    path = Path(source).expanduser()
    if path.is_dir() and (files := find_idx(path)):
        if "fashion" in path.resolve().name.lower():
            return fashion_mnist(path, **options)
        return from_idx(files, path.name, None, **options)
    raise DataNotFound(f"no data set {str(source)!r}; {closest(str(source), NAMED)}")
