"""Columns and rows of words and numbers."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from convsight.results import draw, plot
from convsight.results.kinds.layout import csv_bytes, framed, parquet_bytes
from convsight.results.result import Result

LONG = 12  # rows from which a page may fold a table away
MOST_TABLE_ROWS = 60  # rows of a Table that are drawn; .rows, .html() and .save("x.csv") have them all


@dataclass(frozen=True, kw_only=True, eq=False)
class Table(Result):
    """Columns and rows of words and numbers; `shade` colours the numbers by size (a confusion matrix)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    shade: bool = False

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "csv", "parquet")

    def draw_self(self) -> draw.RGB:
        rows, left_out = self.rows[:MOST_TABLE_ROWS], len(self.rows) - MOST_TABLE_ROWS
        if left_out > 0:
            rows = (*rows, (f"… and {left_out} more", *[""] * (len(self.columns) - 1)))
        return framed(self, plot.table(self.columns, rows, self.shade))

    def arrays(self) -> dict[str, np.ndarray]:
        columns = {name: [row[j] for row in self.rows] for j, name in enumerate(self.columns)}
        return {name: _column(cells) for name, cells in columns.items()}

    def data(self) -> dict[str, Any]:
        return {**super().data(), "columns": list(self.columns), "rows": [list(row) for row in self.rows]}

    def _figure(self) -> str:
        top = max((abs(c) for r in self.rows for c in r if _is_number(c)), default=1) or 1
        head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in self.columns)
        body = "".join(f"<tr>{''.join(self._cell(c, top) for c in row)}</tr>" for row in self.rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        if len(self.rows) > LONG:
            table = f'<details class="rows" open><summary>{len(self.rows):,} rows</summary>{table}</details>'
        return f'<figure class="convsight">{self._words()}<div class="drawn">{table}</div>{self._small_print()}</figure>'

    def _cell(self, value: Any, top: float) -> str:
        text = html.escape(plot.cell_text(value))
        if not _is_number(value):
            return f"<td>{text}</td>"
        share = min(1.0, abs(value) / top) ** 0.5 if self.shade else 0.0
        style = (
            f' style="background:rgba(0,114,178,{0.75 * share:.2f});{"color:#fff" if share > 0.75 else ""}"'
            if share
            else ""
        )
        return f'<td class="number"{style}>{text}</td>'

    def _encoded(self, suffix: str) -> bytes:
        if suffix == "parquet":
            return _parquet(self)
        return csv_bytes(self.columns, self.rows) if suffix == "csv" else super()._encoded(suffix)


def _parquet(table: Table) -> bytes:
    """Numbers stay numbers, and an empty cell is a null."""
    columns = [[row[j] for row in table.rows] for j in range(len(table.columns))]
    mixed = [
        cells
        if all(cell is None or _is_number(cell) for cell in cells)
        else [None if c is None else str(c) for c in cells]
        for cells in columns
    ]
    return parquet_bytes(dict(zip(table.columns, mixed, strict=True)))


def _column(cells: list[Any]) -> np.ndarray:
    """Numbers stay numbers, an empty cell among them is NaN; any word makes words of all."""
    if all(cell is None or _is_number(cell) for cell in cells):
        holes = any(cell is None for cell in cells)
        return np.asarray(
            [np.nan if cell is None else cell for cell in cells], dtype=float if holes else None
        )
    return np.asarray(["" if cell is None else str(cell) for cell in cells])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
