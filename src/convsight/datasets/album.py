"""How does a folder of pictures that nobody sorted into classes become something to click through?

All pictures are the test split, fitted to the network. A `labels.csv` beside them, with a column of files and one or
several of labels, says what each of them is: one class, several labels or numbers, whichever the network answers.
Without it, or where it speaks of something else, they have no labels, and a note says so.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.listed import said_of_each
from convsight.datasets.table_columns import RowLabels
from convsight.datasets.unlabelled import NO_LABELS, from_files, is_plain
from convsight.errors import DataError
from convsight.network.classifier import Classifier
from convsight.picture import Size, picture_files

is_album = is_plain


def album(folder: str | Path, net: Classifier, size: Size | None = None, fit: str = "crop") -> Dataset:
    """The folder as a data set for this network; DataError if labels.csv misses a picture."""
    folder = Path(folder).expanduser()
    files = picture_files(folder)
    data = from_files(files, size or net.input_size, net.channels, fit, folder.resolve().name)
    table = folder / "labels.csv"
    if not table.is_file():
        return data
    said = said_of_each(table, files)
    notes = tuple(note for note in data.notes if note != NO_LABELS)
    try:
        labels = _labels(said, net)
    except DataError as why:
        return replace(data, notes=(f"{NO_LABELS} ({table.name} {why}.)", *notes))
    all_test = f"All {len(files)} pictures of the folder are the test split, labelled by {table.name}."
    return _labelled(data, labels, said, net, (all_test, *said.notes, *notes))


def _labelled(
    data: Dataset, labels: Tensor, said: RowLabels, net: Classifier, notes: tuple[str, ...]
) -> Dataset:
    numbers = said.task == "regress"
    classes = () if numbers else net.classes
    test = Split(data.test.store, labels, classes, data.test.ids)
    empty = test.take([])
    task = "regress" if numbers else "multilabel" if labels.ndim == 2 else "classify"
    return Dataset(data.name, classes, empty, empty, test, task, net.classes if numbers else (), notes)


def _labels(said: RowLabels, net: Classifier) -> Tensor:
    """What the table says as labels of this network: n, or n k; DataError says why they are not for it."""
    if said.task == "regress" and net.task == "regress":
        return _numbers(said, net)
    if said.task == "classify" and net.one_class:
        index = _index(net)
        return torch.tensor([_place(name, index) for name in said.values], dtype=torch.int64)
    if said.task in ("classify", "multilabel") and net.task == "multilabel":
        index, hot = _index(net), torch.zeros(len(said.values), len(net.classes))
        for row, names in zip(hot, said.values, strict=True):
            row[[_place(name, index) for name in ([names] if isinstance(names, str) else names)]] = 1
        return hot
    raise DataError(f"is for the task {said.task!r}, the network for {net.task!r}")


def _numbers(said: RowLabels, net: Classifier) -> Tensor:
    """The columns named as the network's numbers; any columns where there is one for each number."""
    values = torch.tensor(said.values, dtype=torch.float32)
    if set(net.classes) <= set(said.outputs):
        return values[:, [said.outputs.index(name) for name in net.classes]]
    if len(said.outputs) != len(net.classes):
        raise DataError(f"has the numbers {', '.join(said.outputs)}, the network {', '.join(net.classes)}")
    return values


def _index(net: Classifier) -> dict[str, int]:
    """Each class's place, under its whole name and under what stands before its first comma."""
    short = {name.partition(",")[0]: i for i, name in reversed(list(enumerate(net.classes)))}
    return short | {name: i for i, name in enumerate(net.classes)}


def _place(name: str, index: dict[str, int]) -> int:
    place = index.get(name, index.get(name.partition(",")[0]))
    if place is None:
        raise DataError(f"says {name!r}, which the network has no class for")
    return place
