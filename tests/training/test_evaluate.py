"""Are the figures of a test right, against numbers worked out by hand or by a peer?"""

import json
import math

import pytest
import torch
from torch import nn

from convsight.datasets import Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import DataError
from convsight.network.classifier import Classifier
from convsight.results.tables import class_table
from convsight.training.evaluate import (
    calibration,
    class_metrics,
    locate_metrics,
    most_confused,
    wilson,
)
from convsight.training.evaluate import (
    test as measure,
)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (Wilson)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_agrees_with_newcombes_table(right, n, low, high):
    assert wilson(right, n) == pytest.approx([low, high], abs=5e-5)


def test_nothing_measured_means_nothing_known():
    assert wilson(0, 0) == [0, 1]


def test_accuracy_confusion_and_precision_of_four_pictures():
    scores = torch.tensor([[2.0, 0, 0], [0, 3, 0], [0, 1, 0], [0, 0, 5]])
    got = class_metrics(scores, torch.tensor([0, 0, 1, 2]), ("a", "b", "c"))
    assert (got["n"], got["right"], got["accuracy"]) == (4, 3, 0.75)
    assert got["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert [row["accuracy"] for row in got["per_class"]] == [0.5, 1, 1]
    assert [row["precision"] for row in got["per_class"]] == [1, 0.5, 1]
    assert got["confused"] == [{"true": "a", "predicted": "b", "count": 1, "share": 0.5}]
    by_hand = sum(math.log(math.exp(s) + 2) - t for s, t in ((2, 2), (3, 0), (1, 1), (5, 5))) / 4
    assert got["loss"] == pytest.approx(by_hand, rel=1e-5)


def test_a_class_without_pictures_has_no_accuracy():
    got = class_metrics(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), ("a", "b"))
    assert got["per_class"][1]["accuracy"] is None
    json.dumps(got, allow_nan=False)


def test_the_most_confused_pairs_come_first_and_right_answers_never():
    confusion = torch.tensor([[50, 3, 7], [0, 60, 0], [9, 0, 51]])
    assert [(p["true"], p["predicted"], p["count"]) for p in most_confused(confusion, ("a", "b", "c"))] == [
        ("c", "a", 9),
        ("a", "c", 7),
        ("a", "b", 3),
    ]


def test_calibration_of_two_bins_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.55, 0.45], [0.55, 0.45]])
    got = calibration(probabilities, torch.tensor([0, 1, 0, 0]))
    assert got["ece"] == pytest.approx(0.5 * abs(0.5 - 0.9) + 0.5 * abs(1.0 - 0.55), abs=1e-6)
    assert got["mean_confidence"] == pytest.approx(0.725)
    assert sum(b["n"] for b in got["bins"]) == 4


def test_pixel_errors_of_two_positions_by_hand():
    got = locate_metrics(
        torch.tensor([[1.0, 5.0], [3.0, 2.0]]), torch.tensor([[0.0, 5.0], [0.0, 4.0]]), ("x", "y")
    )
    assert got["error_px"]["mean"] == 1.5
    assert [row["mean"] for row in got["per_output"]] == [2, 1]
    assert got["per_output"][0]["median"] == 2


class LeftMinusRight(nn.Module):
    """Scores that are exchanged when the picture is mirrored."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        left, right = x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))
        return self.scale * torch.stack([left, right], 1)


def split_of(pixels: torch.Tensor, labels: torch.Tensor, classes=("left", "right")) -> Split:
    return Split(MemoryStore(pixels), labels, classes)


def test_averaging_over_the_mirror_image_is_a_figure_of_its_own():
    pixels = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    pixels[:, :, :, 4:] = 255
    net = Classifier(LeftMinusRight(), ["left", "right"], 8, channels=1)
    got = measure(net, split_of(pixels, torch.ones(10, dtype=torch.int64)))
    assert got["accuracy"] == 1
    assert got["flip"]["accuracy"] == 0  # both sides look alike then, and a tie goes to the first class


def test_classes_in_another_order_are_matched_by_name():
    pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    pixels[:, :, :, 4:] = 255
    net = Classifier(LeftMinusRight(), ["left", "right"], 8, channels=1)
    labels = torch.zeros(4, dtype=torch.int64)
    assert measure(net, split_of(pixels, labels, ("right", "left")))["accuracy"] == 1
    with pytest.raises(DataError, match="does not know: up"):
        measure(net, split_of(pixels, labels, ("up", "left")))


def test_udacitys_net_gets_8782_of_10000_right(shared_data, shared_models):
    from safetensors.torch import load_file

    from convsight.architectures import LessonTwo
    from convsight.datasets import dataset

    module = LessonTwo(10)
    module.load_state_dict(load_file(shared_models / "fashion_net_two_fc.safetensors"))
    data = dataset(shared_data / "fashion-mnist")
    got = measure(Classifier(module, data.classes, 28, channels=1), data.test, flip=False)
    assert got["right"] == 8782


def test_of_very_many_classes_the_table_has_those_found_least_often():
    names = tuple(f"kind {k:03}" for k in range(100))
    truth = torch.arange(100).repeat(4)
    said = truth.clone()
    said[[307, 207, 107, 342]] = 0  # three of the pictures of kind 7 are missed, and one of kind 42
    got = class_metrics(torch.eye(100)[said] * 5, truth, names)
    table = class_table(got)
    assert len(table.rows) < 60 and table.rows[0][0] == "kind 007" and table.rows[1][0] == "kind 042"
    assert "of 100" in table.title and "metrics.json" in table.title
    assert len(class_table(class_metrics(torch.eye(3), torch.arange(3), ("a", "b", "c"))).rows) == 3
