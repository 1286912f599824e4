"""How does a folder of pictures that nobody sorted into classes become something to click through?

All pictures are the test split, fitted to the network. A `labels.csv` beside them with columns `file` and
`class_name` (or `class`, `label`, ...) names their classes among the network's; without it they have none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.listed import class_of_each
from convsight.datasets.unlabelled import NO_LABELS, from_files, is_plain
from convsight.network.classifier import Classifier
from convsight.picture import Size, picture_files

is_album = is_plain


def album(folder: str | Path, net: Classifier, size: Size | None = None, fit: str = "crop") -> Dataset:
    """The folder as a data set for this network; DataError if labels.csv misses a picture."""
    folder = Path(folder).expanduser()
    files = picture_files(folder)
    data = from_files(files, size or net.input_size, net.channels, fit, folder.resolve().name)
    table = folder / "labels.csv"
    labels, note = _labels(table, files, net) if table.is_file() else (None, NO_LABELS)
    said = (note, *(n for n in data.notes if n != NO_LABELS)) if note else data.notes[:-1]
    if labels is None:
        return replace(data, notes=said)
    test = Split(data.test.store, labels, net.classes, data.test.ids)
    empty = test.take([])
    return Dataset(data.name, net.classes, empty, empty, test, notes=said)


def _labels(table: Path, files: list[Path], net: Classifier) -> tuple[Tensor | None, str]:
    """(each picture's class among the network's, ""), or (None, why there are none)."""
    names = class_of_each(table, files)
    index = {name: i for i, name in enumerate(net.classes)}
    short = {name.partition(",")[0]: i for i, name in reversed(list(enumerate(net.classes)))}
    found = []
    for name in (names[f.name] for f in files):
        place = index.get(name, short.get(name.partition(",")[0]))
        if place is None:
            return None, f"{NO_LABELS} ({table.name} says {name!r}, which the network has no class for.)"
        found.append(place)
    return torch.tensor(found, dtype=torch.int64), ""
