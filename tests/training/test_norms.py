"""Statistics of other pictures go into a network without a change of its answers, also where they had been folded away."""

import pytest
import torch
from torch import nn

from convsight.training.norms import take_statistics


def folded_net() -> nn.Sequential:
    """Two convolutions with normalisation as inference frameworks leave it: mean 0, variance 1, whatever comes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.BatchNorm2d(6),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip
    with torch.no_grad():
        for layer in (net[1], net[4]):
            layer.weight.uniform_(0.5, 2)
            layer.bias.normal_()
        net[0].weight.mul_(3)
    return net.eval()


@torch.no_grad()
def test_the_answers_stay_and_are_then_those_of_the_batchs_own_statistics() -> None:
    net, pixels = folded_net(), torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    before = net(pixels)
    assert not torch.allclose(folded_net().train()(pixels), before, atol=0.1), "its own statistics undo it"
    take_statistics(net, pixels.split(16))
    torch.testing.assert_close(net.eval()(pixels), before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(net.train()(pixels), before, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_the_statistics_are_those_of_what_comes_to_the_layer() -> None:
    net, pixels = folded_net(), torch.rand(30, 3, 9, 9, generator=torch.Generator().manual_seed(2))
    values = net[0](pixels)
    take_statistics(net, pixels.split(7))
    assert net[1].running_mean == pytest.approx(values.mean((0, 2, 3)), abs=1e-5)
    assert net[1].running_var == pytest.approx(values.var((0, 2, 3), correction=0), rel=1e-4)


def test_layers_without_statistics_or_scale_stay() -> None:
    net = nn.Sequential(
        nn.BatchNorm2d(3, affine=False), nn.BatchNorm2d(3, track_running_stats=False), nn.Conv2d(3, 2, 1)
    )
    before = {name: value.clone() for name, value in net.state_dict().items()}
    take_statistics(net, [torch.rand(4, 3, 5, 5)])
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
