"""Guided backpropagation as users call it; its numbers are checked in tests/test_backprop.py."""

import pytest
import torch
from tests.oracles.lesson_numpy import NumpyNet
from tests.oracles.small_nets import Functional, modules_net, pictures
from torch import nn

from convsight.architectures.lesson import LessonTwo
from convsight.errors import ModelError
from convsight.methods.guided_backprop import GuidedBackprop
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


def test_the_lessons_net_agrees_with_numpy_to_a_millionth():
    module, pixels = LessonTwo(10).eval(), pictures(2, size=28)
    by_hand = NumpyNet({k: v.double().numpy() for k, v in module.state_dict().items()})
    result = GuidedBackprop()(Classifier(module, input_size=28, channels=1), pixels, target=5)
    for i in range(2):
        by_hand.forward(pixels[i].double().numpy())
        expected = torch.from_numpy(by_hand.backward("guided", 5))
        assert torch.allclose(result.per_channel[i].double(), expected, rtol=0, atol=1e-6)
        assert torch.equal(result.values[i], result.per_channel[i, 0])


def test_the_value_of_a_pixel_is_its_strongest_channel_with_its_sign():
    net = Classifier(modules_net(Functional, 3), input_size=12)
    result = GuidedBackprop()(net, pictures(2, 3), target=1)
    assert torch.equal(result.values.abs(), result.per_channel.abs().amax(1))
    at = result.per_channel.abs().argmax(1, keepdim=True)
    assert torch.equal(result.values, result.per_channel.gather(1, at)[:, 0])
    assert result.signed and result.values.min() < 0 < result.values.max()


def test_colour_pictures_come_with_the_signal_in_colour_and_grey_ones_do_not():
    colour = GuidedBackprop()(Classifier(modules_net(Functional, 3), input_size=12), pictures(2, 3))
    (part,) = colour.parts
    assert part.images.shape == (2, 3, 12, 12) and part.images.min() >= 0 and part.images.max() <= 1
    assert torch.equal(part.images > 0.5, colour.per_channel > 0)
    assert GuidedBackprop()(Classifier(modules_net(), input_size=12, channels=1), pictures(1)).parts == ()


def test_a_units_picture_stays_inside_what_the_unit_sees():
    net = Classifier(modules_net(), input_size=12, channels=1)
    values = GuidedBackprop()(net, pictures(3), target=("conv2", 4, 1, 2)).values
    box = net.layers.receptive_box("conv2", 1, 2)
    inside = torch.zeros(12, 12, dtype=torch.bool)
    inside[box.top : box.bottom, box.left : box.right] = True
    assert (values[:, ~inside] == 0).all() and values[:, inside].abs().max() > 0


def test_what_stands_in_for_a_relu_is_named():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(300, 2))
    notes = GuidedBackprop()(Classifier(module, input_size=12, channels=1), pictures(1)).notes
    assert notes == ("Defined for ReLUs; ReLU6 obeys the same rule here.",)


def test_a_network_of_tanh_is_refused():
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(300, 2))
    with pytest.raises(ModelError, match="tanh"):
        GuidedBackprop()(Classifier(module, input_size=12, channels=1), pictures(1))
