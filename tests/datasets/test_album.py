"""A plain folder with a labels.csv is labelled for a network of any task, or a note says why it is not."""

import pytest
import torch

import convsight as cs
from convsight.cli import main
from convsight.datasets import for_network
from convsight.errors import DataError
from convsight.training import test as measure


@pytest.fixture
def photos(tmp_path):
    cs.Images(torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))).save(tmp_path)
    return tmp_path


def net_of(names, **options):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, len(names)))
    return cs.Classifier(module, names, 8, 3, **options)


def labelled(folder, *lines):
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def test_several_labels_a_picture_become_zeros_and_ones(photos):
    labelled(photos, "file,labels", "00000.png,dog|cat", "00001.png,", "00002.png,dog")
    net = net_of(["cat", "dog", "owl"], task="multilabel")
    data = for_network(photos, net)
    assert data.task == "multilabel" and len(data.train) == 0
    assert data.test.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
    assert "All 3 pictures" in data.notes[0]
    assert [row["n"] for row in measure(net, data.test)["per_label"]] == [1, 2, 0]


def test_one_class_a_picture_is_the_only_label_of_a_network_of_several(photos):
    labelled(photos, "file,label", "00000.png,dog", "00001.png,cat", "00002.png,dog")
    data = for_network(photos, net_of(["cat", "dog"], task="multilabel"))
    assert data.test.labels.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_numbers_are_found_by_name_or_else_in_order(photos):
    labelled(photos, "file,size,age", "00000.png,1.5,2", "00001.png,3.5,4", "00002.png,5.5,6")
    net = net_of(["age", "size"], task="regress")
    data = for_network(photos, net)
    assert data.test.labels.tolist() == [[2, 1.5], [4, 3.5], [6, 5.5]] and data.outputs == ("age", "size")
    assert measure(net, data.test)["n"] == 3
    assert for_network(photos, net_of(["a", "b"], task="regress")).test.labels[0].tolist() == [1.5, 2]


@pytest.mark.parametrize(
    ("names", "task", "line", "why"),
    [
        (["cat", "dog"], "classify", "file,labels\n00000.png,dog|cat\n00001.png,\n00002.png,dog", "task 'multilabel'"),
        (["a", "b"], "regress", "file,labels\n00000.png,dog|cat\n00001.png,\n00002.png,dog", "task 'multilabel'"),
        (["a", "b"], "regress", "file,age\n00000.png,1.5\n00001.png,2\n00002.png,3", "numbers age"),
        (["cat", "owl"], "multilabel", "file,labels\n00000.png,dog|cat\n00001.png,\n00002.png,dog", "'dog'"),
    ],
)  # fmt: skip
def test_labels_of_something_else_are_left_out_and_said(photos, names, task, line, why):
    labelled(photos, line)
    net = net_of(names, task=task)
    data = for_network(photos, net)
    assert data.test.labels.shape == (3, 0) and why in data.notes[0]
    with pytest.raises(DataError, match="no labels"):
        measure(net, data.test)


def test_a_picture_without_a_line_is_named(photos):
    labelled(photos, "file,labels", "00000.png,dog|cat", "00002.png,dog")
    with pytest.raises(DataError, match="no line for 00001.png"):
        for_network(photos, net_of(["cat", "dog"], task="multilabel"))


def test_the_same_folder_trains_and_is_tested(tmp_path, capsys):
    pictures = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    folder = tmp_path / "photos"
    cs.Images(pictures).save(folder)
    words = ("red", "blue", "red|blue", "")
    labelled(folder, "file,labels", *(f"{i:05d}.png,{words[i % 4]}" for i in range(40)))
    run = cs.train(folder, "quick", network="lesson", size=12, epochs=1, out=tmp_path / "run")
    assert run.config["task"] == "multilabel"
    assert main(["test", str(run.path), "--data", str(folder)]) == 0
    said = capsys.readouterr()
    assert "40 test pictures" in said.out and "All 40 pictures" in said.err
