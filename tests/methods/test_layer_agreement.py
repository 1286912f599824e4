"""Is the curve the label agreement of every layer's own values?"""

import pytest
import torch
from torch import nn

import convsight as cs


@pytest.fixture(scope="module")
def data():
    return cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=90)


@pytest.fixture(scope="module")
def net(data):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(576, 12),
        nn.ReLU(),
        nn.Linear(12, 10),
    )
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1)


def by_hand(values: torch.Tensor, labels: torch.Tensor, k: int) -> float:
    distances = torch.cdist(values.flatten(1).double(), values.flatten(1).double()).fill_diagonal_(torch.inf)
    found = distances.topk(k, largest=False).indices
    return float((labels[found] == labels[:, None]).float().mean())


def test_each_point_is_counted_by_hand(net, data):
    curve = cs.layer_agreement(net, data, k=5).series[0]
    assert curve.x == ("pixels", "0", "2", "4", "6")
    images = data.test[:]
    with torch.no_grad(), net.record("2", "4", "6") as seen:
        net.forward(images.pixels)
    values = {"pixels": images.pixels, **seen}
    for name, share in zip(curve.x, curve.y, strict=True):
        if name != "0":  # 4 × 24 × 24 values are averaged to a coarser grid
            assert share == pytest.approx(by_hand(values[name], images.labels, 5), abs=1e-6)


def test_large_maps_keep_where_on_a_coarser_grid(net, data):
    images = data.test[:]
    with torch.no_grad(), net.record("0") as seen:
        net.forward(images.pixels)
    coarse = nn.functional.adaptive_avg_pool2d(seen["0"], 22)
    curve = cs.layer_agreement(net, data, k=5).series[0]
    assert curve.y[1] == pytest.approx(by_hand(coarse, images.labels, 5), abs=1e-6)


def test_fewer_points_keep_the_first_and_the_last_layer(net, data):
    assert cs.layer_agreement(net, data, points=2).series[0].x == ("pixels", "0", "6")
    assert cs.layer_agreement(net, data, points=1).series[0].x == ("pixels", "6")
