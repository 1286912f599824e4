"""Filters: the weights themselves, on a scale whose zero is mid-grey."""

import pytest
import torch
from torch import nn

from convsight.errors import InputError
from convsight.methods.filters import Filters
from convsight.network.classifier import Classifier


def net_with(*convs, channels=3, size=24):
    module = nn.Sequential(*convs, nn.Flatten(), nn.LazyLinear(2))
    module(torch.zeros(1, channels, size, size))
    return Classifier(module, input_size=size, channels=channels)


def test_colour_filters_of_11_pixels_are_their_weights_around_mid_grey():
    net = net_with(nn.Conv2d(3, 4, 11))
    weight = net.module[0].weight.detach()
    result = Filters()(net)
    assert result.images.shape == (4, 3, 11, 11)
    assert torch.allclose((result.images - 0.5) * 2 * weight.abs().max(), weight, atol=1e-6)
    assert torch.equal(result.values, weight)
    assert result.legend.high == f"+{float(weight.abs().max()):.3g}"


def test_a_positive_and_a_negative_filter_are_mirrored_around_mid_grey():
    net = net_with(nn.Conv2d(1, 3, 2), channels=1)
    with torch.no_grad():
        net.module[0].weight.copy_(
            torch.tensor([[1.0, 2, 3, 4], [-1, -2, -3, -4], [0, 0, 0, 0]]).view(3, 1, 2, 2)
        )
    up, down, nothing = Filters()(net).images[:, 0]
    assert up.flatten().tolist() == pytest.approx([0.625, 0.75, 0.875, 1])
    assert torch.allclose(up - 0.5, 0.5 - down)
    assert (nothing == 0.5).all()


def test_a_scale_for_each_filter_shows_faint_ones():
    net = net_with(nn.Conv2d(3, 2, 3))
    with torch.no_grad():
        net.module[0].weight[1] = net.module[0].weight[0] / 1000
    together, apart = Filters()(net).images, Filters(scale="filter")(net).images
    assert torch.allclose(apart[0], apart[1], atol=1e-6)
    assert (together[1] - 0.5).abs().max() < 0.001


def test_a_deeper_layer_is_a_grid_of_outputs_by_inputs():
    net = net_with(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 2), channels=1)
    result = Filters(most_inputs=3)(net, layer="2")
    assert (result.columns, result.row_labels, result.headings) == (3, ("0", "1", "2", "3"), ("0", "1", "2"))
    weight = net.module[2].weight.detach()
    limit = weight[:, :3].abs().max()
    assert torch.allclose(result.images[3 * 2 + 1, 0], 0.5 + weight[2, 1] / (2 * limit), atol=1e-6)
    assert any("3 of 5 inputs" in note for note in result.notes)


def test_three_maps_deeper_down_are_no_colours():
    net = net_with(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3), channels=1)
    assert Filters()(net, layer="1").images.shape == (6, 1, 3, 3)


def test_a_depthwise_layer_has_one_kernel_a_channel():
    net = net_with(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, groups=6))
    assert Filters()(net, layer="1").images.shape == (6, 1, 3, 3)


def test_strength_puts_the_largest_weights_first_and_most_stops_there():
    net = net_with(nn.Conv2d(3, 5, 3))
    with torch.no_grad():
        for c, size in enumerate((1.0, 5, 3, 2, 4)):
            net.module[0].weight[c] = size
    result = Filters(order="strength", most=3)(net)
    assert result.captions == ("1", "4", "2")
    assert result.values[:, 0, 0, 0].tolist() == [5, 4, 3]
    assert Filters(channels="0,3-4")(net).captions == ("0", "3", "4")


def test_a_dead_filter_is_named():
    net = net_with(nn.Conv2d(3, 2, 3))
    with torch.no_grad():
        net.module[0].weight[1] = 0
    assert Filters()(net).notes == ("All weights are 0 in: 1.",)


def test_wrong_layers_and_channels_are_answered_with_what_would_work():
    net = net_with(nn.Conv2d(3, 2, 3), nn.ReLU())
    with pytest.raises(InputError, match="is a relu and has no filters; the convolutions are: 0"):
        Filters()(net, layer="1")
    with pytest.raises(InputError, match="no channel 7 in '0'; it has channels 0 to 1"):
        Filters(channels="7")(net)
    with pytest.raises(InputError, match="is not understood"):
        Filters(channels="two")(net)
    bare = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), input_size=4, channels=1)
    with pytest.raises(InputError, match="no convolution"):
        Filters()(bare)
