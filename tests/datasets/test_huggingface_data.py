"""Do folders that `save_to_disk` wrote come back with the pictures, splits and class names written?"""

import io
import sys

import numpy as np
import pytest
from PIL import Image as Pil

import convsight as cs
import datasets
from convsight.cli import main
from convsight.datasets import dataset
from convsight.errors import DataError, DataNotFound, InputError, MissingExtra
from datasets import ClassLabel, DatasetDict, Features, Image
from datasets import Dataset as HuggingFace

N = 40


def png(level):
    kept = io.BytesIO()
    Pil.fromarray(np.full((8, 8), level, np.uint8)).save(kept, "PNG")
    return kept.getvalue()


def written(names=("zebra", "ant", "bee")):
    """Picture i is grey of level i, and of class i modulo the number of names; without names it has no label."""
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(N)]}
    if not names:
        return HuggingFace.from_dict(rows, features=Features({"image": Image()}))
    features = Features({"image": Image(), "label": ClassLabel(names=list(names))})
    return HuggingFace.from_dict(rows | {"label": [i % len(names) for i in range(N)]}, features=features)


def levels(split):
    return [round(float(image.pixels[0, 0, 0, 0]) * 255) for image in split]


def right(split, k=3):
    return all(image.labels[0] == level % k for image, level in zip(split, levels(split), strict=True))


def test_splits_and_class_names_are_kept(tmp_path):
    whole = written()
    parts = {"test": whole.select(range(30, N)), "train": whole.select(range(30))}
    DatasetDict(parts).save_to_disk(str(tmp_path / "d"))
    data = dataset(f"hf:{tmp_path / 'd'}", validation=6)
    assert data.name == "d" and data.classes == ("zebra", "ant", "bee") and data.task == "classify"
    assert levels(data.test) == list(range(30, N))
    assert (
        sorted(levels(data.train) + levels(data.validation)) == list(range(30)) and len(data.validation) == 6
    )
    assert all(right(split) for split in data.splits.values())


def test_three_splits_of_other_names_are_said_and_others_left_out(tmp_path):
    whole = written()
    names = {"train": range(20), "val": range(20, 30), "test": range(30, 36), "extra": range(36, N)}
    DatasetDict({name: whole.select(rows) for name, rows in names.items()}).save_to_disk(str(tmp_path))
    data = dataset(f"hf:{tmp_path}")
    assert levels(data.validation) == list(range(20, 30)) and levels(data.test) == list(range(30, 36))
    assert "validation is its split 'val'" in data.notes and "its splits 'extra' are left out" in data.notes


def test_a_single_set_is_training_pictures_of_which_some_are_held_out(tmp_path):
    written().save_to_disk(str(tmp_path))
    data = dataset(f"hf:{tmp_path}", test=10, validation=5)
    assert [len(split) for split in data.splits.values()] == [25, 5, 10]
    assert all(right(split) for split in data.splits.values())


def test_without_labels_all_pictures_are_the_test_split(tmp_path):
    written(names=()).save_to_disk(str(tmp_path / "d"))
    data = dataset(f"hf:{tmp_path / 'd'}")
    assert data.describe().splitlines()[1] == "no labels"
    assert data.classes == () and len(data.train) == len(data.validation) == 0
    assert levels(data.test) == list(range(N)) and data.test.ids[3] == "train/3"
    assert levels(dataset(tmp_path / "d").test) == list(range(N))  # the same files, read with pyarrow
    small = dataset(f"hf:{tmp_path / 'd'}", size=4, channels=3)
    assert small.test.size == (4, 4) and small.channels == 3


def test_a_column_can_be_chosen_and_one_that_is_not_there_is_named(tmp_path):
    kinds = written().add_column("kind", ["even", "odd"] * (N // 2))
    kinds.save_to_disk(str(tmp_path))
    assert dataset(f"hf:{tmp_path}", label="kind").classes == ("even", "odd")
    with pytest.raises(DataError, match="no column 'sort'; beside the pictures it has label, kind"):
        dataset(f"hf:{tmp_path}", label="sort")


def test_a_name_of_the_hub_is_loaded_with_its_configuration(monkeypatch):
    asked = []

    def load(name, config=None):
        asked.append((name, config))
        return DatasetDict(train=written(("a", "b")), test=written(("a", "b")).select(range(4, 0, -1)))

    monkeypatch.setattr(datasets, "load_dataset", load)
    data = dataset("hf:someone/coins", config="small")
    assert asked == [("someone/coins", "small")] and data.name == "coins"
    assert levels(data.test) == [4, 3, 2, 1] and right(data.test, k=2)


def test_what_is_not_there_is_said_with_the_way_out(tmp_path, monkeypatch, capsys):
    with pytest.raises(DataNotFound, match="no folder .*absent.*save_to_disk"):
        dataset(f"hf:{tmp_path}/absent")
    with pytest.raises(DataError, match="a folder of pictures is given without 'hf:'"):
        dataset(f"hf:{tmp_path}")
    with pytest.raises(InputError, match="config='x' is for a name of the hub"):
        dataset(f"hf:{tmp_path}", config="x")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["map", "lesson-2", "--weights", "random", "--data", "hf:nobody/nothing"]) == 1
    said = capsys.readouterr().err
    assert "hf:nobody/nothing could not be loaded" in said and "save_to_disk(FOLDER)" in said
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"convsight\[hf\]"):
        dataset("hf:nobody/nothing")


def test_a_run_finds_its_folder_from_any_working_directory(tmp_path, monkeypatch):
    parts = {"test": written().select(range(30, N)), "train": written().select(range(30))}
    DatasetDict(parts).save_to_disk(str(tmp_path / "d"))
    monkeypatch.chdir(tmp_path)
    cs.train("hf:d", "quick", out="run", epochs=1, network="lesson-2", size=28)
    monkeypatch.chdir("/")
    assert len(cs.Run.open(tmp_path / "run").dataset.test) == 10
