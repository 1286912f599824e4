"""What the drawings of several kinds have in common: the foot, the frame around a chart, tile sizes, CSV."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Sequence
from typing import Any

from convsight.errors import required
from convsight.results.draw import RGB
from convsight.results.result import Result
from convsight.results.sheet import Tile, sheet

MOST_ROWS = 12  # pictures of one Map that are drawn; .values and .save("x.npz") have them all


def page(result: Result, tiles: Sequence[Tile], columns: int, **more: Any) -> RGB:
    """Tiles under the result's title, with its caption, notes and provenance; `more` as `sheet` takes it."""
    made = result.provenance.sentence() if result.provenance else ""
    words = {"title": result.title, "caption": result.caption, "notes": result.notes, "footer": made}
    return sheet(tiles, columns, **words | more)


def framed(result: Result, chart: RGB) -> RGB:
    """A chart under its title, with notes and provenance, at its own size."""
    return page(result, [Tile(chart)], 1, tile_px=chart.shape[0])


def nth(names: Sequence[str], i: int) -> str:
    """The i-th name; "" where there are fewer."""
    return names[i] if i < len(names) else ""


def tile_px(n: int, columns: int, height: int) -> int:
    """Large tiles for a few pictures, small ones for many: about 1100 pixels a row, and less for many rows."""
    rows = -(-n // max(1, columns))
    wanted = max(56, min(224 if rows <= 4 else 112, 1100 // max(1, min(n, columns))))
    return wanted if height > wanted else max(height, wanted // height * height)


def parquet_bytes(columns: dict[str, Any]) -> bytes:
    """Columns by name (a list, a numpy array or an Arrow array each) as a Parquet file."""
    pa, buffer = required("pyarrow", "features", "a result as Parquet"), io.BytesIO()
    arrays = {name: pa.array(column) for name, column in columns.items()}
    words = {name: a.cast(pa.string()) if pa.types.is_null(a.type) else a for name, a in arrays.items()}
    importlib.import_module("pyarrow.parquet").write_table(pa.table(words), buffer, compression="zstd")
    return buffer.getvalue()


def csv_bytes(columns: Any, rows: Any) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue().encode()
