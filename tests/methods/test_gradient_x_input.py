"""Gradient × input against linear nets, captum, and the sum that it has in a network without biases."""

import pytest
import torch
from tests.oracles.small_nets import Functional, modules_net, pictures
from torch import nn

from convsight.methods.gradient_x_input import GradientXInput
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


def test_a_linear_nets_map_is_its_weights_times_the_pixels():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 4))
    net, pixels = Classifier(linear, input_size=4, std=0.5, mean=0.3), pictures(2, 3, 4)
    result = GradientXInput()(net, pixels, target=2)
    expected = linear[1].weight[2].detach().reshape(3, 4, 4) / 0.5 * pixels
    assert torch.allclose(result.per_channel, expected, rtol=1e-6)
    assert torch.allclose(result.values, expected.sum(1), atol=1e-6) and result.signed


def test_without_normalisation_it_is_captums():
    from captum.attr import InputXGradient

    module, pixels = modules_net(Functional), pictures(3)
    theirs = InputXGradient(module).attribute(pixels.clone().requires_grad_(), target=1)
    ours = GradientXInput()(Classifier(module, input_size=12, channels=1), pixels, target=1).per_channel
    assert torch.allclose(ours, theirs, atol=1e-8)


def test_without_biases_the_map_sums_to_the_score():
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(100, 3, bias=False),
    )
    net, pixels = Classifier(module, input_size=12, channels=1), pictures(4)
    result = GradientXInput()(net, pixels, target=0)
    assert torch.allclose(result.values.sum((1, 2)), net.scores(pixels)[:, 0], atol=1e-5)


def test_black_pixels_count_nothing():
    pixels = pictures(1)
    pixels[:, :, 3:6] = 0
    values = GradientXInput()(Classifier(modules_net(), input_size=12, channels=1), pixels, target=0).values
    assert (values[0, 3:6] == 0).all() and values.abs().max() > 0
