"""The neuron card: its crops are those of top_crops, its signals the unit's own, its costs a plain loop's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.datasets import dataset
from convsight.errors import InputError
from convsight.gradients.backprop import backpropagate
from convsight.methods.neuron_card import NeuronCard
from convsight.methods.top_crops import TopCrops
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.results.draw import limit_of
from convsight.results.kinds import Curve, Table
from convsight.units.ablation import right_outputs, switch_off


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 5, 3), nn.Linear(500, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.fc(F.relu(self.conv2(x)).flatten(1))


@pytest.fixture(scope="module")
def data():
    return dataset("drawn-garments", n_train=20, n_validation=20, n_test=90)


@pytest.fixture
def net(data):
    torch.manual_seed(4)
    module = Net()
    nn.init.constant_(module.conv2.bias, 0.5)  # no channel is silent
    return Classifier(module, classes=data.classes, input_size=28, channels=1)


def part(result, kind, title=""):
    return next(p for p in result.parts if isinstance(p, kind) and title in p.title)


def test_the_crops_are_those_of_top_crops(net, data):
    card = NeuronCard(crops=5)(net, data, target=("relu#2", 3))
    crops = TopCrops(crops=5, channels="3")(net, data, layer="relu#2")
    assert torch.equal(card.images[:5], crops.images)
    assert torch.equal(card.values, crops.values)
    assert card.captions == crops.captions


def test_the_rows_below_are_what_reaches_the_crop_from_that_unit(net, data):
    card = NeuronCard(crops=3)(net, data, target=("relu#2", 1))
    assert card.row_labels == ("picture", "guided", "deconvnet")
    for r, rule in ((1, "guided"), (2, "deconvnet")):
        for j in range(3):
            number, y, x, top, left, bottom, right = card.values[j, 1:].int().tolist()
            unit = Target(("unit",), None, "relu#2", 1, (y, x))
            signal = backpropagate(net, unit, data.test[number].pixels, rule, rule == "deconvnet").pixels
            expected = (0.5 + signal / (2 * limit_of(signal, 0.99))).clamp(0, 1)[0, :, top:bottom, left:right]
            assert torch.allclose(card.images[3 * r + j], expected, atol=1e-6)
            outside = signal.clone()
            outside[..., top:bottom, left:right] = 0
            assert not outside.any()  # nothing arrives outside the receptive field


@pytest.mark.parametrize("off", ["zero", "mean"])
def test_the_cost_is_that_of_a_network_with_the_channel_cut(net, data, off):
    table = part(NeuronCard(off=off)(net, data, target=("conv1", 2)), Table)
    images = data.test[:]
    level = float(net.module.conv1(images.pixels)[:, 2].detach().mean()) if off == "mean" else 0.0
    clean = net.scores(images)

    def cut(x):
        maps = net.module.conv1(x)
        maps[:, 2] = level
        return net.module.fc(F.relu(net.module.conv2(F.max_pool2d(F.relu(maps), 2))).flatten(1))

    with torch.no_grad():
        without = cut(images.pixels)
    for name, n, right, right_without, points, drop in table.rows:
        k = data.classes.index(name)
        of = images.labels == k
        assert n == int(of.sum())
        assert right == pytest.approx(100 * float((clean[of].argmax(1) == k).float().mean()), abs=1e-3)
        assert right_without == pytest.approx(
            100 * float((without[of].argmax(1) == k).float().mean()), abs=1e-3
        )
        assert points == pytest.approx(right - right_without)
        assert drop == pytest.approx(float((clean - without)[of, k].mean()), abs=1e-4)
    assert [row[-1] for row in table.rows] == sorted((row[-1] for row in table.rows), reverse=True)


def test_a_unit_of_a_vector_has_whole_pictures_and_costs_its_own_score(net, data):
    card = NeuronCard(crops=2)(net, data, target=("fc", 3))
    assert card.images.shape == (6, 1, 28, 28)
    drops = {row[0]: row[5] for row in part(card, Table).rows}
    own = net.scores(data.test[:])[data.test.labels == 3, 3].mean()
    assert drops.pop(data.classes[3]) == pytest.approx(float(own), abs=1e-5)
    assert set(drops.values()) == {0}


def test_a_channel_that_nothing_reads_costs_nothing(net, data):
    with torch.no_grad():
        net.module.conv2.weight[:, 1] = 0
    rows = part(NeuronCard()(net, data, target=("relu#1", 1)), Table).rows
    assert all(row[4] == 0 and row[5] == pytest.approx(0, abs=1e-6) for row in rows)


def test_the_class_histogram_counts_the_strongest_pictures(net, data):
    curve = part(NeuronCard(strongest=20, crops=20)(net, data, target=("relu#2", 0)), Curve, "classes")
    with torch.no_grad(), net.record("relu#2") as seen:
        net.forward(data.test[:].pixels)
    top = seen["relu#2"][:, 0].flatten(1).amax(1).topk(20).indices
    expected = torch.bincount(data.test.labels[top], minlength=10) * 5.0
    assert curve.series[0].x == data.classes
    assert curve.series[0].y == pytest.approx(expected.tolist())
    assert sum(curve.series[1].y) == pytest.approx(100)


def test_the_histogram_of_maxima_counts_every_picture_once(net, data):
    curve = part(NeuronCard()(net, data, target=("conv2", 0)), Curve, "strongly")
    assert sum(curve.series[0].y) == pytest.approx(100)


def test_labels_are_matched_by_name_and_else_the_networks_answers_stand_for_them(data):
    torch.manual_seed(0)
    turned = Classifier(Net(), classes=data.classes[::-1], input_size=28, channels=1)
    assert torch.equal(right_outputs(turned, data.test), 9 - data.test.labels)
    stranger = Classifier(Net(), input_size=28, channels=1)
    lost = switch_off(stranger, data.test, "conv1", 0, 0.0)
    assert lost.own
    assert torch.equal(lost.right, stranger.predict(data.test[:]))
    table = part(NeuronCard()(stranger, data, target=("conv1", 0)), Table)
    assert table.columns[0] == "answered (no label names a class of the network)"
    assert all(row[2] == 100 for row in table.rows)


def test_a_network_without_relus_keeps_its_crops_and_says_what_is_missing(data):
    net = Classifier(
        nn.Sequential(nn.Conv2d(1, 2, 5), nn.Tanh(), nn.Flatten(), nn.Linear(1152, 10)),
        input_size=28,
        channels=1,
    )
    card = NeuronCard()(net, data, target=("0", 1))
    assert card.row_labels == ("picture",)
    assert any("ReLU" in note for note in card.notes)


def test_a_dead_channel_has_a_card_too(net, data):
    with torch.no_grad():
        net.module.conv1.weight[0], net.module.conv1.bias[0] = 0, -1
    card = NeuronCard()(net, data, target=("relu#1", 0))
    assert card.values.shape == (0, 8)
    assert "Nowhere above 0 on 100.0%" in card.notes[0]
    assert card.draw().ndim == 3


def test_a_position_network_tells_how_its_outputs_move(data):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.Flatten(), nn.Linear(1152, 2))
    net = Classifier(module, input_size=28, channels=1, task="locate", outputs=("x", "y"))
    table = part(NeuronCard()(net, data, target=("1", 0)), Table)
    with torch.no_grad(), net.edit({"1": lambda t: torch.cat([t[:, :1] * 0, t[:, 1:]], 1)}):
        moved = net.forward(data.test[:].pixels) - torch.zeros(1)
    change = (moved - net.scores(data.test[:])).mean(0)
    assert [row[1] for row in table.rows] == pytest.approx(change.tolist(), abs=1e-5)


@pytest.mark.parametrize("target", ["T-shirt/top", 3, ("conv1", 0, 1, 1), None])
def test_another_target_than_a_channel_is_refused(net, data, target):
    with pytest.raises(InputError, match=r"target=\(layer, channel\), such as \('conv1', 0\)"):
        NeuronCard()(net, data, target=target)
