"""How does a data set come from Hugging Face's hub, or from a folder that `save_to_disk` wrote?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from convsight.datasets.columns import column_files, lay_out_arrow, lay_out_columns, split_of
from convsight.datasets.folder_layout import Layout
from convsight.errors import DataError, DataNotFound, InputError, required

SCHEME = "hf:"
SAVED = ("state.json", "dataset_dict.json")  # one of them is in every folder that save_to_disk wrote


def lay_out_huggingface(
    name: str, config: str | None = None, label: str | Sequence[str] | None = None, file: str | None = None
) -> Layout:
    """The pictures and labels of a folder or of a data set of the hub; class names are those of its `ClassLabel`.

    name: a folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote, a folder of Parquet or Arrow
    files, or a NAME of the hub, which is downloaded once. config: which part of a hub's data set that has several.
    label, file: its columns of labels and pictures, where their names do not tell.

    Raises MissingExtra, DataNotFound (no such folder or name, or no connection) or DataError.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if config is not None:
            raise InputError(f"config={config!r} is for a name of the hub; {folder} is a folder")
        return _folder(folder, label, file)
    if not name or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataNotFound(
            f"no folder {name!r}", given=name,
            works="hf: takes a folder that save_to_disk wrote, or a data set's NAME on the hub",
        )  # fmt: skip
    return _laid_out(Path(name), _fetched(name, config), label, file)


def _folder(folder: Path, label: str | Sequence[str] | None, file: str | None) -> Layout:
    if any((folder / name).is_file() for name in SAVED):
        datasets = _datasets(folder)
        try:
            held = datasets.load_from_disk(str(folder))
        except Exception as error:  # of many kinds, from the library and from the readers below it
            raise DataError(
                f"{folder} cannot be read as what save_to_disk wrote ({_reason(error)})"
            ) from error
        return _laid_out(folder, held, label, file)
    if files := column_files(folder):
        return lay_out_columns(folder, files, label, file)
    raise DataError(
        f"{folder} is no folder that save_to_disk wrote, and has no .parquet or .arrow files", given=folder,
        works=f"a folder of pictures is given without {SCHEME!r}",
    )  # fmt: skip


def _datasets(what: Any) -> ModuleType:
    return required("datasets", "hf", f"{SCHEME}{what}: a data set of Hugging Face")


def _fetched(name: str, config: str | None) -> Any:
    datasets = _datasets(name)
    try:
        return datasets.load_dataset(name, config)
    except Exception as error:  # of many kinds: no connection, no such name, several configurations, ...
        offline = "offline mode is on; " if os.environ.get("HF_HUB_OFFLINE") else ""
        raise DataNotFound(
            f"{SCHEME}{name} could not be loaded ({_reason(error)})", given=name,
            works=f"{offline}without a connection: load_dataset({name!r}).save_to_disk(FOLDER) where there is one, "
            "and dataset('hf:FOLDER'); of several configurations, config='NAME' chooses one",
        ) from error  # fmt: skip


def _reason(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def _laid_out(root: Path, held: Any, label: str | Sequence[str] | None, file: str | None) -> Layout:
    """The layout of a `datasets.Dataset`, which is all training pictures, or of a `DatasetDict`."""
    if not isinstance(held, dict):
        return lay_out_arrow(root, {"train": _table(held)}, label, file)
    chosen, left = _splits(held)
    if not chosen:
        raise DataError(
            f"{root}: its splits are {', '.join(map(repr, held))}; none is train, validation or test"
        )
    layout = lay_out_arrow(root, {split: _table(held[name]) for split, name in chosen.items()}, label, file)
    layout.notes += [f"{split} is its split {name!r}" for split, name in chosen.items() if split != name]
    if left:
        layout.notes.append(f"its splits {', '.join(map(repr, left))} are left out")
    return layout


def _splits(names: Any) -> tuple[dict[str, str], list[str]]:
    """Our split -> the name it has there, those called just so first; and the names that are left over."""
    chosen: dict[str, str] = {}
    for name in sorted(names, key=lambda name: split_of(name) != name):
        if (split := split_of(name)) is not None:
            chosen.setdefault(split, name)
    return chosen, [name for name in names if name not in chosen.values()]


def _table(held: Any) -> Any:
    """The rows as an Arrow table, with the names of classes in its metadata."""
    if held._indices is not None:  # rows that were chosen or sorted, and not yet written in that order
        held = held.flatten_indices()
    return held.data.table.replace_schema_metadata(held.features.arrow_schema.metadata)
