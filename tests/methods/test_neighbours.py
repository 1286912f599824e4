"""Does `neighbours` find what brute force finds, in both spaces, and is it honest about the query?"""

import sys

import pytest
import torch
from torch import nn

import convsight as cs
from convsight import Images
from convsight.errors import DataNotFound, InputError


@pytest.fixture(scope="module")
def data():
    return cs.dataset("drawn-garments", n_train=120, n_test=60)


@pytest.fixture(scope="module")
def net(data):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(576, 12),
        nn.ReLU(),
        nn.Linear(12, 10),
    )
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1)


def everything(data):
    return Images.concat([data.train[:], data.validation[:], data.test[:]])


@pytest.mark.parametrize(("metric", "p"), [("l2", 2.0), ("l1", 1.0)])
@pytest.mark.parametrize("space", ["features", "pixels"])
def test_rows_are_the_brute_force_neighbours(net, data, space, metric, p):
    query = data.test[[3, 10]]
    found = cs.neighbours(net, query, data, space=space, metric=metric, split="train", k=6)
    base = data.train[:]
    asked, known = (
        (net.features(query), net.features(base))
        if space == "features"
        else (query.pixels.flatten(1), base.pixels.flatten(1))
    )
    distances = torch.cdist(asked.double(), known.double(), p=p)
    nearest = distances.topk(6, largest=False)
    torch.testing.assert_close(found.distances.double(), nearest.values, rtol=1e-5, atol=1e-5)
    assert torch.equal(found.labels, base.labels[nearest.indices])
    first = base[nearest.indices[1]]
    assert torch.equal(found.pictures[1], first.pixels)
    assert found.space == space and found.parts[0].space != space


def test_a_query_of_the_set_is_not_its_own_neighbour(net, data):
    found = cs.neighbours(net, data.test[5], data, k=3)
    assert data.test.ids[5] not in found.ids[0] and data.test.ids[5] not in found.parts[0].ids[0]
    assert any("in the data set" in note for note in found.notes)


def test_a_query_from_outside_is_compared_with_all(net, data):
    query = Images(1 - data.test[5].pixels)
    found = cs.neighbours(net, query, data, k=2, space="pixels")
    expected = (everything(data).pixels - query.pixels).flatten(1).norm(dim=1).topk(2, largest=False).values
    torch.testing.assert_close(found.distances[0], expected)
    assert not any("queries are in" in note for note in found.notes)


def test_an_exact_copy_elsewhere_is_found_at_distance_zero(net, data):
    from dataclasses import replace

    twice = replace(data, train=data.train.take([*range(len(data.train)), 4]))
    found = cs.neighbours(net, data.train[4], twice, split="train", k=1)
    assert found.distances.item() < 1e-6 and any("occurs again" in note for note in found.notes)


def test_ids_files_and_images_ask_the_same(net, data, tmp_path):
    by_images = cs.neighbours(net, data.test[7], data)
    by_id = cs.neighbours(net, data.test.ids[7], data)
    file = tmp_path / "garment.png"
    data.test[7].save(file)
    by_file = cs.neighbours(net, str(file), data)
    larger = tmp_path / "larger.png"
    Images(data.test[8].pixels.repeat(1, 1, 2, 1)).save(larger)
    assert len(cs.neighbours(net, [str(file), str(larger)], data, k=2).ids) == 2  # of two sizes
    assert by_images.ids == by_id.ids == by_file.ids
    assert torch.equal(by_images.distances, by_id.distances)
    assert by_file.query.labels.tolist() == data.test[7].labels.tolist()  # known, as it is found in the set


def test_filters_choose_by_class_and_by_answer(net, data):
    base = everything(data)
    right = net.predict(base) == base.labels
    wrong_id = {i for i, good in zip(base.ids, right.tolist(), strict=True) if not good}
    found = cs.neighbours(net, data.test[0], data, only="Sandal", k=4)
    assert (found.labels == data.classes.index("Sandal")).all()
    mistaken = cs.neighbours(net, data.test[0], data, answers="wrong", k=4)
    assert set(mistaken.ids[0]) <= wrong_id


def test_label_agreement_is_reported_as_brute_force_counts_it(net, data):
    base = data.test[:]
    shares = []
    for values in (net.features(base), base.pixels.flatten(1)):
        distances = torch.cdist(values.double(), values.double()).fill_diagonal_(torch.inf)
        found = distances.topk(10, largest=False).indices
        shares.append((base.labels[found] == base.labels[:, None]).float().mean().item())
    notes = " ".join(cs.neighbours(net, data.train[0], data, split="test").notes)
    assert f"{shares[0]:.1%} by features and {shares[1]:.1%} by pixels" in notes


def test_positions_have_neighbours_but_no_label_agreement(net, data):
    from dataclasses import replace

    from convsight.datasets import Split

    def moved(split):
        return Split(split.store, torch.rand(len(split), 2), (), split.ids)

    places = replace(
        data, classes=(), task="locate", outputs=("x", "y"), train=moved(data.train),
        validation=moved(data.validation), test=moved(data.test),
    )  # fmt: skip
    found = cs.neighbours(net, data.test[0], places, k=3)
    assert found.labels is None and found.draw().ndim == 3


@pytest.mark.parametrize(
    ("knobs", "query", "error", "says"),
    [
        ({"metric": "l3"}, None, InputError, "l3.*l2"),
        ({"only": "Hat"}, None, InputError, "no class 'Hat'"),
        ({"layer": "conv9"}, None, InputError, "no layer 'conv9'"),
        ({}, "test/9999", InputError, "no picture 'test/9999'"),
        ({}, "nowhere/cat.jpg", DataNotFound, "no file nowhere/cat.jpg"),
    ],
)
def test_wrong_questions_say_what_would_work(net, data, knobs, query, error, says):
    with pytest.raises(error, match=says):
        cs.neighbours(net, query or data.test[0], data, **knobs)


def test_features_agree_with_labels_more_than_pixels_on_fashion_mnist(
    shared_models, shared_data, monkeypatch
):
    monkeypatch.syspath_prepend(str(shared_models))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import fashion_net

    module = fashion_net.load(str(shared_models / "fashion_net_two_fc.safetensors"))
    net = cs.Classifier(module, classes=fashion_net.CLASSES, input_size=28, channels=1)
    data = cs.dataset("fashion-mnist", path=shared_data / "fashion-mnist")
    notes = " ".join(cs.neighbours(net, data.test[7], data, split="test", sample=500).notes)
    features, pixels = (float(word[:-1]) for word in notes.split() if word.endswith("%"))
    assert 81 < features < 88 and 74 < pixels < features
