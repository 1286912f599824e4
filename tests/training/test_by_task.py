"""What is measured follows the task: areas and F1 of labels, ROC of two classes, errors of numbers."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from convsight.datasets.base import Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import DataError, InputError
from convsight.network.classifier import Classifier
from convsight.results.kinds import Curve, Table
from convsight.results.tables import asides, first_table, headline, measured
from convsight.training.evaluate import test as measure
from convsight.training.roc import auroc, average_precision, best_f1


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def split_of(labels, classes=()):
    pixels = torch.randint(0, 256, (len(labels), 1, 6, 6), generator=torch.Generator().manual_seed(1))
    return Split(MemoryStore(pixels.to(torch.uint8)), torch.as_tensor(labels), classes)


def net_of(k, **said):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = nn.Sequential(nn.Flatten(), nn.Linear(36, k))
    with torch.no_grad():
        module[1].weight.mul_(8)
    return Classifier(module, input_size=6, channels=1, **said)


def net_of_maps():
    with torch.random.fork_rng():
        return Classifier(nn.Conv2d(1, 3, 1), input_size=6, channels=1)


def test_areas_are_those_of_a_peer_library_also_with_ties(rng):
    for _ in range(20):
        chance, there = rng.integers(0, 8, 60) / 8, rng.random(60) < 0.3
        ours = torch.tensor(chance), torch.tensor(there)
        assert auroc(*ours) == pytest.approx(metrics.roc_auc_score(there, chance))
        assert average_precision(*ours) == pytest.approx(metrics.average_precision_score(there, chance))
        tried = [metrics.f1_score(there, chance >= t) for t in sorted(set(chance))]
        found = best_f1(*ours)
        assert found[1] == pytest.approx(max(tried))
        assert metrics.f1_score(there, chance >= found[0]) == pytest.approx(max(tried))
    nothing = torch.tensor([0.2, 0.1]), torch.tensor([False, False])
    assert (auroc(*nothing), average_precision(*nothing), best_f1(*nothing)) == (None, None, None)


def test_labels_are_measured_one_by_one(rng):
    truth = (rng.random((80, 3)) < 0.4).astype(np.int64)
    names = ("smoke", "fire", "person")
    split = split_of(truth, names)
    chance = net_of(3, classes=names, task="multilabel").probabilities(split[:]).numpy()
    limits = np.quantile(chance, 0.6, axis=0)
    found = measure(net_of(3, classes=names, task="multilabel", thresholds=limits.tolist()), split)
    said = chance >= limits.astype(np.float32)
    for i, row in enumerate(found["per_label"]):
        assert row["label"] == names[i]
        assert row["n"] == truth[:, i].sum()
        assert row["ap"] == pytest.approx(metrics.average_precision_score(truth[:, i], chance[:, i]))
        assert row["f1"] == pytest.approx(metrics.f1_score(truth[:, i], said[:, i]))
        assert row["precision"] == pytest.approx(metrics.precision_score(truth[:, i], said[:, i]))
        assert row["recall"] == pytest.approx(metrics.recall_score(truth[:, i], said[:, i]))
    assert found["map"] == pytest.approx(metrics.average_precision_score(truth, chance))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="micro"))
    assert found["exact"] == pytest.approx(metrics.accuracy_score(truth, said))
    wanted = metrics.log_loss(truth.ravel(), np.stack([1 - chance.ravel(), chance.ravel()], 1))
    assert found["loss"] == pytest.approx(wanted, rel=1e-4)
    assert headline(found)[1] == "mean average precision of 3 labels on 80 test pictures"
    assert [type(part) for part in measured(found)] == [Table]


def test_labels_are_matched_by_name_and_one_class_is_the_only_label(rng):
    net = net_of(3, classes=["a", "b", "c"], task="multilabel")
    truth = (rng.random((30, 3)) < 0.5).astype(np.int64)
    turned = measure(net, split_of(truth[:, [2, 0, 1]], ("c", "a", "b")))
    assert turned == measure(net, split_of(truth, ("a", "b", "c")))
    single = rng.integers(0, 3, 30)
    assert measure(net, split_of(single, ("a", "b", "c"))) == measure(
        net, split_of(np.eye(3, dtype=np.int64)[single], ("a", "b", "c"))
    )


@pytest.mark.parametrize("k", [1, 2])
def test_two_classes_have_a_roc_whether_by_one_score_or_two(k, rng):
    truth, names = rng.integers(0, 2, 70), ("well", "ill")
    net, split = net_of(k, classes=names), split_of(truth, names)
    found, chance = measure(net, split), net.probabilities(split[:])[:, 1].numpy()
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, chance >= 0.5))
    assert found["loss"] == pytest.approx(metrics.log_loss(truth, chance), rel=1e-4)
    roc = found["roc"]
    assert roc["positive"] == "ill"
    assert roc["auroc"] == pytest.approx(metrics.roc_auc_score(truth, chance))
    assert roc["sensitivity"] == pytest.approx(metrics.recall_score(truth, chance >= 0.5))
    assert roc["specificity"] == pytest.approx(metrics.recall_score(truth, chance >= 0.5, pos_label=0))
    curve = roc["curve"]
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(roc["auroc"])
    assert Curve in [type(part) for part in measured(found)]
    assert any("ROC" in aside for aside in asides(found))


def test_the_threshold_of_a_binary_network_decides_what_is_right(rng):
    truth, names = rng.integers(0, 2, 50), ("well", "ill")
    net, split = net_of(1, classes=names, thresholds=0.9), split_of(truth, names)
    chance = net.probabilities(split[:])[:, 1].numpy()
    found = measure(net, split, flip=False)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, chance >= 0.9))
    assert found["roc"]["threshold"] == pytest.approx(0.9)


def test_numbers_have_errors_in_their_units(rng):
    truth = rng.normal(size=(40, 2)).astype(np.float32)
    net, split = net_of(2, outputs=["age", "weight"], units=["years", "kg"]), split_of(truth)
    found, said = measure(net, split), net.scores(split[:]).numpy()
    for i, row in enumerate(found["per_number"]):
        assert row["mae"] == pytest.approx(metrics.mean_absolute_error(truth[:, i], said[:, i]), rel=1e-5)
        assert row["rmse"] == pytest.approx(
            metrics.root_mean_squared_error(truth[:, i], said[:, i]), rel=1e-5
        )
        assert row["r2"] == pytest.approx(metrics.r2_score(truth[:, i], said[:, i]), rel=1e-5)
    assert found["per_number"][1]["unit"] == "kg"
    value, words = headline(found)
    assert value.endswith(" years")
    assert words == "mean absolute error of age (and 1 more number) on 40 test pictures"
    assert first_table(found).rows[1][:2] == ("weight", "kg")


def test_vectors_are_measured_by_their_nearest_other_picture(rng):
    labels = np.append(rng.integers(0, 3, 30), 3)  # the last class has one picture
    net, split = net_of(4, task="embed"), split_of(labels, ("a", "b", "c", "alone"))
    vectors = net.scores(split[:].pixels).numpy()
    found = measure(net, split)
    first, five = [], []
    for i in range(30):
        alike = [
            -1.0 if j == i else a @ b / np.sqrt(a @ a * (b @ b))
            for j, (a, b) in enumerate(zip([vectors[i]] * 31, vectors, strict=True))
        ]
        order = labels[np.argsort(alike)[::-1]]
        first.append(order[0] == labels[i])
        five.append((order[:5] == labels[i]).any())
    assert found["n"] == 30 and found["recall_at_1"] == pytest.approx(np.mean(first))
    assert found["recall_at_5"] == pytest.approx(np.mean(five))
    of_b = [hit for hit, label in zip(first, labels, strict=False) if label == 1]
    assert found["per_sought_class"][1]["recall_at_1"] == pytest.approx(np.mean(of_b))
    pairs = [labels[i] == labels[j] for i in range(30) for j in range(31) if i != j]
    assert found["chance"] == pytest.approx(np.mean(pairs))
    assert headline(found)[1].startswith("nearest other picture of the same class")
    assert "by chance" in asides(found)[0] and first_table(found).rows[3][1:] == (0, "", "")


@pytest.mark.parametrize(
    "net, labels, classes, error, message",
    [
        (
            net_of(3, classes=["a", "b", "c"]),
            np.ones((4, 3), int),
            ("a", "b", "c"),
            DataError,
            "3 labels a picture",
        ),
        (
            net_of(2, task="regress"),
            np.zeros(4, int),
            ("a", "b"),
            DataError,
            "2 numbers, the data has 2 classes",
        ),
        (net_of(3, task="embed"), np.zeros((4, 2), int), ("a", "b"), DataError, "one class each"),
        (net_of(3, task="embed"), np.arange(2), ("a", "b"), DataError, "two pictures of a class"),
        (net_of_maps(), np.zeros(4, int), ("a", "b"), InputError, "'segment' is not measured"),
        (net_of(2, classes=["a", "b"]), np.zeros(4, int), ("a", "z"), DataError, "does not know: z"),
    ],
)
def test_labels_of_another_kind_are_refused(net, labels, classes, error, message):
    with pytest.raises(error, match=message):
        measure(net, split_of(labels, classes))
