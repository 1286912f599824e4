"""How do Parquet and Arrow files with a column of pictures, as Hugging Face keeps them, become a data set?"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.datasets.folder_layout import Layout, settle_classes, some
from convsight.datasets.table_columns import ONE, SEVERAL, RowLabels, not_read, read_labels
from convsight.errors import DataError, required
from convsight.imaging.depth import unit
from convsight.opening.files import Facts
from convsight.picture import bands, decoded

COLUMNS = (".parquet", ".arrow")
PICTURES = ("image", "img", "picture", "photo", "pixel_values")
SPLITS = (("validation", ("validation", "valid", "val", "dev")), ("test", ("test",)), ("train", ("train",)))


def column_files(path: Path) -> dict[str, list[Path]]:
    """Split -> the Parquet or Arrow files that hold it; empty if `path` is none and has none.

    A folder's files lie in it or in its `data/`, named by their split (train-00000-of-00002.parquet), or in a
    folder for each split, as `save_to_disk` of datasets writes them.
    """
    if path.is_file():
        return {"train": [path]} if path.suffix.lower() in COLUMNS else {}
    found: dict[str, list[Path]] = {}
    for file in sorted(p for kind in COLUMNS for p in path.glob(f"**/*{kind}") if "cache-" not in p.name):
        place = file.relative_to(path)
        if len(place.parts) <= 3:
            split = split_of(file.name) or split_of(place.as_posix().partition("/")[0]) or "train"
            found.setdefault(split, []).append(file)
    return found


def split_of(word: str) -> str | None:
    """The split that a file's or folder's name begins with, such as train-00000-of-00002; None if with none."""
    first = word.lower().replace("_", "-").replace(".", "-").split("-")[0]
    return next((split for split, names in SPLITS if first in names), None)


@dataclass(frozen=True, order=True)
class Cell:
    """One picture in a column: which table, which row."""

    split: str
    row: int

    def __str__(self) -> str:
        return f"{self.split}/{self.row}"


def lay_out_columns(
    root: Path,
    files: dict[str, list[Path]],
    label: str | Sequence[str] | None = None,
    file: str | None = None,
) -> Layout:
    """The rows of the files with what their label column says; class names are taken from the file's metadata.

    label and file: the columns of labels and pictures, where their names do not tell. DataError says which columns
    there are where none holds pictures.
    """
    return lay_out_arrow(root, {split: _table(paths) for split, paths in files.items()}, label, file)


def lay_out_arrow(
    root: Path, tables: dict[str, Any], label: str | Sequence[str] | None = None, file: str | None = None
) -> Layout:
    """`lay_out_columns` of tables that are open already, split by split. Its task is "" if none has labels."""
    layout = Layout(root, {})
    pictures = {split: table[_picture_column(table, file, root)] for split, table in tables.items()}
    stored = _Stored(root if root.is_dir() else root.parent, pictures)
    layout.read, layout.facts = stored.read, stored.facts
    saids = {split: _said(table, file, label, root) for split, table in tables.items()}
    first = saids.get("train") or next(iter(saids.values()))
    classes = dict.fromkeys(name for said in saids.values() for name in said.classes)
    for split, said in saids.items():
        if said.task != first.task:
            raise DataError(f"{root}: {split} is for the task {said.task}, the other splits for {first.task}")
        layout.splits[split] = [(Cell(split, i), v) for i, v in enumerate(said.values) if v is not None]
    layout.task, layout.outputs, layout.classes = first.task, first.outputs, tuple(classes)
    layout.notes += list(first.notes)
    if layout.task and "train" not in layout.splits:
        raise DataError(f"{root}: has {some(sorted(tables))} but no train split to learn from")
    if layout.task == "classify":
        settle_classes(layout)
    return layout


class _Stored:
    """The pictures of some columns, by cell."""

    def __init__(self, folder: Path, columns: dict[str, Any]):
        self.folder, self.columns = folder, columns

    def read(self, cell: Cell, channels: int | None = None, top: float | None = None) -> Tensor:
        values = decoded(self._bytes(cell), lambda image: bands(image, channels)[0])
        return torch.from_numpy(unit(values, top))

    def facts(self, cell: Cell, channels: int | None = None) -> Facts | None:
        try:
            values = decoded(self._bytes(cell), lambda image: bands(image, channels)[0])
        except DataError:
            return None
        return Facts((values.shape[1], values.shape[2]), len(values), values.dtype != np.uint8)

    def _bytes(self, cell: Cell) -> bytes:
        held = self.columns[cell.split][cell.row].as_py()
        content = held.get("bytes") if isinstance(held, dict) else held
        if content is not None:
            return content
        path = self.folder / (held.get("path") or "" if isinstance(held, dict) else "")
        if not path.is_file():
            raise DataError(f"row {cell} holds no picture, and there is no file {path}")
        return path.read_bytes()


def _table(paths: Sequence[Path]) -> Any:
    """The files as one Arrow table, memory-mapped where they can be."""
    pa = required("pyarrow", "features", f"{paths[0].name}: a {paths[0].suffix} file")
    pq = importlib.import_module("pyarrow.parquet")
    parts = []
    for path in paths:
        try:
            if path.suffix.lower() == ".parquet":
                parts.append(pq.read_table(path, memory_map=True))
            else:
                parts.append(_arrow(pa, path))
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"{path}: cannot be read as {path.suffix} ({error})") from error
    return pa.concat_tables(parts)


def _arrow(pa: Any, path: Path) -> Any:
    """An Arrow file of either layout: the stream that datasets writes, or the file with an index at its end."""
    with path.open("rb") as file:
        indexed = file.read(6) == b"ARROW1"
    source = pa.memory_map(str(path))
    return (pa.ipc.open_file(source) if indexed else pa.ipc.open_stream(source)).read_all()


def _picture_column(table: Any, wanted: str | None, root: Path) -> str:
    names = table.column_names
    if wanted is not None and wanted not in names:
        raise DataError(f"{root}: there is no column {wanted!r}; it has {', '.join(names)}")
    able = [name for name in names if _holds_pictures(table.schema.field(name).type)]
    chosen = wanted or next((n for n in PICTURES if n in able), able[0] if able else None)
    if chosen is None:
        raise DataError(f"{root}: no column holds pictures (bytes of files); it has {', '.join(names)}")
    return chosen


def _holds_pictures(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _said(table: Any, file: str | None, label: str | Sequence[str] | None, root: Path) -> RowLabels:
    """What the label columns say, with the class names of the Hugging Face metadata."""
    import pyarrow as pa

    pictures = _picture_column(table, file, root)
    names = [n for n in table.column_names if n != pictures]
    wanted = [label] if isinstance(label, str) else list(label or ())
    if unknown := [n for n in wanted if n not in names]:
        raise DataError(
            f"{root}: there is no column {unknown[0]!r}; beside the pictures it has {', '.join(names)}"
        )
    known = [n for n in names if _class_names(table.schema, n)] + [n for n in (*ONE, *SEVERAL) if n in names]
    chosen = wanted or known[:1] or names
    others = not_read([n for n in names if n not in chosen])
    if not chosen:
        return RowLabels("", [()] * len(table))
    if len(chosen) == 1:
        column, classes = table[chosen[0]], _class_names(table.schema, chosen[0])
        values = column.to_pylist()
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            said = _several(values, classes, chosen[0])
            return RowLabels("multilabel", said[0], said[1], notes=others)
        if classes:
            return RowLabels("classify", [_named(v, classes) for v in values], classes, notes=others)
    texts = {n: ["" if v is None else str(v) for v in table[n].to_pylist()] for n in chosen}
    said = read_labels(texts, (), label=chosen)
    return replace(said, notes=(*said.notes, *others))


def _several(
    values: list[Any], classes: tuple[str, ...], column: str
) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    if classes:
        return [tuple(classes[v] for v in row or ()) for row in values], classes
    texts = [tuple(dict.fromkeys(str(v) for v in row or ())) for row in values]
    found = {name for row in texts for name in row}
    if not found:
        raise DataError(f"the column {column} names no class in any row")
    return texts, tuple(sorted(found, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n)))


def _named(value: Any, classes: tuple[str, ...]) -> str | None:
    """The class's name; None for a row without a label, which Hugging Face marks by -1."""
    return classes[value] if value is not None and 0 <= value < len(classes) else None


def _class_names(schema: Any, column: str) -> tuple[str, ...]:
    """The names that the metadata `huggingface` gives the numbers of a column, or none."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return ()
    feature: Any = json.loads(text).get("info", {}).get("features", {}).get(column, {})
    if isinstance(feature, list):
        feature = feature[0] if feature else {}
    inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
    return tuple(map(str, inner.get("names", ()))) if isinstance(inner, dict) else ()
