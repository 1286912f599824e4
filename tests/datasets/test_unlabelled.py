"""Are pictures without labels a data set, in every form, and do many channels and many bits survive in one?"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import convsight as cs
from convsight.datasets import as_dataset, dataset
from convsight.datasets.pixels import MemoryStore
from convsight.errors import ConvsightError, DataError, InputError
from convsight.images import Images

RNG = np.random.default_rng(3)


def net(channels=3, size=16, **options):
    module = nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )
    return cs.Classifier(module.eval(), classes=["a", "b"], input_size=size, channels=channels, **options)


@pytest.fixture
def photos(tmp_path):
    for i, shape in enumerate([(16, 16, 3), (40, 20, 3), (16, 48, 3), (30, 30)]):
        Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_every_form_is_the_same_data_for_a_network(photos):
    files, ours = sorted(photos.iterdir()), net()
    alone = torch.cat([ours.fit(file).pixels for file in files])
    arrays = [np.array(Image.open(file)) for file in files]
    for given in (photos, str(photos), files, arrays, [Image.fromarray(a) for a in arrays], ours.fit(files)):
        data = as_dataset(given, ours)
        assert (
            len(data.train) == 0 and data.test.labels.shape == (4, 0) and "no classes" in " ".join(data.notes)
        )
        assert (data.test[:].pixels - alone).abs().max() <= 0.51 / 255
        assert any("2.png 67%" in note or "picture 2 67%" in note for note in (*data.notes,))
    assert len(cs.duplicates(ours, files, tolerance=0).rows) == 0


def test_without_a_network_a_size_is_asked_for(photos):
    with pytest.raises(InputError, match=r"4 sizes .*give size="):
        dataset(photos)
    data = dataset(photos, size=16, fit="pad")
    assert data.test.size == (16, 16) and len(data.test) == 4 and any("padding" in n for n in data.notes)
    with pytest.raises(ConvsightError, match="no training pictures"):
        cs.train(data)


def test_a_picture_is_at_distance_nought_from_itself_also_under_a_crop(tmp_path):
    for i in range(6):
        Image.fromarray(RNG.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    found = cs.neighbours(net(size=28, crop=0.875), str(tmp_path / "3.png"), tmp_path, k=1, space="pixels")
    assert "1 of 1 queries are in the data set (3.png)" in found.notes[0]


def test_arrays_of_any_channels_keep_every_value():
    pixels, labels = torch.rand(40, 12, 8, 9), torch.arange(40) % 2
    data = dataset((pixels, labels), channels=12, bands=(3, 2, 1))
    for split in data.splits.values():
        for image in split:
            assert any(torch.equal(image.pixels[0], one) for one in pixels)
    assert data.channels == 12 and data.train[0].bands == (3, 2, 1) and "12 channels" in data.describe()


def test_four_channels_in_a_data_set_are_four_and_that_is_said():
    pixels, labels = torch.rand(20, 4, 8, 8), torch.arange(20) % 2
    data = dataset((pixels, labels))
    assert data.channels == 4 and any("channels=3 takes them for RGB" in note for note in data.notes)
    assert dataset((pixels, labels), channels=3).channels == 3


def test_eight_bits_stay_eight_and_more_stay_floats():
    eight = RNG.integers(0, 256, (20, 6, 6), dtype=np.uint8)
    assert dataset((eight, np.arange(20) % 2)).train.pixels.dtype == torch.uint8
    assert dataset((eight / np.float32(255), np.arange(20) % 2)).train.pixels.dtype == torch.uint8
    deep = RNG.integers(0, 4096, (20, 6, 6), dtype=np.uint16)
    data = dataset((deep, np.arange(20) % 2))
    assert data.train.pixels.dtype == torch.float32 and any("12-bit" in note for note in data.notes)
    assert (data.train[:].pixels * 4095 - (data.train[:].pixels * 4095).round()).abs().max() < 1e-3


def test_one_range_holds_for_all_files_of_a_folder(tmp_path):
    for name, level in (("dark", 900), ("light", 9000)):
        (tmp_path / name).mkdir()
        for i in range(8):
            Image.fromarray(np.full((6, 6), level + i, np.uint16)).save(tmp_path / name / f"{i}.png")
    for in_memory in (True, False):
        data = dataset(tmp_path, in_memory=in_memory)
        for image in data.train:
            level = float(image.pixels[0, 0, 0, 0]) * 16383
            assert round(level) // 10 == (900, 0, 9000)[0 if image.labels[0] == 0 else 2] // 10
        assert any("14-bit" in note for note in data.notes)


def test_files_of_many_channels_in_class_folders(tmp_path):
    for name in ("crop", "town"):
        (tmp_path / name).mkdir()
        for i in range(8):
            np.save(tmp_path / name / f"{i}.npy", RNG.random((12, 6, 7), dtype=np.float32))
    data = dataset(tmp_path, channels=12)
    assert data.channels == 12 and data.size == (6, 7) and data.classes == ("crop", "town")
    first = np.load(tmp_path / data.train.ids[0])
    assert np.array_equal(data.train[0].pixels[0].numpy(), first)
    with pytest.raises(DataError, match=r"\.npy"):
        dataset(tmp_path)


def test_labels_of_many_kinds_in_arrays():
    x = np.zeros((12, 4, 4), np.uint8)
    several = dataset((x, np.array([[1, 1, 0]] * 12)), classes=["a", "b", "c"])
    assert several.task == "multilabel" and several.train.labels[0].tolist() == [1, 1, 0]
    one_hot = dataset((x, np.eye(3, dtype=int)[np.arange(12) % 3]))
    assert one_hot.task == "classify" and one_hot.classes == ("0", "1", "2")


def test_images_with_labels_keep_them():
    images = Images(torch.rand(6, 1, 8, 8), torch.arange(6) % 2, ("a", "b"))
    data = dataset(images)
    assert data.test.labels.tolist() == [0, 1, 0, 1, 0, 1] and data.classes == ("a", "b")
    assert isinstance(data.test.store, MemoryStore)
