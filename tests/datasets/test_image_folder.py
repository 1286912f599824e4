"""Does any folder of pictures become the right data set, or say clearly why not?"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from convsight.datasets import dataset
from convsight.datasets.image_folder import image_folder
from convsight.errors import DataError, DataNotFound


def fill(folder, n, *, level=0, size=(8, 8), mode="L", ending="png"):
    """n pictures whose grey level is `level` plus their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        grey = Image.new("L", size[::-1], level + i)
        grey.convert(mode).save(folder / f"{i:03d}.{ending}")
    return folder


@pytest.fixture
def grey(tmp_path):
    root = tmp_path / "grey"
    fill(root / "cat", 40, level=0)
    fill(root / "dog", 20, level=100)
    return root


def test_class_folders_are_split_in_proportion_and_reproducibly(grey):
    data = dataset(grey)
    assert data.classes == ("cat", "dog") and data.channels == 1 and data.size == (8, 8)
    assert [split.counts for split in data.splits.values()] == [(31, 15), (3, 2), (6, 3)]
    ids = [set(split.ids) for split in data.splits.values()]
    assert len(set.union(*ids)) == 60 == sum(map(len, ids))
    assert [split.ids for split in dataset(grey).splits.values()] == [s.ids for s in data.splits.values()]
    assert dataset(grey, seed=1).test.ids != data.test.ids
    assert any("no test folder: 9 pictures" in note for note in data.notes)


def test_every_picture_has_its_own_pixels_label_and_path(grey):
    for in_memory in (True, False):
        data = image_folder(grey, in_memory=in_memory)
        assert (data.train.pixels is None) == (not in_memory)
        for split in data.splits.values():
            for picture in split:
                name, number = picture.ids[0].removesuffix(".png").split("/")
                level = int(number) + (100 if name == "dog" else 0)
                assert torch.equal(picture.pixels, torch.full((1, 1, 8, 8), level / 255))
                assert data.classes[picture.labels.item()] == name


@pytest.mark.parametrize("validation_name", ["val", "valid", "validation"])
def test_named_splits_are_kept_as_they_are(tmp_path, validation_name):
    for split, n in (("train", 12), (validation_name, 4), ("test", 6)):
        for name in ("a", "b"):
            fill(tmp_path / split / name, n, mode="RGB")
    data = dataset(tmp_path)
    assert [split.counts for split in data.splits.values()] == [(12, 12), (4, 4), (6, 6)]
    assert data.channels == 3 and not data.notes
    assert all(name.startswith("test/") for name in data.test.ids)


def test_a_missing_validation_split_comes_out_of_train_never_out_of_test(tmp_path):
    for split, n in (("train", 20), ("test", 6)):
        for name in ("a", "b"):
            fill(tmp_path / split / name, n)
    data = dataset(tmp_path, validation=0.2)
    assert [split.counts for split in data.splits.values()] == [(16, 16), (4, 4), (6, 6)]
    assert all(name.startswith("train/") for name in data.validation.ids)


def test_colour_is_found_and_channels_can_be_chosen(grey):
    fill(grey / "cat", 1, mode="RGB", ending="jpg")
    assert dataset(grey).channels == 3
    assert dataset(grey, channels=1).channels == 1


def test_mixed_sizes_are_fitted_to_the_commonest_or_the_median_and_it_is_said(tmp_path):
    fill(tmp_path / "a", 12, size=(16, 24))
    fill(tmp_path / "b", 10, size=(40, 40))
    data = dataset(tmp_path)
    assert data.size == (16, 24) and any("fitted to 16×24; size=" in note for note in data.notes)
    fill(tmp_path / "c", 10, size=(21, 27))
    assert dataset(tmp_path).size == (24, 24)  # the median 21×27 to the nearest 8
    assert dataset(tmp_path, size=(10, 12)).size == (10, 12)


def test_large_pictures_are_fitted_to_224_unless_asked(tmp_path):
    for name in "ab":
        fill(tmp_path / name, 5, size=(300, 400))
    data = image_folder(tmp_path, test=2, validation=2)
    assert data.size == (224, 224) and "all 300×400" in data.notes[0]
    assert image_folder(tmp_path, test=2, validation=2, size=(300, 400)).size == (300, 400)


