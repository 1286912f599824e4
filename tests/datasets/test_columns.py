"""Do Parquet and Arrow files as Hugging Face writes them come back as the pictures and labels written?"""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pil

from convsight.datasets import dataset
from convsight.errors import DataError
from datasets import ClassLabel, DatasetDict, Features, Image, Sequence, Value
from datasets import Dataset as HuggingFace

N = 40


def png(level):
    kept = io.BytesIO()
    Pil.fromarray(np.full((8, 8), level, np.uint8)).save(kept, "PNG")
    return kept.getvalue()


def written(labels, feature, name="label"):
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(N)], name: labels}
    return HuggingFace.from_dict(rows, features=Features({"image": Image(), name: feature}))


def levels(data):
    return [
        (round(float(image.pixels[0, 0, 0, 0]) * 255), image.labels[0].tolist())
        for split in data.splits.values()
        for image in split
    ]


def test_a_parquet_file_brings_pictures_and_class_names(tmp_path):
    written([i % 3 for i in range(N)], ClassLabel(names=["zebra", "ant", "bee"])).to_parquet(
        tmp_path / "d.parquet"
    )
    data = dataset(tmp_path / "d.parquet")
    assert data.classes == ("zebra", "ant", "bee") and data.channels == 1 and data.size == (8, 8)
    assert all(label == level % 3 for level, label in levels(data)) and len(levels(data)) == N


def test_a_hub_folder_keeps_its_splits_and_save_to_disk_is_read(tmp_path):
    whole = written([i % 2 for i in range(N)], ClassLabel(names=["a", "b"]))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    parts = {
        "train-00000-of-00002": range(15),
        "train-00001-of-00002": range(15, 30),
        "test-00000-of-00001": range(30, N),
    }
    for name, rows in parts.items():
        whole.select(rows).to_parquet(tmp_path / "hub" / "data" / f"{name}.parquet")
    split = DatasetDict({"train": whole.select(range(30)), "test": whole.select(range(30, N))})
    split.save_to_disk(tmp_path / "disk")
    for name in ("hub", "disk"):
        data = dataset(tmp_path / name, validation=5)
        assert [len(s) for s in data.splits.values()] == [25, 5, 10]
        assert all(label == level % 2 for level, label in levels(data))
        assert sorted(level for level, _ in levels(data))[-10:] == list(range(30, N))


def test_lists_of_labels_are_several_and_floats_are_numbers(tmp_path):
    several = [[k for k in (0, 1) if i % (k + 2) == 0] for i in range(N)]
    written(several, Sequence(ClassLabel(names=["two", "three"])), "labels").to_parquet(
        tmp_path / "m.parquet"
    )
    data = dataset(tmp_path / "m.parquet")
    assert data.task == "multilabel" and data.classes == ("two", "three")
    assert all(label == [float(v % 2 == 0), float(v % 3 == 0)] for v, label in levels(data))
    written([i / 2 for i in range(N)], Value("float32"), "age").to_parquet(tmp_path / "r.parquet")
    data = dataset(tmp_path / "r.parquet")
    assert data.task == "regress" and data.outputs == ("age",)
    assert all(label == [v / 2] for v, label in levels(data))


def test_plain_bytes_and_names_work_without_metadata(tmp_path):
    table = pa.table(
        {"img": [png(i) for i in range(N)], "class": ["ab"[i % 2] for i in range(N)], "who": ["x"] * N}
    )
    pq.write_table(table, tmp_path / "p.parquet")
    data = dataset(tmp_path / "p.parquet")
    assert data.classes == ("a", "b") and any("columns who are not read" in note for note in data.notes)
    assert all(label == level % 2 for level, label in levels(data))


def test_rows_without_a_label_are_left_out_and_wrong_files_named(tmp_path):
    written([-1 if i < 4 else i % 2 for i in range(N)], ClassLabel(names=["a", "b"])).to_parquet(
        tmp_path / "u.parquet"
    )
    assert len(levels(dataset(tmp_path / "u.parquet"))) == N - 4
    pq.write_table(pa.table({"text": ["hello"], "label": [1]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: no column holds pictures.*text, label"):
        dataset(tmp_path / "t.parquet")
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(DataError, match=r"bad\.parquet: cannot be read as \.parquet"):
        dataset(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="no column 'kind'"):
        dataset(tmp_path / "u.parquet", label="kind")
