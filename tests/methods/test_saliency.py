"""Saliency against linear nets, a map worked out by hand, and captum."""

import pytest
import torch
from tests.oracles.small_nets import Functional, OneConv, modules_net, pictures
from torch import nn

from convsight.methods.saliency import Saliency
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


def test_a_linear_nets_saliency_is_the_size_of_its_weights_over_std():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 4))
    net = Classifier(linear, input_size=4, std=(0.5, 0.25, 1.0), mean=0.3)
    result = Saliency()(net, pictures(2, 3, 4), target=[1, 2])
    weights = linear[1].weight[1:3].detach().reshape(2, 3, 4, 4) / torch.tensor([0.5, 0.25, 1.0]).reshape(
        3, 1, 1
    )
    assert torch.allclose(result.per_channel, weights, rtol=1e-6)
    assert torch.equal(result.values, result.per_channel.abs().amax(1))
    assert not result.signed


def test_saliency_is_captums_in_pixels():
    from captum.attr import Saliency as Peer

    module, pixels = modules_net(Functional, 3), pictures(4, 3)
    net = Classifier(module, input_size=12, mean=0.5, std=0.25)
    theirs = Peer(module).attribute(net.normalise(pixels).requires_grad_(), target=[0, 1, 2, 0]).amax(1)
    assert torch.allclose(Saliency()(net, pixels, target=[0, 1, 2, 0]).values * 0.25, theirs, rtol=1e-6)


def test_one_convolution_gives_the_map_that_was_worked_out_by_hand():
    """Four open cells that count +1 and two, at the bottom, that count −1; each adds 3×3 ones."""
    net = Classifier(OneConv(), input_size=4, channels=1, std=1 / 16)
    values = Saliency()(net, torch.arange(1.0, 17.0).reshape(1, 1, 4, 4) / 16, target=0).values / 16
    rows = [[1, 2, 2, 1], [1, 2, 2, 1], [1, 2, 2, 1], [0, 0, 0, 0]]
    assert torch.equal(values[0], torch.tensor(rows).float())


def test_without_a_target_each_picture_is_explained_for_its_own_prediction():
    net, pixels = Classifier(modules_net(), input_size=12, channels=1), pictures(5)
    ours, named = Saliency()(net, pixels), Saliency()(net, pixels, target=net.predict(pixels).tolist())
    assert torch.equal(ours.values, named.values)
    assert ours.labels_of[0].split()[0] == net.classes[int(net.predict(pixels)[0])]


def test_a_network_that_ends_in_log_softmax_is_pointed_out():
    ends = nn.Sequential(modules_net(), nn.LogSoftmax(1))
    notes = Saliency()(Classifier(ends, input_size=12, channels=1), pictures(1)).notes
    assert "ends in log_softmax" in notes[0]
    assert Saliency()(Classifier(modules_net(), input_size=12, channels=1), pictures(1)).notes == ()


def test_mirrored_pictures_in_a_mirrored_network_give_a_mirrored_map():
    module, pixels = modules_net(), pictures(2)
    plain = Saliency()(Classifier(module, input_size=12, channels=1), pixels, target=1).values
    with torch.no_grad():
        module.conv1.weight.copy_(module.conv1.weight.flip(3))
        module.conv2.weight.copy_(module.conv2.weight.flip(3))
    mirrored = Saliency()(Classifier(module, input_size=12, channels=1), pixels.flip(3), target=1).values
    assert torch.allclose(mirrored.flip(2), plain, atol=1e-7)