@pytest.mark.parametrize("in_memory", [True, False])
def test_unreadable_files_are_left_out_and_named(grey, in_memory):
    (grey / "cat" / "text.png").write_text("no picture")
    whole = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8))
    whole.save(grey / "dog" / "whole.png")
    data = (grey / "dog" / "whole.png").read_bytes()
    (grey / "dog" / "half.png").write_bytes(data[: len(data) // 2])
    data = image_folder(grey, in_memory=in_memory)
    assert sum(map(len, data.splits.values())) == 61
    assert "2 unreadable files are left out: cat/text.png, dog/half.png" in data.notes
    assert sum(len(batch) for split in data.splits.values() for batch in split.batches(16)) == 61


def test_too_many_unreadable_files_stop_with_examples(grey):
    for i in range(5):
        (grey / "cat" / f"bad{i}.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"5 of 65 .*8%, at most 5%.*bad0\.jpg: not a picture.*max_bad"):
        image_folder(grey)
    assert len(image_folder(grey, max_bad=0.1).notes) == 2


def test_a_class_without_a_readable_picture_stops(grey):
    (grey / "emu").mkdir()
    (grey / "emu" / "0.png").write_text("no picture")
    with pytest.raises(DataError, match="training pictures of emu"):
        image_folder(grey)


def test_empty_classes_other_files_and_nested_folders_are_noted(grey):
    (grey / "empty").mkdir()
    (grey / "cat" / "notes.txt").touch()
    (grey / "cat" / ".DS_Store").touch()
    (grey / "__MACOSX").mkdir()
    fill(grey / "dog" / "puppies", 4)
    Image.new("L", (8, 8)).save(grey / "loose.png")
    data = dataset(grey)
    assert data.classes == ("cat", "dog")
    assert sum(map(len, data.splits.values())) == 64
    notes = "\n".join(data.notes)
    for said in (
        "the class folder empty has no pictures",
        "files that are not pictures are left out (1 .txt)",
        "sub-folders count to the class above them (dog)",
        "1 pictures outside any class folder",
    ):
        assert said in notes


def test_what_cannot_be_a_data_set_says_what_is_missing(tmp_path):
    with pytest.raises(
        DataError, match="no class folders and no pictures; a data set needs one folder a class"
    ):
        image_folder(tmp_path)
    fill(tmp_path, 3)
    with pytest.raises(DataError, match=r"3 pictures but no class folders.*Images\.open"):
        image_folder(tmp_path)
    fill(tmp_path / "only", 5)
    with pytest.raises(DataError, match=r"one class only \(only\); two or more"):
        image_folder(tmp_path)
    with pytest.raises(DataNotFound, match="no folder"):
        image_folder(tmp_path / "gone")


def test_one_folder_too_high_is_recognised(tmp_path):
    for name in "ab":
        fill(tmp_path / "animals" / name, 5)
    with pytest.raises(DataError, match=r"did you mean .*animals"):
        image_folder(tmp_path)


def test_test_without_train_and_classes_unknown_to_train_are_refused(tmp_path):
    for name in "ab":
        fill(tmp_path / "test" / name, 5)
    with pytest.raises(DataError, match="has test but no train folder"):
        image_folder(tmp_path)
    for name in "ac":
        fill(tmp_path / "train" / name, 20)
    with pytest.raises(DataError, match="test has b, which train has no pictures of; it has: a, c"):
        image_folder(tmp_path)


def test_tiny_classes_are_noted_and_too_few_pictures_refused(tmp_path):
    fill(tmp_path / "a", 20)
    fill(tmp_path / "b", 4)
    assert any("training pictures of b" in note for note in dataset(tmp_path).notes)
    for name in "xy":
        fill(tmp_path / "few" / name, 1)
    with pytest.raises(DataError, match="too few to hold some out"):
        image_folder(tmp_path / "few")


def test_of_very_many_tiny_classes_the_first_are_named_and_the_others_counted(tmp_path):
    for name in "abcdefghijklmno":
        fill(tmp_path / name, 6)
    data = dataset(tmp_path)
    fewest = [name for name, n in zip(data.classes, data.train.counts, strict=True) if n == 4]
    said = f"only 4 training pictures of {', '.join(fewest[:4])} and {len(fewest) - 4} more classes"
    assert len(fewest) > 4 and data.notes[-1] == said


def test_progress_counts_up_to_the_number_of_files(grey):
    seen = []
    image_folder(grey, progress=lambda *a: seen.append(a))
    assert ("looking at files", 60, 60) in seen and ("reading pictures", 60, 60) in seen


def test_the_cifar_folder_is_read_as_its_files_say(shared_data):
    root = shared_data / "cifar10-folder"
    data = image_folder(root, in_memory=False)
    assert data.classes == tuple(sorted(p.name for p in (root / "train").iterdir()))
    assert data.size == (32, 32) and data.channels == 3 and not data.notes
    assert [len(s) for s in data.splits.values()] == [4500, 500, 1000]
    assert data.validation.counts == (50,) * 10 and data.test.counts == (100,) * 10
    files = sorted((root / "test").glob("*/*.jpg"))
    for i in range(0, 1000, 97):
        picture = data.test[i]
        assert data.classes[picture.labels.item()] == files[i].parent.name
        with Image.open(files[i]) as image:
            assert np.array_equal(
                (picture.pixels[0] * 255).round().numpy().transpose(1, 2, 0), np.array(image)
            )


def test_streaming_real_files_equals_memory(shared_data):
    root = shared_data / "cifar10-folder" / "test"
    memory, disk = image_folder(root, in_memory=True), image_folder(root, in_memory=False)
    for a, b in zip(memory.test.batches(64), disk.test.batches(64), strict=True):
        assert torch.equal(a.pixels, b.pixels) and a.ids == b.ids


def test_pictures_that_would_fill_the_memory_stay_on_disk_and_that_is_said(grey, monkeypatch):
    monkeypatch.setattr(sys.modules[image_folder.__module__], "IN_MEMORY_BYTES", 100)
    data = image_folder(grey)
    assert data.train.pixels is None
    assert any("stay in their files and are read whenever they are needed" in note for note in data.notes)
    monkeypatch.undo()
    assert not any("stay in their files" in note for note in image_folder(grey).notes)
