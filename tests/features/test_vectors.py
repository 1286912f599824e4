"""Does one pass give the same features, logits and answers as asking the network by hand?"""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight import Classifier, Dataset, Images
from convsight.datasets import Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.features.selection import Selection
from convsight.features.vectors import answers, features_of, pixels_of

CLASSES = ("a", "b", "c")


def split(n: int, seed: int, ids: list[str] | None = None) -> Split:
    pixels = torch.randint(
        0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )
    return Split(MemoryStore(pixels), torch.arange(n) % 3, CLASSES, ids)


@pytest.fixture
def data() -> Dataset:
    return Dataset("toy", CLASSES, split(30, 0), split(6, 1), split(12, 2))


@pytest.fixture
def net() -> Classifier:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 5),
        nn.ReLU(),
        nn.Linear(5, 3),
    )
    return Classifier(module, classes=CLASSES, input_size=8, channels=1, mean=[0.3], std=[0.2])


def test_features_and_logits_are_the_networks_own(net, data):
    chosen = Selection.of(data)
    found = features_of(net, chosen)
    everything = chosen[range(len(chosen))]
    torch.testing.assert_close(found.values, net.features(everything))
    torch.testing.assert_close(found.logits, net.scores(everything))


def test_maps_of_a_layer_are_averaged_over_place(net, data):
    found = features_of(net, Selection.of(data, "test"), layer="0")
    with torch.no_grad():
        maps = net.module[0]((data.test[:].pixels - 0.3) / 0.2)
    torch.testing.assert_close(found.values, maps.mean((2, 3)))


def test_a_changed_weight_is_noticed(net, data):
    before = features_of(net, Selection.of(data)).values
    with torch.no_grad():
        net.module[4].weight.mul_(2)
    assert not torch.equal(before, features_of(net, Selection.of(data)).values)


def test_right_and_loss_are_judged_by_name_even_in_another_order(net, data):
    other = Classifier(net.module, classes=("c", "a", "b"), input_size=8, channels=1, mean=[0.3], std=[0.2])
    said = answers(other, features_of(other, Selection.of(data, "test")))
    logits = other.scores(data.test[:])
    truth = torch.tensor([1, 2, 0])[data.test.labels]
    assert torch.equal(said.right, logits.argmax(1) == truth)
    torch.testing.assert_close(said.loss, F.cross_entropy(logits, truth, reduction="none"))


def test_labels_that_the_network_does_not_know_are_not_judged(net, data):
    other = Classifier(net.module, classes=("x", "y", "z"), input_size=8, channels=1)
    said = answers(other, features_of(other, Selection.of(data, "test")))
    assert said.right is None and said.loss is None


def test_pixels_are_what_the_network_receives_before_normalisation(net, data):
    found = pixels_of(net, Selection.of(data, "test"))
    assert torch.equal(found.values, data.test[:].pixels.flatten(1))
    assert pixels_of(net, Selection.of(data, "test"), most_px=4).values.shape == (12, 16)


def test_ids_are_unique_over_splits_and_a_selection_keeps_its_order(data):
    chosen = Selection.of(data)
    assert len(set(chosen.ids)) == len(chosen) == 48
    some = chosen[[40, 2, 33]]
    assert some.ids == ("test/4", "train/2", "validation/3")
    assert torch.equal(
        some.pixels, torch.cat([data.test[4].pixels, data.train[2].pixels, data.validation[3].pixels])
    )


def test_most_takes_classes_and_splits_in_proportion(data):
    chosen = Selection.of(data, most=16, seed=3)
    assert len(chosen) == 16 and chosen.splits.count("train") == 10
    assert torch.bincount(chosen.labels).min() >= 4
    assert "16 of 48 pictures of toy" in chosen.describe()


def test_unknown_splits_and_classes_are_refused_by_name(data):
    with pytest.raises(InputError, match="no split 'tests'; did you mean test"):
        Selection.of(data, "tests")
    with pytest.raises(InputError, match=r"no class 'd' in toy.*a, b, c"):
        Selection.of(data).of_class("d")
    empty = Dataset("toy", CLASSES, data.train, split(0, 0), data.test)
    with pytest.raises(InputError, match="validation split of toy has no pictures"):
        Selection.of(empty, "validation")


def test_a_single_picture_selection_is_images(data):
    fourth = Selection.of(data, "test")[3]
    assert isinstance(fourth, Images) and len(fourth) == 1
    assert torch.equal(fourth.pixels, data.test[3].pixels) and fourth.ids == data.test[3].ids
