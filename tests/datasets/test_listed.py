"""Do a table of files and labels and the pictures beside it become the data set that the table describes?"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from convsight.datasets import dataset
from convsight.datasets.table_columns import read_labels
from convsight.errors import DataError, DataNotFound

N = 40


@pytest.fixture
def folder(tmp_path):
    """Picture i is grey level i, so that a label can be checked against its pixels."""
    for i in range(N):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(tmp_path / f"{i:02d}.png")
    return tmp_path


def write(folder, header, row, name="labels.csv", start="", rows=range(N)):
    lines = [header, *(row(i) for i in rows)]
    (folder / name).write_text(start + "\n".join(lines) + "\n", encoding="utf-8")


def levels(data):
    """(grey level, label) of every picture of every split."""
    return [
        (round(float(image.pixels[0, 0, 0, 0]) * 255), image.labels[0].tolist())
        for split in data.splits.values()
        for image in split
    ]


@pytest.mark.parametrize("header", ["file,label", "filename;class", "Image\tcategory", "path,target"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_one_class_a_file_under_any_usual_name(folder, header, start):
    mark = next(m for m in ",;\t" if m in header)
    write(folder, header, lambda i: f"{i:02d}.png{mark}{['cat', 'dog', 'emu'][i % 3]}", start=start)
    data = dataset(folder)
    assert data.task == "classify" and data.classes == ("cat", "dog", "emu")
    assert all(label == level % 3 for level, label in levels(data)) and len(levels(data)) == N


def test_the_table_itself_can_be_named_and_holds_its_own_splits(folder):
    split = lambda i: "test" if i >= 30 else "val" if i >= 20 else "train"  # noqa: E731
    write(folder, "file,label,split", lambda i: f"{i:02d},{i % 2},{split(i)}", name="mine.csv")
    data = dataset(folder / "mine.csv")
    assert [len(s) for s in data.splits.values()] == [20, 10, 10] and data.classes == ("0", "1")
    assert all(label == level % 2 for level, label in levels(data))


def test_numbers_as_class_names_are_ordered_by_size(folder):
    write(folder, "file,label", lambda i: f"{i:02d}.png,{i % 12}")
    assert dataset(folder).classes == tuple(map(str, range(12)))


def test_several_labels_in_a_cell_or_in_columns_of_nought_and_one(folder):
    names = lambda i: [n for n, d in (("two", 2), ("three", 3)) if i % d == 0]  # noqa: E731
    expected = lambda level: [float(level % 3 == 0), float(level % 2 == 0)]  # noqa: E731  alphabetical: three, two
    write(folder, "file,labels", lambda i: f"{i:02d}.png,{'|'.join(names(i))}")
    data = dataset(folder)
    assert (
        data.task == "multilabel"
        and data.classes == ("three", "two")
        and "'|' between" in " ".join(data.notes)
    )
    assert all(label == expected(level) for level, label in levels(data)) and len(levels(data)) == N
    write(folder, "file,three,two", lambda i: f"{i:02d}.png,{int(i % 3 == 0)},{int(i % 2 == 0)}")
    data = dataset(folder)
    assert data.task == "multilabel" and data.classes == ("three", "two")
    assert all(label == expected(level) for level, label in levels(data))


def test_several_rows_a_file_are_several_labels(folder):
    lines = [f"{i:02d}.png,even" for i in range(0, N, 2)] + [f"{i:02d}.png,small" for i in range(25)]
    (folder / "labels.csv").write_text("file,label\n" + "\n".join(lines))
    data = dataset(folder)
    assert data.task == "multilabel" and "several rows" in " ".join(data.notes)
    assert all(label == [float(level % 2 == 0), float(level < 25)] for level, label in levels(data))


def test_numbers_are_to_be_predicted_and_keep_their_names(folder):
    write(folder, "file,age,height", lambda i: f"{i:02d}.png,{i / 2},{100 + i}")
    data = dataset(folder)
    assert data.task == "regress" and data.outputs == ("age", "height") and not data.classes
    assert all(label == [level / 2, 100 + level] for level, label in levels(data))


def test_columns_of_one_one_a_row_are_classes():
    said = read_labels({"a": ["1", "0"], "b": ["0", "1"]}, ())
    assert said.task == "classify" and said.values == ["a", "b"] and "one class a picture" in said.notes[0]
    spaced = read_labels({"tags": ["haze water", "clear water", "clear", "haze"]}, ())
    assert spaced.task == "multilabel" and spaced.classes == ("clear", "haze", "water")
    assert read_labels({"tags": ["golden retriever", "tabby cat"]}, ()).classes == (
        "golden retriever",
        "tabby cat",
    )


def test_what_is_left_out_or_unread_is_said(folder):
    write(folder, "file,label,photographer", lambda i: f"{i:02d}.png,{i % 2},me", rows=range(N - 1))
    with (folder / "labels.csv").open("a") as file:
        file.write("gone.png,1,me\n")
    notes = " ".join(dataset(folder).notes)
    assert "columns photographer are not read" in notes and "missing: gone.png" in notes
    assert "1 pictures without a row in labels.csv are left out: 39.png" in notes


def test_many_missing_files_stop_it_and_are_named(folder):
    write(folder, "file,label", lambda i: f"x{i}.png,{i % 2}")
    with pytest.raises(
        DataNotFound, match=r"40 of the 40 files that labels\.csv names are not in .*: x0\.png"
    ):
        dataset(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\n00.png,a\n", r"has the columns name, label; none is the files'"),
        ("file,label\n", "no rows below its header"),
        ("file,label\n00.png\n", "line 2 has 1 cells, the header has 2"),
        ("file,label,label\n00.png,a,b\n", "'label' occurs twice"),
        ("file\n00.png\n", "no column of labels"),
        ("file,one,two\n00.png,a,b\n", "could all be labels"),
        ("file,label\n00.png,a\n01.png,a\n", "one class only"),
    ],
)
def test_a_wrong_table_is_refused_with_what_it_holds(folder, text, message):
    (folder / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        dataset(folder / "t.csv")


def test_columns_are_chosen_by_name(folder):
    write(folder, "name,one,two", lambda i: f"{i:02d}.png,{i % 2},{i % 4}", name="t.csv")
    data = dataset(folder / "t.csv", file="name", label="two")
    assert data.task == "regress" and data.outputs == ("two",)
    with pytest.raises(DataError, match="no column 'three'"):
        dataset(folder / "t.csv", file="name", label="three")


def test_names_without_folder_or_ending_are_found_below_the_table(folder):
    (folder / "images").mkdir()
    for path in folder.glob("*.png"):
        path.rename(folder / "images" / path.name)
    write(folder, "id,label", lambda i: f"{i:02d},{'ab'[i % 2]}")
    assert all(label == level % 2 for level, label in levels(dataset(folder)))
    (folder / "more").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "more" / "00.png")
    with pytest.raises(DataError, match=r"00 is the name of 2 pictures below"):
        dataset(folder)


def test_links_to_folders_are_followed_once(tmp_path):
    store = tmp_path / "store" / "deep"
    store.mkdir(parents=True)
    for i in range(12):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(store / f"{i}.png")
    data = tmp_path / "data"
    for name in ("cat", "dog"):
        (data / name).mkdir(parents=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(data / name / "own.png")
    (data / "cat" / "linked").symlink_to(store)
    (data / "cat" / "round").symlink_to(data)  # leads back above the class
    (data / "cat" / "again").symlink_to(store)  # the same pictures under another name
    found = dataset(data, validation=1, test=1)
    assert (
        sum(found.train.counts[:1]) + sum(int((s.labels == 0).sum()) for s in (found.validation, found.test))
        == 13
    )


def test_a_byte_order_mark_is_no_letter_of_a_class(folder):
    from convsight.cli.inputs import class_names

    (folder / "names.txt").write_text("\ufeffcat\ndog\n", encoding="utf-8")
    assert class_names(str(folder / "names.txt")) == ["cat", "dog"]
    lines = "\n".join(["file,label", *(f"{i:02d}.png,{'ab'[i % 2]}" for i in range(N))])
    (folder / "excel.csv").write_bytes(lines.encode("utf-16"))
    assert dataset(folder / "excel.csv").classes == ("a", "b")


def test_labels_are_float_where_several_or_numbers(folder):
    write(folder, "file,age", lambda i: f"{i:02d}.png,{i / 3:.3f}")
    assert dataset(folder).train.labels.dtype == torch.float32
