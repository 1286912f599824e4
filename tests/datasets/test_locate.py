"""Are the positions exactly those of the ink?"""

from __future__ import annotations

import pytest
import torch

from convsight.datasets import dataset
from convsight.datasets.base import Dataset, Split
from convsight.datasets.locate import INK, OUTPUTS, ink_box, locate
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError


@pytest.fixture(scope="module")
def places():
    return dataset("locate-drawn", limit=300)


def test_labels_are_the_box_of_the_ink_found_by_a_slow_loop(places):
    assert places.task == "locate" and places.outputs == OUTPUTS and places.classes == ()
    for split in places.splits.values():
        for picture, label in zip(split.pixels[:60], split.labels[:60], strict=True):
            rows = picture[0].tolist()
            ys, xs = zip(*[(y, x) for y in range(48) for x in range(48) if rows[y][x] >= INK], strict=True)
            left, top, right, bottom = min(xs), min(ys), max(xs) + 1, max(ys) + 1
            assert label.tolist() == [(left + right) / 2, (top + bottom) / 2, left, top, right, bottom]


def test_every_place_on_the_canvas_is_used(places):
    labels = places.train.labels
    left, top, right, bottom = labels[:, 2:].T
    assert left.min() == 0 and top.min() == 0 and right.max() == 48 and bottom.max() == 48
    assert abs(labels[:, :2].mean() - 24) < 1.5


def test_the_garment_itself_is_unchanged(places):
    source = dataset("drawn-garments", limit=300).train
    for i in range(0, 300, 37):
        box = ink_box(source.pixels[i : i + 1])[0].int().tolist()
        left, top, right, bottom = places.train.labels[i, 2:].int().tolist()
        placed = places.train.pixels[i, 0, top:bottom, left:right]
        assert torch.equal(placed, source.pixels[i, 0, box[1] : box[3], box[0] : box[2]])


def test_the_same_seed_gives_the_same_places(places):
    again, other = dataset("locate:drawn-garments", limit=300), dataset("locate-drawn", limit=300, seed=1)
    assert torch.equal(again.train.pixels, places.train.pixels)
    assert torch.equal(again.test.labels, places.test.labels)
    assert not torch.equal(other.train.labels, places.train.labels)
    assert not torch.equal(places.train.labels[:100], places.validation.labels[:100])


def test_a_known_garment_has_a_known_box():
    picture = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    picture[0, 0, 2:4, 3:6] = 200
    picture[0, 0, 7, 7] = INK - 1  # too faint to count
    assert ink_box(picture).tolist() == [[3, 2, 6, 4], [0, 0, 8, 8]]


def test_size_is_the_canvas():
    data = dataset("locate-drawn", limit=20, size=(40, 60), channels=3)
    assert data.size == (40, 60) and data.channels == 3 and data.train[0].labels.shape == (1, 6)


def test_what_cannot_be_placed_is_refused():
    with pytest.raises(InputError, match="20×20 canvas is too small for 28×28"):
        dataset("locate-drawn", limit=20, size=20)
    colour = Split(MemoryStore(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)), torch.zeros(2).long(), ("a",))
    with pytest.raises(InputError, match="grey garments on black"):
        locate(Dataset("colour", ("a",), colour, colour, colour))


def test_real_garments_are_placed(shared_data, monkeypatch):
    monkeypatch.setenv("CONVSIGHT_DATA", str(shared_data))
    data = dataset("locate", limit=200)
    assert data.name == "locate:fashion-mnist" and len(data.train) == 200
    assert torch.equal(ink_box(data.test.pixels), data.test.labels[:, 2:])
