"""Do arrays and .npz files become data sets, and does `dataset` find its sources?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convsight.datasets import available, dataset
from convsight.errors import DataError, DataNotFound, InputError

PIXELS = np.arange(60, dtype=np.uint8)[:, None, None].repeat(6, 1).repeat(5, 2)  # picture i is grey level i
LABELS = np.arange(60) % 3


def test_a_tuple_of_pixels_and_labels_is_split_in_proportion():
    data = dataset((PIXELS, LABELS), classes=["a", "b", "c"])
    assert data.classes == ("a", "b", "c") and data.size == (6, 5) and data.channels == 1
    assert [len(s) for s in data.splits.values()] == [46, 5, 9] and data.test.counts == (3, 3, 3)
    for split in data.splits.values():
        levels = (split.pixels[:, 0, 0, 0]).long()
        assert torch.equal(split.labels, levels % 3)


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_npz_files_keep_their_own_test_split(tmp_path, keys):
    np.savez(
        tmp_path / "d.npz",
        **dict(zip(keys, (PIXELS[:40], LABELS[:40], PIXELS[40:], LABELS[40:]), strict=True)),
    )
    data = dataset(tmp_path / "d.npz", validation=10)
    assert [len(s) for s in data.splits.values()] == [30, 10, 20]
    assert data.test.pixels[:, 0, 0, 0].tolist() == list(range(40, 60)) and data.classes == ("0", "1", "2")


def test_npz_with_named_labels_and_classes(tmp_path):
    names = np.array(["dog", "cat", "emu"])
    np.savez(tmp_path / "n.npz", images=PIXELS, labels=names[LABELS])
    data = dataset(tmp_path / "n.npz")
    assert data.classes == ("cat", "dog", "emu")
    assert [data.classes[k] for k in data.train.labels] == [
        names[i % 3] for i in data.train.pixels[:, 0, 0, 0]
    ]
    np.savez(tmp_path / "c.npz", x=PIXELS, y=LABELS[:, None], classes=names)
    assert dataset(tmp_path / "c.npz").classes == ("dog", "cat", "emu")


def test_float_pixels_and_positions_are_a_locate_task():
    data = dataset((torch.rand(20, 3, 8, 8), torch.rand(20, 2) * 8))
    assert data.task == "locate" and data.outputs == ("output 0", "output 1") and data.channels == 3
    assert data.train.labels.dtype == torch.float32


def test_bad_arrays_are_refused_with_what_they_hold(tmp_path):
    with pytest.raises(DataError, match=r"run from 0 to 2; with 2 classes they must be 0\.\.1"):
        dataset((PIXELS, LABELS), classes=["a", "b"])
    with pytest.raises(DataError, match=r"whole numbers or names.*float64"):
        dataset((PIXELS, LABELS / 2))
    with pytest.raises(DataError, match=r"\['emu'\] are not among"):
        dataset((PIXELS, np.array(["cat", "emu", "dog"])[LABELS]), classes=["cat", "dog"])
    with pytest.raises(InputError, match="60 pictures, 59 labels"):
        dataset((PIXELS, LABELS[:59]))
    with pytest.raises(DataError, match="differ in shape"):
        dataset({"train": (PIXELS, LABELS), "test": (PIXELS[:, :4], LABELS)})
    with pytest.raises(DataError, match="unknown splits"):
        dataset({"train": (PIXELS, LABELS), "dev": (PIXELS, LABELS)})
    np.savez(tmp_path / "odd.npz", pictures=PIXELS)
    with pytest.raises(DataError, match=r"has pictures; expected x_train and y_train"):
        dataset(tmp_path / "odd.npz")
    (tmp_path / "bad.npz").write_text("no zip")
    with pytest.raises(DataError, match=r"bad\.npz: cannot be read"):
        dataset(tmp_path / "bad.npz")
    with pytest.raises(DataNotFound, match="no file"):
        dataset(tmp_path / "gone.npz")


def test_unknown_names_are_answered_with_the_nearest(tmp_path):
    with pytest.raises(DataNotFound, match="did you mean fashion-mnist"):
        dataset("fashion-minst")
    with pytest.raises(DataNotFound, match="did you mean drawn-garments"):
        dataset("locate:drawn-garment")
    with pytest.raises(InputError, match="cannot be made of int"):
        dataset(5)
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataNotFound, match="is not a data set; expected a folder"):
        dataset(tmp_path / "a.txt")


def test_available_names_open_or_say_what_they_need(monkeypatch, tmp_path):
    names = [name for name, description in available() if len(description) > 20]
    garments, scenes = ["drawn-garments", "drawn-garments-colour"], ["drawn-scenes", "drawn-scenes-even"]
    assert names == ["fashion-mnist", *garments, *scenes, "locate", "locate-drawn"]
    for name in names:
        if "drawn" in name:
            assert len(dataset(name, limit=10).train) == 10


def test_a_dataset_passes_through_and_can_be_cut_down():
    data = dataset((PIXELS, LABELS))
    assert dataset(data) is not None and len(dataset(data, limit=6, size=3, channels=3).train) == 6
