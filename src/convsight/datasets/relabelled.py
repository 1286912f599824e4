"""How are labels corrected without touching the files? A CSV says which pictures get which label, or are left out."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import torch

from convsight.datasets.base import Dataset, Split
from convsight.datasets.listed import read_text
from convsight.errors import DataError, DataNotFound, InputError, check_known

COLUMNS = ("id", "given", "label")


def relabelled(data: Dataset, path: str | Path) -> Dataset:
    """The data set with the labels of a CSV with the columns id and label (and given, which is then compared).

    An empty label leaves the picture out; ids that occur in several splits are written as `split/id`. `notes` say how
    many labels were changed. Raises DataNotFound (no such file), DataError (no such picture or class, a picture that
    is named twice, or one whose label is not the one `given`), InputError for data without one class a picture.
    """
    if data.task != "classify":
        raise InputError(
            f"labels are corrected where each picture has one class; the task of {data.name} is {data.task!r}"
        )
    changes = _read(Path(path).expanduser(), data)
    known = {name for split, part in data.splits.items() for name in _names(part, split)}
    for name in changes:
        check_known(
            name, known, f"{path} names {name!r}, which {data.name} does not have", error=DataError, most=4
        )
    fitted = {
        split: _changed(part, split, changes, data.classes, path) for split, part in data.splits.items()
    }
    changed = sum(each[1] for each in fitted.values())
    out = sum(each[2] for each in fitted.values())
    said = f"{changed:,} label{' was' if changed == 1 else 's were'} changed by {Path(path).name}"
    note = said + (f", and {out:,} picture{'s' * (out != 1)} left out" if out else "")
    return replace(data, **{name: each[0] for name, each in fitted.items()}, notes=(*data.notes, note))


def _names(part: Split, split: str) -> list[str]:
    """Both names that a picture goes by: its id, and its id with the split in front."""
    return [name for own in part.ids for name in (own, f"{split}/{own}")]


def _read(path: Path, data: Dataset) -> dict[str, tuple[str, str]]:
    """id → (given or "", label), checked for classes that there are."""
    if not path.is_file():
        raise DataNotFound(f"there is no file {path} to correct labels by; `convsight check DATA` writes one")
    reader = csv.DictReader(io.StringIO(read_text(path)))
    if not {"id", "label"} <= set(reader.fieldnames or ()):
        found = ", ".join(reader.fieldnames or ()) or "no columns"
        raise DataError(f"{path} has {found}; the columns id and label are needed")
    changes: dict[str, tuple[str, str]] = {}
    for row in reader:
        name, label = row["id"] or "", (row["label"] or "").strip()
        if label:
            check_known(label, data.classes, f"{path} gives {name!r} the label {label!r}", error=DataError)
        if name in changes:
            raise DataError(f"{path} names {name!r} twice")
        changes[name] = ((row.get("given") or "").strip(), label)
    return changes


def _changed(
    part: Split, split: str, changes: dict[str, tuple[str, str]], classes: tuple[str, ...], path: str | Path
) -> tuple[Split, int, int]:
    """The split with its new labels, how many there are, and how many pictures are gone."""
    labels, keep, changed = part.labels.clone(), torch.ones(len(part), dtype=torch.bool), 0
    for i, own in enumerate(part.ids):
        change = changes.get(f"{split}/{own}") or changes.get(own)
        if change is None:
            continue
        given, label = change
        before = classes[int(labels[i])]
        if given and given != before:
            raise DataError(
                f"{path} says that {own!r} is labelled {given!r}, but it is {before!r}: the file was made for other data"
            )
        if not label:
            keep[i] = False
        elif label != before:
            labels[i], changed = classes.index(label), changed + 1
    made = Split(part.store, labels, part.classes, part.ids, part.bands)
    return (made if keep.all() else made.take(keep)), changed, int((~keep).sum())
