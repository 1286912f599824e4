"""How do a CSV of files and labels and the pictures beside it become a data set?"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from convsight.datasets.folder_layout import SPLIT_NAMES, Layout, settle_classes, some, walk
from convsight.datasets.table_columns import FILE, SPLIT, RowLabels, Table, column_of, read_labels
from convsight.errors import DataError, DataNotFound
from convsight.picture import SUFFIXES, picture_files

TABLES = (".csv", ".tsv")
USUAL = ("labels", "metadata", "annotations")  # names of tables that stand above class folders
FEW = 0.05  # the share of named files that may be missing


def tables_in(folder: Path) -> list[Path]:
    """The tables that say what a folder's pictures are, or none.

    labels.csv, metadata.csv or annotations.csv; train.csv with val.csv and test.csv; or, where the pictures are
    not in class folders, the only table there is.
    """
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in TABLES and p.is_file())
    found = [table for table in found if _names_files(table)]
    usual = [table for table in found if table.stem.lower() in USUAL]
    if usual:
        return usual[:1]
    of_splits = [table for table in found if _split_named(table.stem)]
    if any(_split_named(table.stem) == "train" for table in of_splits):
        return of_splits
    folders = [p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."]
    return found if len(found) == 1 and (len(folders) < 2 or picture_files(folder)) else []


def lay_out_tables(
    tables: Sequence[Path], label: str | Sequence[str] | None = None, file: str | None = None
) -> Layout:
    """The pictures that the tables name, with what they say of each; DataError says what is missing.

    label and file: the columns, where their names do not tell.
    """
    layout = Layout(tables[0].parent, {})
    parts = [_rows(table, file) for table in tables]
    names = [name for name in parts[0] if all(name in part for part in parts)]
    table: Table = {name: [cell for part in parts for cell in part[name]] for name in names}
    sources = [
        _split_named(path.stem)
        for path, part in zip(tables, parts, strict=True)
        for _ in next(iter(part.values()))
    ]
    where = " and ".join(path.name for path in tables)
    split = column_of(table, SPLIT)
    names, said = _labels_in(table, tables[0], label, file)
    files = _find(names, layout, where)
    named = [_split_named(cell) for cell in table[split]] if split else sources
    said, rows = _joined(files, said)
    for i, path in rows:
        layout.splits.setdefault(named[i] or "train", []).append((path, said.values[i]))
    layout.task, layout.outputs, layout.classes = said.task, said.outputs, said.classes
    layout.notes += (
        [f"The classes are those of {where}.", *said.notes] if said.task != "regress" else said.notes
    )
    if "train" not in layout.splits:
        raise DataError(
            f"{tables[0]}: no row is for training; its {split} says {some(sorted(layout.splits))}"
        )
    if layout.task == "classify":
        settle_classes(layout)
    return layout


def _labels_in(
    table: Table, path: Path, label: str | Sequence[str] | None = None, file: str | None = None
) -> tuple[Sequence[str], RowLabels]:
    """The cells of the column of files, and what the other columns say of them."""
    column = file or column_of(table, FILE)
    assert column is not None
    try:
        return table[column], read_labels(table, (column, column_of(table, SPLIT)), label)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _joined(files: list[Path | None], said: RowLabels) -> tuple[RowLabels, list[tuple[int, Path]]]:
    """The first row of each file that was found and has a label; several rows with several labels are joined."""
    rows_of: dict[Path, list[int]] = defaultdict(list)
    for i, path in enumerate(files):
        if path is not None and (said.task == "multilabel" or said.values[i] != ""):
            rows_of[path].append(i)
    rows = [(indices[0], path) for path, indices in rows_of.items()]
    if said.task == "regress" or all(len({said.values[i] for i in r}) == 1 for r in rows_of.values()):
        return said, rows
    values = [(value,) if isinstance(value, str) else value for value in said.values]
    for indices in rows_of.values():
        values[indices[0]] = tuple(dict.fromkeys(v for i in indices for v in values[i]))
    note = "Some files have several rows with several labels, so a picture may have several classes."
    return replace(said, task="multilabel", values=values, notes=(*said.notes, note)), rows


def _find(cells: Sequence[str], layout: Layout, where: str) -> list[Path | None]:
    """Each cell's picture: beside the table, or of that name in a folder below; missing ones are named."""
    below: dict[str, list[Path]] = defaultdict(list)
    for path in walk(layout.root, Counter()):
        for name in {path.name, path.stem, path.relative_to(layout.root).with_suffix("").as_posix()}:
            below[name].append(path)
    found = [_one(cell.strip(), layout.root, below) for cell in cells]
    missing = [cell for cell, path in zip(cells, found, strict=True) if path is None]
    if len(missing) > FEW * len(cells):
        raise DataNotFound(
            f"{len(missing)} of the {len(cells)} files that {where} names are not in {layout.root}: {some(missing)}"
        )
    if missing:
        layout.notes.append(f"{len(missing)} files that {where} names are missing: {some(missing)}")
    unnamed = {path for paths in below.values() for path in paths} - {path for path in found if path}
    if unnamed:
        names = [path.name for path in sorted(unnamed)]
        layout.notes.append(f"{len(unnamed)} pictures without a row in {where} are left out: {some(names)}")
    return found


