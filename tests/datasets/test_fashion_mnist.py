"""Is Fashion-MNIST found, checked and split as said, and is its absence explained?"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import struct

import numpy as np
import pytest
import torch

from convsight.datasets import dataset
from convsight.datasets import fashion_mnist as fashion
from convsight.datasets.idx import FILES, read_idx
from convsight.errors import DataError, DataNotFound

MODULE = importlib.import_module("convsight.datasets.fashion_mnist")  # the package has its function


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder, n=40, gz=True):
    """A tiny data set in the official format; its pictures are all as grey as their number."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for pictures, labels in FILES.values():
        pixels = np.arange(n, dtype=np.uint8).repeat(16).reshape(n, 4, 4)
        for name, array in ((pictures, pixels), (labels, (np.arange(n) % 10).astype(np.uint8))):
            data = gzip.compress(idx(array), mtime=0) if gz else idx(array)
            files[name + ".gz" * gz] = data
            (folder / (name + ".gz" * gz)).write_bytes(data)
    return files


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv("CONVSIGHT_DATA", raising=False)
    monkeypatch.setattr(MODULE, "user_cache_dir", lambda name: str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("gz", [True, False])
def test_idx_files_are_read_gzipped_or_not(tmp_path, gz):
    write_idx(tmp_path / "fashion-mnist", gz=gz)
    data = fashion(tmp_path / "fashion-mnist", validation=10)
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 10, 40)
    assert data.validation.counts == (1,) * 10 and data.size == (4, 4) and len(data.classes) == 10
    for split in (data.train, data.validation, data.test):
        for picture in split:
            number = int(picture.ids[0].split("/")[1])
            assert torch.equal(picture.pixels, torch.full((1, 1, 4, 4), number / 255))
            assert picture.labels.item() == number % 10


def test_no_picture_is_in_two_splits(tmp_path):
    write_idx(tmp_path)
    data = fashion(tmp_path, validation=0.25, seed=3)
    assert not set(data.train.ids) & set(data.validation.ids)
    assert set(data.train.ids) | set(data.validation.ids) == {f"train/{i}" for i in range(40)}
    assert set(data.test.ids) == {f"test/{i}" for i in range(40)}


def test_the_search_goes_path_then_environment_then_cache(nowhere, monkeypatch):
    write_idx(nowhere / "cache" / "fashion-mnist", n=20)
    assert len(fashion(validation=5, mirrors=()).test) == 20
    write_idx(nowhere / "env" / "fashion-mnist", n=30)
    monkeypatch.setenv("CONVSIGHT_DATA", str(nowhere / "env"))
    assert len(fashion(validation=5, mirrors=()).test) == 30
    write_idx(nowhere / "given", n=40)
    assert len(fashion(nowhere / "given", validation=5, mirrors=()).test) == 40


def test_absence_names_every_place_and_what_to_do(nowhere, monkeypatch):
    monkeypatch.setenv("CONVSIGHT_DATA", str(nowhere / "env"))
    with pytest.raises(DataNotFound) as caught:
        fashion(mirrors=("http://127.0.0.1:9/",))
    message = str(caught.value)
    for part in (
        "env/fashion-mnist",
        "cache/fashion-mnist",
        "127.0.0.1:9",
        "path=",
        "train-images-idx3-ubyte.gz",
    ):
        assert part in message
    with pytest.raises(DataNotFound, match="nothing is downloaded when a path is given"):
        fashion(nowhere / "given")


def test_unofficial_files_are_used_with_a_note(tmp_path, monkeypatch):
    files = write_idx(tmp_path)
    assert fashion(tmp_path, validation=5).notes == (
        "4 of 4 files differ from the official checksums and are used as they are",
    )
    monkeypatch.setattr(MODULE, "MD5", {name: hashlib.md5(data).hexdigest() for name, data in files.items()})
    assert fashion(tmp_path, validation=5).notes == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not idx at all", "not an IDX file"),
        (b"", "begins with nothing"),
        (idx(np.zeros((3, 4, 4), np.uint8))[:-1], "has 47 bytes; it is damaged"),
        (gzip.compress(idx(np.zeros((9, 9, 9), np.uint8)))[:-9], "cannot be read"),
    ],
)
def test_damaged_files_are_named_with_the_reason(tmp_path, content, reason):
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=f"train-images.*{reason}"):
        fashion(tmp_path)


def test_pictures_and_labels_of_different_number_are_refused(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(39, np.uint8)))
    with pytest.raises(DataError, match=r"t10k-images.*\(39,\)"):
        fashion(tmp_path)


def test_a_folder_of_idx_files_is_a_data_set_by_path(tmp_path):
    write_idx(tmp_path / "mnist")
    data = dataset(tmp_path / "mnist", validation=5, limit=10, size=8, channels=3)
    assert data.classes == tuple("0123456789") and data.name == "mnist"
    assert len(data.train) == 10 and data.size == (8, 8) and data.channels == 3
    write_idx(tmp_path / "my-fashion")
    assert dataset(tmp_path / "my-fashion", validation=5).classes[9] == "Ankle boot"


def test_the_real_data_set_has_its_known_numbers(shared_data):
    data = fashion(shared_data / "fashion-mnist")
    assert [len(s) for s in data.splits.values()] == [55_000, 5_000, 10_000]
    assert data.validation.counts == (500,) * 10 and data.test.counts == (1000,) * 10
    assert data.test.labels[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]  # the official order
    assert data.train.pixels.float().mean() / 255 == pytest.approx(0.2860, abs=2e-3)  # published mean
    assert data.train.pixels.float().std() / 255 == pytest.approx(0.3530, abs=2e-3)
    array = read_idx(shared_data / "fashion-mnist" / "t10k-images-idx3-ubyte.gz")
    assert np.array_equal(data.test.pixels[:, 0].numpy(), array)
