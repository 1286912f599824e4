"""Pooling against the lesson's numbers and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsight.errors import InputError
from convsight.images import Images
from convsight.methods.pooling import EXAMPLE, Pooling, edge_maps, pool
from convsight.results.kinds import Table


def slow_pool(values: np.ndarray, how, window: int, stride: int) -> np.ndarray:
    rows = range(0, values.shape[0] - window + 1, stride)
    columns = range(0, values.shape[1] - window + 1, stride)
    return np.array([[how(values[y : y + window, x : x + window]) for x in columns] for y in rows])


def test_the_lessons_window_1_9_5_4_becomes_9():
    assert EXAMPLE[0, :2, :2].flatten().tolist() == [1, 9, 5, 4]
    assert Pooling()().values[0, 0, 0, 0] == 9


def test_the_lessons_map_sums_to_80_over_16_nodes_and_averages_to_5():
    assert float(EXAMPLE[0].sum()) == 80 and EXAMPLE[0].numel() == 16
    vector = Pooling(mode="global")().values
    assert vector.shape == (1, 3, 1, 1)
    assert vector.flatten().tolist() == [5, 4, 3]


def test_the_stack_keeps_its_number_of_maps_and_halves_their_sides():
    assert Pooling()().values.shape == (1, 3, 2, 2)
    assert Pooling()(torch.rand(1, 1, 23, 31)).values.shape == (1, 4, 10, 14)


def test_the_table_shows_sum_nodes_and_average_of_each_map():
    (table,) = Pooling()().parts
    assert isinstance(table, Table)
    assert table.rows[0] == (1, 80.0, 16, 5.0, 9.0)
    assert all(row[1] / row[2] == row[3] for row in table.rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(5, 12), st.integers(5, 12), st.booleans())
def test_any_window_and_stride_agree_with_the_slow_loop(window, stride, height, width, largest):
    maps = torch.rand(1, 2, height, width, generator=torch.Generator().manual_seed(height))
    found = pool(maps, "max" if largest else "average", window, stride)[0].numpy()
    for ours, values in zip(found, maps[0].numpy(), strict=True):
        expected = slow_pool(values, np.max if largest else np.mean, window, stride)
        assert ours.shape == expected.shape
        assert np.abs(ours - expected).max() < 1e-6


def test_the_maps_of_a_picture_are_its_edges_after_relu():
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1
    maps = edge_maps(edge)[0]
    assert maps.shape == (4, 5, 5)
    assert torch.allclose(maps[0], torch.tensor([0, 4, 8, 4, 0.0]).expand(5, 5), atol=1e-5)
    assert maps[1:].abs().max() < 1e-5


def test_batches_equal_one_by_one_and_colour_equals_its_grey():
    images = Images(torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0)))
    both = Pooling(mode="average")(images).values
    alone = Pooling(mode="average")(images[1].fit(channels=1)).values
    assert torch.allclose(alone[0], both[1], atol=1e-6)


@pytest.mark.parametrize("mode", ["both", "max", "average", "global"])
def test_every_mode_draws_small_and_large_maps(mode):
    assert Pooling(mode=mode)().view().png.startswith(b"\x89PNG")
    assert Pooling(mode=mode, window=3, stride=2)(torch.zeros(1, 1, 40, 30)).view().png.startswith(b"\x89PNG")


def test_the_example_is_also_vectors():
    svg = Pooling()().svg
    assert svg is not None and "1, 9, 5, 4 → 9" in svg and "sum 80" in svg


def test_a_window_larger_than_the_map_is_refused():
    with pytest.raises(InputError, match="window of 5×5 does not fit into a map of 4×4"):
        Pooling(window=5)()
    with pytest.raises(InputError, match="do not fit into a picture of 3×3"):
        Pooling()(torch.zeros(1, 1, 3, 3))
    with pytest.raises(InputError, match="mode='min' is not possible"):
        Pooling(mode="min")
