"""Do splits give every picture once, and are they cut in proportion and the same each time?"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsight.datasets.base import Dataset, Split
from convsight.datasets.hold_out import hold_out
from convsight.datasets.pixels import LOOKAHEAD, FileStore, MemoryStore
from convsight.datasets.sampling import stratified
from convsight.errors import DataError, InputError


def numbered(n, size=4):
    """A split whose picture i is all grey level i."""
    pixels = torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1).expand(n, 1, size, size).clone()
    return Split(MemoryStore(pixels), torch.arange(n) % 3, ("a", "b", "c"))


def on_disk(n, read=None, size=4):
    def grey(path):
        return torch.full((1, size, size), int(path.name) / 255)

    store = FileStore([Path(str(i)) for i in range(n)], (size, size), 1, workers=4, read=read or grey)
    return Split(store, torch.arange(n) % 3, ("a", "b", "c"))


@pytest.mark.parametrize("make", [numbered, on_disk])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_give_every_picture_once_in_order(make, drop_last):
    split = make(10)
    batches = list(split.batches(4, drop_last=drop_last))
    assert [len(b) for b in batches] == ([4, 4] if drop_last else [4, 4, 2])
    levels = torch.cat([b.pixels[:, 0, 0, 0] * 255 for b in batches]).round().tolist()
    assert levels == list(range(8 if drop_last else 10))
    assert [name for b in batches for name in b.ids] == [str(int(v)) for v in levels]
    assert torch.cat([b.labels for b in batches]).tolist() == [int(v) % 3 for v in levels]


@pytest.mark.parametrize("make", [numbered, on_disk])
def test_a_generator_shuffles_the_same_way_each_time(make):
    split = make(40)

    def epoch(seed):
        return [i for b in split.batches(7, generator=torch.Generator().manual_seed(seed)) for i in b.ids]

    assert epoch(1) == epoch(1) != epoch(2)
    assert sorted(epoch(1), key=int) == [str(i) for i in range(40)]


def test_reading_from_disk_equals_memory():
    memory, disk = numbered(30), on_disk(30)
    for index in (4, slice(3, 20, 5), [9, 1], torch.tensor([2, 2])):
        assert torch.equal(memory[index].pixels, disk[index].pixels)
    assert memory.take([5, 6]).ids == disk.take([5, 6]).ids == ("5", "6")
    assert torch.equal(memory.take([5, 6])[:].pixels, disk.take([5, 6])[:].pixels)
    assert memory.pixels is not None and disk.pixels is None
    assert disk.fit(2, 3)[0].pixels.shape == memory.fit(2, 3)[0].pixels.shape == (1, 3, 2, 2)


def test_reading_ahead_is_bounded_and_order_survives_slow_files():
    started, lock = [], threading.Lock()

    def slow(path):
        with lock:
            started.append(int(path.name))
        time.sleep(0.002 * (int(path.name) % 4))
        return torch.full((1, 2, 2), int(path.name) / 255)

    seen = []
    for batch in on_disk(60, slow, size=2).batches(5):
        time.sleep(0.01)  # time enough to run ahead
        assert len(started) <= len(seen) + 5 * (LOOKAHEAD + 1)
        seen += batch.ids
    assert seen == [str(i) for i in range(60)]


def test_a_file_that_breaks_later_stops_with_its_name_and_leaves_no_thread():
    def breaks(path):
        if path.name == "7":
            raise DataError("7: truncated")
        return torch.zeros(1, 2, 2)

    with pytest.raises(DataError, match="7: truncated"):
        list(on_disk(20, breaks, size=2).batches(4))
    reading = on_disk(20, size=2).batches(4)
    next(reading)
    reading.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("convsight-read")]


def test_bad_numbers_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        list(numbered(3).batches(0))
    with pytest.raises(InputError, match="differ in number"):
        Split(MemoryStore(torch.zeros(2, 1, 2, 2, dtype=torch.uint8)), torch.zeros(3))
    with pytest.raises(InputError, match="no picture 12"):
        numbered(3)[12]


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.floats(0.01, 0.9), st.integers(0, 5))
def test_holding_out_is_a_partition_in_proportion(sizes, share, seed):
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    rest, held = hold_out(labels, share, seed)
    assert sorted(rest.tolist() + held.tolist()) == list(range(len(labels)))
    again = hold_out(labels, share, seed)
    assert torch.equal(rest, again[0]) and torch.equal(held, again[1])
    kept, out = Counter(labels[rest].tolist()), Counter(labels[held].tolist())
    assert len(held) <= round(len(labels) * share)
    for k, size in enumerate(sizes):
        assert kept[k] >= 1
        if size * share >= 2 and min(sizes) * share >= 1:
            assert abs(out[k] - size * share) <= len(sizes)


def test_equal_classes_are_held_out_equally_and_seeds_differ():
    labels = torch.arange(1000) % 10
    _, held = hold_out(labels, 200, 0)
    assert torch.bincount(labels[held]).tolist() == [20] * 10
    assert not torch.equal(held, hold_out(labels, 200, 1)[1])
    assert torch.bincount(labels[stratified(labels, 15, 0)], minlength=10).min() == 1


def test_a_rare_class_is_held_out_too():
    labels = torch.tensor([0] * 95 + [1] * 3 + [2] * 2)
    _, held = hold_out(labels, 0.1, 0)
    assert torch.bincount(labels[held], minlength=3).tolist() == [8, 1, 1]


@pytest.mark.parametrize("share", [-1, 10, 11, 2.5])
def test_impossible_shares_are_refused(share):
    with pytest.raises(InputError, match="cannot hold out"):
        hold_out(torch.zeros(10, dtype=torch.int64), share, 0)


def test_positions_are_held_out_without_classes():
    rest, held = hold_out(torch.rand(20, 6), 0.25, 0)
    assert len(rest) == 15 and len(held) == 5


def test_describe_and_limited_say_what_is_there():
    data = Dataset("toy", ("a", "b", "c"), numbered(30), numbered(6), numbered(9), notes=("a toy",))
    assert data.describe() == "toy: 4×4 grey, 30 train, 6 validation, 9 test\n3 classes: a, b, c\nnote: a toy"
    small = data.limited(6)
    assert [s.counts for s in small.splits.values()] == [(2, 2, 2)] * 3
    assert data.limited(None) is data
    with pytest.raises(InputError, match="limit"):
        data.limited(0)


def test_positions_are_not_resized_away():
    places = Split(MemoryStore(torch.zeros(4, 1, 8, 8, dtype=torch.uint8)), torch.rand(4, 2))
    data = Dataset("places", (), places, places, places, "locate", ("x", "y"))
    assert "positions: x, y" in data.describe() and data.fit(channels=3).channels == 3
    with pytest.raises(InputError, match="in pixels"):
        data.fit(4)
