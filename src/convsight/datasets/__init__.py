"""Pictures to learn from: `dataset(source)` gives them with their splits, from wherever they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from convsight.datasets.album import album
from convsight.datasets.arrays import from_arrays, from_npz
from convsight.datasets.base import Dataset, Split
from convsight.datasets.columns import COLUMNS, column_files, lay_out_columns
from convsight.datasets.download import Progress
from convsight.datasets.drawn import drawn_garments
from convsight.datasets.fashion_mnist import fashion_mnist, from_idx
from convsight.datasets.folder_layout import Layout
from convsight.datasets.huggingface import SCHEME, lay_out_huggingface
from convsight.datasets.idx import find_idx
from convsight.datasets.image_folder import image_folder
from convsight.datasets.listed import TABLES, lay_out_tables, tables_in
from convsight.datasets.locate import locate
from convsight.datasets.relabelled import relabelled
from convsight.datasets.scenes import cutout_scenes, drawn_scenes
from convsight.datasets.unlabelled import (
    as_files,
    common_shape,
    from_files,
    from_images,
    is_labelled_pair,
    is_plain,
)
from convsight.errors import DataNotFound, InputError, closest
from convsight.images import Images, as_images
from convsight.imaging.fitting import as_fit, as_size
from convsight.opening import is_picture
from convsight.picture import Size, picture_files

if TYPE_CHECKING:
    from convsight.network.classifier import Classifier

__all__ = ["Dataset", "Split", "as_dataset", "available", "dataset", "for_network"]

NAMED = {
    "fashion-mnist": "70,000 photos of clothing in 10 classes, 28×28 grey",
    "drawn-garments": "the same 10 classes drawn by us, 28×28 grey; needs no download",
    "drawn-garments-colour": "the same, 64×64 in colour",
    "drawn-scenes": "drawn animals where such animals live, 64×64 in colour; 95% of dogs stand in snow",
    "drawn-scenes-even": "the same, where no surroundings say anything of the animal",
    "locate": "Fashion-MNIST garments somewhere on a 48×48 canvas; predict where, in pixels",
    "locate-drawn": "the same with drawn garments; needs no download",
}
EVEN = 0.25  # a correlation that tells nothing where there are four kinds of surroundings
GARMENTS_OF = {"locate": "fashion-mnist", "locate-drawn": "drawn-garments"}


def dataset(
    source: Any,
    *,
    size: int | Size | None = None,
    channels: int | None = None,
    fit: str = "crop",
    bands: Sequence[int] | str | None = None,
    seed: int = 0,
    validation: float | int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    relabel: str | Path | None = None,
    **options: Any,
) -> Dataset:
    """A data set with train, validation and test splits, from a name, a folder, a file or arrays.

    source: one of `available()`; a folder `class/img` or `train|val|test/class/img`, or of IDX files; a .csv with a
        column of files and one or several of labels (or a folder with such a labels.csv); a .parquet or .arrow file
        (or a folder of them) with a column of pictures; "hf:FOLDER" as `datasets` writes with `save_to_disk`, or
        "hf:NAME" of Hugging Face's hub; an .npz file; (pixels, labels), or {"train": (pixels,
        labels), "test": ...}. A plain folder, a list of files, `Images`, PIL pictures or an array are data without
        labels: all of them are the test split. "locate:NAME" places the garments of fashion-mnist or
        drawn-garments on a canvas. "scenes:FOLDER" pastes cut-out objects on photographs of surroundings
        (`convsight.datasets.scenes.cutout_scenes`), with cues={class: surroundings} and correlation=.
    size: (h, w) or a number, in pixels; of "locate" it is the canvas. fit: how pictures of another shape come to
        it: "crop" covers it and keeps the centre, "pad" keeps the whole picture on black, "stretch" changes its
        proportions. `notes` name pictures of which more than a fifth is cut away.
    channels: 1 grey, 3 RGB, or how many there are. bands: which of them are shown as red, green and blue where
        there are not 1 or 3 ("pages": all of them). seed: which pictures are held out, or what is drawn.
    validation: how many training pictures to keep out for choosing, a fraction below 1 or a number, every
        class in proportion. limit: at most so many pictures of every split, for a quick look.
    progress: called as (what, done, total) while files are downloaded (bytes) or read (pictures).
    relabel: a CSV as `convsight check` writes it, with the columns id and label: labels are corrected by it, and pictures
        with an empty label left out; no file is touched.
    options: what the source itself takes: path= (fashion-mnist), n_train= (drawn-garments, drawn-scenes), correlation= and cues= (drawn-scenes), max_bad= (a
        folder), label= and file= (the columns of a table), config= (hf:NAME), classes=, axes= (arrays), bits= (16-bit data), ...

    Raises DataNotFound (unknown name, nothing there), DataError (there, but not usable), InputError.

    >>> data = dataset("drawn-garments", limit=100)
    >>> len(data.train), data.train[0].pixels.shape
    (100, torch.Size([1, 1, 28, 28]))
    """
    size = as_size(size)
    options = {"seed": seed} | ({} if validation is None else {"validation": validation}) | options
    opened = _open(source, Shape(size, channels, as_fit(fit)), limit, progress, options)
    opened = opened if relabel is None else relabelled(opened, relabel)
    fitted = opened.limited(limit, seed).fit(size, channels, fit)
    return fitted if bands is None else fitted.shown(bands)


def as_dataset(data: Any, net: Classifier | None = None, fit: str = "crop") -> Dataset:
    """A `Dataset` as it is, or what `dataset` makes of anything else, at the size and in the channels of `net`.

    Pictures of a network that crops what it resized keep their margin, which the network then cuts as it does with a
    single picture: neighbours of a picture in its own folder find it at distance 0.
    """
    if isinstance(data, Dataset):
        return data
    if net is None:
        return dataset(data, fit=fit)
    if not isinstance(data, (str, os.PathLike)) and as_files(data) is None and not is_labelled_pair(data):
        return from_images(net.fit(data, fit))
    crop = net.crop if fit == "crop" else 1.0
    size = (round(net.input_size[0] / crop), round(net.input_size[1] / crop))
    return for_network(data, net, size, fit)


def for_network(data: Any, net: Classifier, size: Size | None = None, fit: str = "crop") -> Dataset:
    """What `dataset` makes of a source for this network, at its input size and in its channels.

    A plain folder with a labels.csv whose classes are the network's is labelled by it.
    """
    size = size or net.input_size
    if isinstance(data, (str, os.PathLike)) and is_plain(folder := Path(data).expanduser()):
        return album(folder, net, size, fit)
    return dataset(data, size=size, channels=net.channels, fit=fit)


def available() -> list[tuple[str, str]]:
    """The data sets known by name: (name, one-line description)."""
    return list(NAMED.items())


@dataclass(frozen=True)
class Shape:
    """How large and in which channels pictures are asked for, and how others come to it."""

    size: Size | None = None
    channels: int | None = None
    fit: str = "crop"


def _open(
    source: Any, shape: Shape, limit: int | None, progress: Progress | None, options: dict[str, Any]
) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if isinstance(source, (str, os.PathLike)):
        name = str(source)
        if name in GARMENTS_OF or name.startswith("locate:"):
            garments = GARMENTS_OF.get(name) or name.removeprefix("locate:")
            garments = _open(garments, Shape(), limit, progress, options).limited(limit, options["seed"])
            return locate(garments, canvas=shape.size or 48, seed=options["seed"])
        if name in ("drawn-garments", "drawn-garments-colour"):
            return drawn_garments(colour=name.endswith("colour"), limit=limit, **options)
        if name in ("drawn-scenes", "drawn-scenes-even"):
            given = options if name == "drawn-scenes" else {"correlation": EVEN, **options}
            return drawn_scenes(limit=limit, **given)
        if name.startswith("scenes:"):
            return cutout_scenes(name.removeprefix("scenes:"), limit=limit, **options)
        if name == "fashion-mnist":
            return fashion_mnist(progress=progress, **options)
        if name.startswith(SCHEME):
            chosen = {key: options.pop(key) for key in ("config", "label", "file") if key in options}
            layout = lay_out_huggingface(name.removeprefix(SCHEME), **chosen)
            return _from_layout(layout, shape, progress, options)
        return _from_path(Path(source).expanduser(), shape, progress, options)
    if is_labelled_pair(source):
        return from_arrays(source, **asdict(shape), **options)
    return _unlabelled(source, shape)


def _unlabelled(source: Any, shape: Shape) -> Dataset:
    files = as_files(source)
    if files is not None:
        return _from_files(files, shape)
    if isinstance(source, (Images, np.ndarray, Tensor, list, tuple)) or is_picture(source):
        return from_images(as_images(source, **asdict(shape)))
    raise InputError(
        f"a data set cannot be made of {type(source).__name__}; pass a name, a folder, a .csv, .parquet or .npz file, "
        "(pixels, labels), or pictures without labels"
    )


def _from_files(files: Sequence[Any], shape: Shape, name: str = "pictures", *readers: Any) -> Dataset:
    """The files as data without labels, or whatever the `readers` (`read` and `facts_of`) take for files."""
    size, channels = common_shape(files, shape.size, shape.channels, *readers)
    return from_files(files, size, channels, shape.fit, name, *readers)


def _from_path(path: Path, shape: Shape, progress: Progress | None, options: dict[str, Any]) -> Dataset:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return from_npz(path, **asdict(shape), **options)
    if not path.exists():
        raise DataNotFound(
            f"no data set and no folder {str(path)!r}",
            given=path,
            works=f"{closest(str(path), NAMED)}; or pass a folder of pictures (class/img), a .csv, .parquet or .npz "
            "file, or (pixels, labels)",
        )
    if not path.is_dir() and suffix not in (*TABLES, *COLUMNS):
        raise DataNotFound(
            f"{path} is not a data set; expected a folder of pictures (class/img), or a .csv, .parquet, .arrow or "
            ".npz file"
        )
    if path.is_dir() and (files := find_idx(path)):
        if "fashion" in path.resolve().name.lower():
            return fashion_mnist(path, **options)
        return from_idx(files, path.resolve().name, None, **options)
    return _from_pictures(path, shape, progress, options)


def _from_pictures(path: Path, shape: Shape, progress: Progress | None, options: dict[str, Any]) -> Dataset:
    """Pictures in a table's columns, named by a CSV, in class folders, or in a plain folder."""
    columns = {name: options.pop(name) for name in ("label", "file") if name in options}
    if stored := column_files(path):
        return _from_layout(lay_out_columns(path, stored, **columns), shape, progress, options)
    tables = tables_in(path) if path.is_dir() else [path]
    if tables:
        return image_folder(lay_out_tables(tables, **columns), **asdict(shape), progress=progress, **options)
    if columns:
        raise InputError(f"{path} has no table with a column of files, so there is no {next(iter(columns))}=")
    if is_plain(path):
        return _from_files(picture_files(path), shape, path.resolve().name)
    return image_folder(path, **asdict(shape), progress=progress, **options)


def _from_layout(layout: Layout, shape: Shape, progress: Progress | None, options: dict[str, Any]) -> Dataset:
    """The data set of a table's rows; without labels all of them are the test split."""
    if layout.task:
        return image_folder(layout, **asdict(shape), progress=progress, **options)
    cells = [cell for rows in layout.splits.values() for cell, _ in rows]
    data = _from_files(cells, shape, layout.root.name, layout.read, layout.facts)
    return replace(data, notes=(*layout.notes, *data.notes))
