"""The deconvnet as users call it: seeds, switches and silent units, by hand where the answer is known."""

import pytest
import torch
import torch.nn.functional as F
from tests.oracles.small_nets import Functional, modules_net, pictures
from torch import nn

from convsight.gradients.backprop import backpropagate
from convsight.methods.deconvnet import Deconvnet
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


def test_one_layer_is_its_filter_times_the_activation_at_the_maximum():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(300, 2))
    net, pixels = Classifier(module, input_size=12, channels=1), pictures(4)
    values = Deconvnet()(net, pixels, target=("1", 2)).values
    maps = F.relu(module[0](pixels)).detach()[:, 2]
    for i in range(4):
        y, x = divmod(int(maps[i].argmax()), 10)
        expected = torch.zeros(12, 12)
        expected[y : y + 3, x : x + 3] = maps[i, y, x] * module[0].weight[2, 0].detach()
        assert torch.allclose(values[i], expected, atol=1e-7)


def test_pooling_is_undone_through_its_switches():
    module = nn.Sequential(
        nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 2)
    )
    with torch.no_grad():
        module[0].weight.fill_(2)
    net, pixels = Classifier(module, input_size=4, channels=1), pictures(1, size=4)
    values = Deconvnet()(net, pixels, target=("2", 0, 1, 0)).values[0]
    window = pixels[0, 0, 2:4, 0:2]
    expected = torch.zeros(4, 4)
    expected[2:4, 0:2] = torch.where(window == window.max(), 2 * 2 * window.max(), torch.zeros(()))
    assert torch.allclose(values, expected)


def test_a_unit_starts_with_its_activation_and_a_class_with_one():
    net, pixels = Classifier(modules_net(Functional), input_size=12, channels=1), pictures(3)
    unit, score = ("relu#2", 1), net.target(("relu#2", 1), pixels).score(net, pixels).detach()
    plain = backpropagate(net, net.target(unit, pixels), pixels, "deconvnet").pixels
    result = Deconvnet()(net, pixels, target=unit)
    assert torch.allclose(result.per_channel, plain * score.reshape(3, 1, 1, 1), atol=1e-6)
    of_class = backpropagate(net, net.target(0, pixels), pixels, "deconvnet").pixels
    assert torch.equal(Deconvnet()(net, pixels, target=0).per_channel, of_class)


def test_of_equal_maxima_the_unit_starts_at_one():
    """Under a ReLU6 many cells share the maximum, 6; the picture is that of the first, not a mixture."""
    module = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(100, 2))
    with torch.no_grad():
        module[0].bias.fill_(100)
    values = Deconvnet()(Classifier(module, input_size=12, channels=1), pictures(1), target=("1", 0)).values[
        0
    ]
    expected = torch.zeros(12, 12)
    expected[:3, :3] = 6 * module[0].weight[0, 0].detach()
    assert torch.allclose(values, expected)


def test_a_silent_unit_gives_an_empty_map_and_a_note():
    module = modules_net(Functional)
    with torch.no_grad():
        module.conv2.bias[3] = -100
    net = Classifier(module, input_size=12, channels=1)
    for layer in ("relu#2", "conv2"):
        result = Deconvnet()(net, pictures(2), target=(layer, 3))
        assert (result.values == 0).all()
        assert result.notes[-1].startswith(
            f"Empty map for all 2 pictures: the gradient is zero everywhere, because {layer}"
        )
        assert "silent" in result.notes[-1]


def test_without_max_pooling_the_reader_is_told_that_the_picture_hardly_matters():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(75, 2))
    net, pixels = Classifier(module, input_size=12, channels=1), pictures(2)
    result = Deconvnet()(net, pixels, target=0)
    assert torch.equal(result.values[0], result.values[1])
    assert "No max-pooling" in result.notes[-1]
    pooled = Classifier(modules_net(), input_size=12, channels=1)
    assert not any("max-pooling" in note for note in Deconvnet()(pooled, pixels, target=0).notes)
    assert any("max-pooling" in note for note in Deconvnet()(pooled, pixels, target=("relu1", 0)).notes)
