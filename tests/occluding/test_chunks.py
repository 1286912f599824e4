"""Positions that are answered together."""

import numpy as np
import pytest

from convsight.network.intervals import Field, Intervals
from convsight.occluding import chunks
from convsight.occluding.occluders import Occluders
from convsight.occluding.regions import Changed, changed_by, sides_of

SIZE, PATCH, STRIDE = (64, 48), (8, 8), (4, 4)


def extents():
    """Of a value whose cells see 21 pixels, and of none."""
    axes = [Intervals.of_picture(n).slide(21, 1, 10, 1, n) for n in SIZE]
    changed = changed_by(sides_of(occluders()), Field(*axes))
    return changed, chunks.changes([changed, None])


def occluders():
    return Occluders.sliding(SIZE, PATCH, STRIDE)


def cells(parts, changed: Changed) -> int:
    return sum(changed.window(part).area * len(part) for part in parts)


@pytest.mark.parametrize("size", [1, 7, 20, 60, 1000])
@pytest.mark.parametrize("every", [1, 3])
def test_each_position_is_in_one_chunk_of_about_the_size(size, every):
    places = np.arange(0, len(occluders()), every)
    parts = list(chunks.chunks(places, occluders().grid[1], size, extents()[1]))
    assert (np.sort(np.concatenate(parts)) == places).all()
    assert max(map(len, parts)) <= 2 * size


def test_positions_at_both_borders_go_together_and_fewer_cells_are_computed():
    (rows, columns), (changed, both) = occluders().grid, extents()
    parts = list(chunks.chunks(np.arange(rows * columns), columns, 20, both))
    together = next(part for part in parts if 0 in part)
    assert {0, columns - 1, (rows - 1) * columns, rows * columns - 1} <= {int(at) for at in together}
    in_turn = [
        (some[:, None] * columns + others).ravel()
        for some in np.array_split(np.arange(rows), 3)
        for others in np.array_split(np.arange(columns), 3)
    ]
    assert len(parts) >= len(in_turn) and cells(parts, changed) < 0.95 * cells(in_turn, changed)
