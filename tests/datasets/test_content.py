"""A data set's digest changes with any picture, label or name, and only then."""

import os
from pathlib import Path

import pytest
import torch

from convsight.datasets import Dataset, Split, dataset
from convsight.datasets.pixels import MemoryStore
from convsight.images import Images


def small(
    pixels: torch.Tensor, labels: torch.Tensor, ids: tuple[str, ...] = ("a", "b"), name: str = "d"
) -> Dataset:
    split = Split(MemoryStore(pixels), labels, ("x", "y"), ids)
    return Dataset(name, ("x", "y"), split, split.take([]), split)


def test_one_pixel_one_label_one_name_make_another_digest() -> None:
    pixels, labels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1])
    brighter = pixels.clone()
    brighter[1, 0, 3, 3] = 1
    digests = {
        small(pixels, labels).content_hash,
        small(brighter, labels).content_hash,
        small(pixels, labels.flip(0)).content_hash,
        small(pixels, labels, ("a", "c")).content_hash,
        small(pixels, labels, name="e").content_hash,
        small(pixels.view(2, 1, 2, 8), labels).content_hash,
    }
    assert len(digests) == 6 and small(pixels.clone(), labels.clone()).content_hash in digests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        Images(torch.rand(6, 3, 8, 8)).save(tmp_path / name)
    return tmp_path


def test_a_folder_is_the_same_until_a_file_changes(folder: Path) -> None:
    def digest() -> str:
        return dataset(folder, in_memory=False).content_hash

    before = digest()
    assert digest() == before
    file = folder / "cat" / "00000.png"
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert digest() != before
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digest() == before
    file.unlink()
    assert digest() != before
