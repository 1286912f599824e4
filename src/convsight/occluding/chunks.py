"""Which positions are answered together, so that windows of one size hold little that did not change?

All windows of a chunk are as high and as wide as its largest one. Positions at a border change less than others. So
rows and columns of positions are sorted by how much they change before they are cut into chunks, which brings
positions at opposite borders together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from convsight.occluding.regions import Changed


def changes(all_changed: Iterable[Changed | None]) -> tuple[np.ndarray, np.ndarray]:
    """How many rows and columns of cells each position changes, over all values."""
    each = [changed for changed in all_changed if changed is not None]
    rows, columns = (np.sum([c.high[axis] - c.low[axis] for c in each], axis=0) for axis in (0, 1))
    return rows, columns


def chunks(
    places: np.ndarray, across: int, size: int, extents: tuple[np.ndarray, np.ndarray]
) -> Iterator[np.ndarray]:
    """Positions on a grid with `across` columns, in chunks of about `size` that change about as much.

    `extents` says how many rows and columns of cells each position changes (see `changes`).
    """
    rows, columns = places // across, places % across
    some_rows, some_columns = (
        _in_order(which, extent[places]) for which, extent in zip((rows, columns), extents, strict=True)
    )
    high, wide = len(some_rows), len(some_columns)
    groups = math.ceil(wide / max(1.0, min(wide, max(math.sqrt(size), size / high))))
    down = math.ceil(high / max(1, size // math.ceil(wide / groups)))
    for of_rows in np.array_split(some_rows, down):
        for of_columns in np.array_split(some_columns, groups):
            part = places[np.isin(rows, of_rows) & np.isin(columns, of_columns)]
            if len(part):
                yield part


def _in_order(which: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """The different rows (or columns) of positions, those with the smallest mean extent first."""
    different, number = np.unique(which, return_inverse=True)
    means = np.bincount(number, extent) / np.bincount(number)
    return different[np.argsort(means, kind="stable")]
