"""How does a folder of pictures that nobody sorted into classes become something to click through?

All pictures are the test split, fitted to the network. A `labels.csv` beside them with columns `file` and
`class_name` (or `class`) names their classes among the network's; without it they have none.
"""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from torch import Tensor

from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import FileStore, MemoryStore
from convsight.errors import DataError
from convsight.network.classifier import Classifier
from convsight.picture import picture_files

IN_MEMORY_BYTES = 256 * 2**20
NO_LABELS = "These pictures carry no classes, so nothing here is right or wrong."


def is_album(folder: Path) -> bool:
    """Whether the folder has pictures directly in it, and no sub-folders that could be classes."""
    return folder.is_dir() and bool(picture_files(folder)) and not any(p.is_dir() for p in folder.iterdir())


def album(folder: str | Path, net: Classifier) -> Dataset:
    """The folder as a data set for this network; DataError if labels.csv misses a picture."""
    folder = Path(folder).expanduser()
    files = picture_files(folder)
    store = FileStore(files, net.input_size, net.channels)
    if len(files) * net.channels * net.input_size[0] * net.input_size[1] <= IN_MEMORY_BYTES:
        store = MemoryStore(store.read(torch.arange(len(files))))
    labels, note = _labels(folder / "labels.csv", files, net)
    classes = net.classes if labels is not None else ()
    none = torch.zeros(len(files), 0)
    test = Split(store, none if labels is None else labels, classes, [f.name for f in files])
    empty = test.take([])
    notes = (note,) if note else ()
    return Dataset(folder.resolve().name, classes, empty, empty, test, notes=notes)


def _labels(file: Path, files: list[Path], net: Classifier) -> tuple[Tensor | None, str]:
    """(each picture's class among the network's, ""), or (None, why there are none)."""
    if not file.is_file():
        return None, NO_LABELS
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    names = {row.get("file") or "": row.get("class_name") or row.get("class") or "" for row in rows}
    if missing := [f.name for f in files if f.name not in names]:
        raise DataError(f"{file} has no line for {missing[0]}; its columns are file and class_name")
    index = {name: i for i, name in enumerate(net.classes)}
    short = {name.partition(",")[0]: i for i, name in reversed(list(enumerate(net.classes)))}
    found = []
    for name in (names[f.name] for f in files):
        place = index.get(name, short.get(name.partition(",")[0]))
        if place is None:
            return None, f"{NO_LABELS} ({file.name} says {name!r}, which the network has no class for.)"
        found.append(place)
    return torch.tensor(found, dtype=torch.int64), ""
