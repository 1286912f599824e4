"""Which column of a table names the files, and what do the others say of them: a class, several, or numbers?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convsight.errors import DataError, check_known

FILE = ("file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_path", "image_name",
        "img", "picture", "photo", "image_id", "id")  # fmt: skip
ONE = ("label", "class", "class_name", "classname", "category", "target", "label_name", "y")
SEVERAL = ("labels", "classes", "tags", "categories", "class_names")
SPLIT = ("split", "set", "fold", "subset")
BETWEEN = "|;,"  # what separates several labels in one cell, in this order of preference

Table = Mapping[str, Sequence[str]]  # column -> a text for each row


@dataclass(frozen=True)
class RowLabels:
    """What a table says of its pictures.

    task: "classify" (values: one class name a row), "multilabel" (a tuple of class names a row) or "regress" (a
    tuple of numbers a row). classes: the names, in order; outputs: the names of the numbers.
    """

    task: str
    values: list[Any]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def column_of(table: Table, known: Sequence[str]) -> str | None:
    """The column with the first of the known names, upper or lower case."""
    lower = {name.strip().lower(): name for name in reversed(list(table))}
    return next((lower[name] for name in known if name in lower), None)


def read_labels(
    table: Table, beside: Sequence[str | None], label: str | Sequence[str] | None = None
) -> RowLabels:
    """What the columns other than `beside` say; `label` names the one (or those) that matter.

    A column called label, class, ... holds a class name (or a number of many decimals); one called labels, tags, ...
    or with | or ; between words holds several. Two or more columns of 0 and 1 hold one label each. Other numbers
    are to be predicted. DataError where nothing fits.
    """
    rest = {name: cells for name, cells in table.items() if name not in beside and name.strip()}
    if label is not None:
        chosen = [label] if isinstance(label, str) else list(label)
        for name in chosen:
            check_known(name, rest, f"there is no column {name!r}", error=DataError)
        return _about({name: rest[name] for name in chosen})
    named = column_of(rest, (*ONE, *SEVERAL))
    if named is not None:
        said = _about({named: rest[named]})
        return replace(said, notes=said.notes + not_read([name for name in rest if name != named]))
    if not rest:
        raise DataError(
            "there is no column of labels beside the files'; such as label, labels or 0/1 columns"
        )
    return _about(rest)


def _about(columns: Table) -> RowLabels:
    if len(columns) == 1:
        name, cells = next(iter(columns.items()))
        return _one_column(name, cells)
    numbers = {name: _numbers(cells) for name, cells in columns.items()}
    if any(found is None for found in numbers.values()):
        words = ", ".join(name for name, found in numbers.items() if found is None)
        raise DataError(
            f"the columns {', '.join(columns)} could all be labels, and {words} is no number; label='COLUMN' chooses"
        )
    rows = list(zip(*(found for found in numbers.values() if found is not None), strict=True))
    if all(value in (0, 1) for row in rows for value in row):
        return _multi_hot(tuple(columns), rows)
    return RowLabels("regress", rows, outputs=tuple(columns))


def _multi_hot(names: tuple[str, ...], rows: list[tuple[float, ...]]) -> RowLabels:
    if all(sum(row) == 1 for row in rows):
        note = "Each row has one 1 in its 0/1 columns: they are taken as one class a picture."
        return RowLabels("classify", [names[row.index(1)] for row in rows], names, notes=(note,))
    return RowLabels(
        "multilabel", [tuple(n for n, v in zip(names, row, strict=True) if v) for row in rows], names
    )


def _one_column(name: str, cells: Sequence[str]) -> RowLabels:
    mark = _separator(name, cells)
    if mark is not None:
        values = [tuple(dict.fromkeys(_words(cell, mark))) for cell in cells]
        shown = "spaces" if mark == " " else f"{mark!r}"
        note = f"The column {name} is read as several labels with {shown} between."
        return RowLabels("multilabel", values, _sorted({v for row in values for v in row}), notes=(note,))
    numbers = _numbers(cells)
    named = name.strip().lower() in (*ONE, *SEVERAL)
    whole = numbers is not None and all(value == int(value) for value in numbers)
    if numbers is not None and not (named and whole):
        return RowLabels("regress", [(value,) for value in numbers], outputs=(name,))
    texts = [cell.strip() for cell in cells] if numbers is None else [str(int(value)) for value in numbers]
    return RowLabels("classify", texts, _sorted({text for text in texts if text}))


def _separator(name: str, cells: Sequence[str]) -> str | None:
    """What stands between several labels of one cell, or None where a cell holds one."""
    several = name.strip().lower() in SEVERAL
    for mark in BETWEEN if several else BETWEEN[:2]:
        if any(mark in cell for cell in cells):
            return mark
    if not several:
        return None
    words = {word for cell in cells for word in cell.split()}
    recur = len(words) < len({cell for cell in cells if cell.strip()})  # "haze primary", "clear primary", ...
    return " " if recur and any(" " in cell.strip() for cell in cells) else ","


def _words(cell: str, mark: str) -> list[str]:
    return [word.strip() for word in cell.strip("[] ").split(mark) if word.strip()]


def _numbers(cells: Sequence[str]) -> list[float] | None:
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    return values if all(math.isfinite(value) for value in values) else None


def _sorted(names: set[str]) -> tuple[str, ...]:
    """Numbers by size, words by letter."""
    if all(name.lstrip("-").isdigit() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def not_read(names: Sequence[str]) -> tuple[str, ...]:
    """A note on the columns that say nothing of the pictures, if there are any."""
    return (f"The columns {', '.join(names)} are not read; label='COLUMN' chooses another.",) if names else ()
