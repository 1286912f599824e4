"""How do pictures without labels become a data set, and what does a network make of any data it is given?"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from convsight.datasets.base import Dataset, Split
from convsight.datasets.deep import common_top
from convsight.datasets.folder_layout import file_facts
from convsight.datasets.pixels import FileStore, MemoryStore, Reader, Store, read_file, smallest
from convsight.errors import DataError, InputError
from convsight.images import Images
from convsight.imaging.fitting import Loss, losses_in_words
from convsight.opening.files import Facts
from convsight.picture import Size, picture_files

IN_MEMORY_BYTES = 256 * 2**20
FactsOf = Callable[..., Facts | None]
NO_LABELS = "These pictures carry no classes, so nothing here is right or wrong."


def is_plain(folder: Path) -> bool:
    """Whether the folder has pictures directly in it, and no sub-folders that could be classes."""
    return folder.is_dir() and bool(picture_files(folder)) and not any(p.is_dir() for p in folder.iterdir())


def from_images(images: Images, name: str = "pictures") -> Dataset:
    """The pictures as the test split, with their labels if they have any; train and validation are empty."""
    labels, classes = images.labels, images.classes or ()
    none = labels is None or (labels.ndim == 1 and not classes)
    store = MemoryStore(smallest(images.pixels))
    return _all_test(
        store, name, images.ids, torch.zeros(len(images), 0) if none else labels, () if none else classes,
        images.notes, images.bands,
    )  # fmt: skip


def from_files(
    files: Sequence[Any], size: Size, channels: int, fit: str = "crop", name: str = "pictures",
    read: Reader = read_file, facts_of: FactsOf = file_facts,
) -> Dataset:  # fmt: skip
    """The files as the test split, without labels; many stay on disk. DataError names those that cannot be read.

    They may be anything else that `read` and `facts_of` take, such as the cells of a table. `notes` name those of
    which more than a fifth is cut away.
    """
    known = [(file, fact) for file in files if (fact := facts_of(file, channels)) is not None]
    deep = [file for file, fact in known if fact.deep]
    top, said = common_top(read, deep, channels) if deep else (None, ())
    losses = [Loss.of(_name(file), fact.size, size, fit) for file, fact in known]
    reader = functools.partial(read, top=top)
    store: Store = FileStore(files, size, channels, read=reader, fit=fit, deep=bool(deep))
    if len(files) * channels * size[0] * size[1] * (4 if deep else 1) <= IN_MEMORY_BYTES:
        store = MemoryStore(store.read(torch.arange(len(files))))
    notes = (*said, *losses_in_words(losses, size))
    return _all_test(store, name, _ids(files), torch.zeros(len(files), 0), (), notes)


def common_shape(
    files: Sequence[Any], size: Size | None, channels: int | None,
    read: Reader = read_file, facts_of: FactsOf = file_facts,
) -> tuple[Size, int]:  # fmt: skip
    """The size and channels asked for, or those that the files have; InputError if they have several sizes."""
    if size is not None and channels is not None:
        return size, channels
    facts = [fact for fact in (facts_of(file, channels) for file in files) if fact is not None]
    if not facts:
        read(files[0])  # says what is wrong with it
    sizes = sorted({fact.size for fact in facts})
    if size is None and len(sizes) > 1:
        shown = ", ".join(f"{h}×{w}" for h, w in sizes[:4]) + (", ..." if len(sizes) > 4 else "")
        raise InputError(f"the pictures have {len(sizes)} sizes ({shown}); give size=(height, width)")
    return size or sizes[0], channels or max(fact.channels for fact in facts)


def as_files(source: Any) -> list[Path] | None:
    """The files that a list names, or None if it holds anything else (or folders)."""
    if not isinstance(source, (list, tuple)) or not source:
        return None
    if not all(isinstance(item, (str, os.PathLike)) for item in source):
        return None
    files = [Path(item).expanduser() for item in source]
    return None if any(file.is_dir() for file in files) else files


def is_labelled_pair(source: Any) -> bool:
    """Whether the source is (pixels, labels), or a mapping of splits to such pairs."""
    if isinstance(source, Mapping):
        return True
    return isinstance(source, tuple) and len(source) == 2 and as_files(source) is None


def _name(file: Any) -> str:
    return file.name if isinstance(file, Path) else str(file)


def _ids(files: Sequence[Any]) -> list[str]:
    names = [_name(file) for file in files]
    return names if len(set(names)) == len(names) else [str(file) for file in files]


def _all_test(
    store: Store, name: str, ids: Sequence[str], labels: Any, classes: Sequence[str],
    notes: Sequence[str] = (), bands: Any = None,
) -> Dataset:  # fmt: skip
    if not len(store):
        raise DataError(f"{name} has no pictures")
    test = Split(store, labels, tuple(classes), ids, bands)
    empty = test.take([])
    said = (*notes, *(() if classes else (NO_LABELS,)))
    return Dataset(name, tuple(classes), empty, empty, test, notes=said)