def _one(cell: str, root: Path, below: dict[str, list[Path]]) -> Path | None:
    cell = cell.replace("\\", "/")
    direct = root / cell
    if cell and direct.is_file() and direct.suffix.lower() in SUFFIXES:
        return direct
    paths = below.get(cell) or below.get(Path(cell).name) or []
    if len(set(paths)) > 1:
        raise DataError(
            f"{cell} is the name of {len(set(paths))} pictures below {root}: "
            f"{some([p.relative_to(root).as_posix() for p in paths])}; write their folders too"
        )
    return paths[0] if paths else None


def _rows(path: Path, file: str | None = None) -> dict[str, list[str]]:
    """The cells of each column, as text; DataError for a table without a column of files or without rows."""
    header, *rows = _cells(path)
    if len(set(header)) != len(header):
        raise DataError(f"{path}: the column {Counter(header).most_common(1)[0][0]!r} occurs twice")
    column = file or column_of(dict.fromkeys(header, ""), FILE)
    if column not in header:
        raise DataError(
            f"{path}: has the columns {', '.join(header)}; none is the files'. It is called {', '.join(FILE[:4])}, "
            "..., or file='COLUMN' names it"
        )
    if not rows:
        raise DataError(f"{path}: has no rows below its header")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}: line {number} has {len(row)} cells, the header has {len(header)}")
    return {name: [row[i] for row in rows] for i, name in enumerate(header)}


def _cells(path: Path) -> list[list[str]]:
    text = read_text(path)
    first = text.partition("\n")[0]
    mark = max(("\t", ";", ","), key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if any(row)]
    if not rows:
        raise DataError(f"{path}: the table is empty")
    return [[cell.strip() for cell in rows[0]], *rows[1:]]


def read_text(path: Path) -> str:
    """A text file without its byte-order mark; DataError if it is not UTF-8 (or marked as UTF-16)."""
    content = path.read_bytes()
    marked = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None


def _names_files(path: Path) -> bool:
    try:
        return column_of(dict.fromkeys(_cells(path)[0], ""), FILE) is not None
    except DataError:
        return False


def _split_named(word: str) -> str | None:
    word = word.strip().lower()
    return next((split for split, names in SPLIT_NAMES.items() if word in names), None)


def said_of_each(table: Path, files: Sequence[Path]) -> RowLabels:
    """What a table says of the pictures beside it, in their order; DataError for a picture of which it says nothing."""
    rows = _rows(table)
    names, said = _labels_in(rows, table)
    beside = {file.name: file for file in files}
    said, kept = _joined([beside.get(Path(cell.strip()).name) for cell in names], said)
    found = {path: said.values[i] for i, path in kept}
    if missing := [file.name for file in files if file not in found]:
        raise DataError(f"{table} has no line for {missing[0]}; its columns are {', '.join(rows)}")
    return replace(said, values=[found[file] for file in files])
