"""Guided Grad-CAM is the product of its two factors, and captum's where captum is right."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from tests.oracles.small_nets import Functional, OneConv, modules_net, pictures
from torch import nn

from convsight.gradients.backprop import backpropagate
from convsight.gradients.cam import class_activation
from convsight.methods.gradcam import Gradcam
from convsight.methods.guided_backprop import GuidedBackprop
from convsight.methods.guided_gradcam import GuidedGradcam
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


def test_it_is_guided_backprop_times_gradcam():
    net, pixels = Classifier(modules_net(Functional, 3), input_size=12, std=0.5), pictures(4, 3)
    for layer in (None, "relu#1"):
        guided = GuidedBackprop()(net, pixels, target=1).per_channel
        cam = Gradcam()(net, pixels, target=1, layer=layer).values
        result = GuidedGradcam()(net, pixels, target=1, layer=layer)
        assert torch.allclose(result.per_channel, guided * cam[:, None], atol=1e-7)
        assert torch.equal(result.values.abs(), result.per_channel.abs().amax(1))


def test_on_a_network_of_modules_without_skips_it_is_captums():
    from captum.attr import GuidedGradCam as Peer

    torch.manual_seed(2)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 3),
    )
    pixels = pictures(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = Peer(module, module[4]).attribute(
            pixels.clone().requires_grad_(), target=0, interpolate_mode="bilinear"
        )
    ours = GuidedGradcam()(Classifier(module, input_size=12, channels=1), pixels, target=0).per_channel
    assert theirs.abs().max() > 0
    assert torch.allclose(ours, theirs, atol=1e-7)
    assert F.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.999999


def test_one_convolution_gives_the_tensor_that_captum_publishes():
    """captum enlarges by nearest neighbour; with that, our two factors have its product."""
    net = Classifier(OneConv(), input_size=4, channels=1, std=1 / 16)
    pixels = torch.arange(16.0).reshape(1, 1, 4, 4) / 16
    aim = net.target(0, pixels)
    guided = backpropagate(net, aim, pixels, "guided").pixels / 16
    cam = class_activation(net, aim, pixels, "relu1").cam
    product = guided[0, 0] * cam[0].clamp(min=0).repeat_interleave(2, 0).repeat_interleave(2, 1)
    rows = [[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 12.0, 8.0], [28.0, 84.0, 97.5, 65.0], [28.0, 56.0, 65.0, 32.5]]
    assert torch.equal(product, torch.tensor(rows))


def test_where_gradcam_is_empty_so_is_this_and_it_says_so():
    module = modules_net()
    with torch.no_grad():
        module.fc.weight[0] = -module.fc.weight[0].abs()
    result = GuidedGradcam()(Classifier(module, input_size=12, channels=1), pictures(1), target=0)
    assert (result.values == 0).all()
    assert any("no region speaks for the target" in note for note in result.notes)
