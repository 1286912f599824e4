"""Does a pass that only records end after its last recorded layer, and leave everything as it was?"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.network.classifier import Classifier


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4 * 4 * 4, 2)
        self.reached = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            x = F.relu(self.conv1(x), inplace=True)
        except Exception:  # a network's own handler must not swallow the stop
            self.reached = -1
        x = self.conv2(x)
        self.reached += 1
        return self.fc(x.flatten(1))


@pytest.fixture
def net() -> Classifier:
    torch.manual_seed(0)
    made = Classifier(Small(), input_size=8, channels=1)
    assert made.layers["conv1"]
    made.module.reached = 0  # type: ignore[assignment]
    return made


def test_a_stopped_pass_records_the_same_value_and_runs_nothing_after_it(net: Classifier):
    x = torch.rand(3, 1, 8, 8)
    with net.record("conv1", "relu") as all_of_it:
        net.forward(x)
    assert net.module.reached == 1
    with net.record("conv1", "relu", stop=True) as seen:
        assert net.forward(x).shape == (3, 0)
    assert net.module.reached == 1
    assert all(torch.equal(seen[name], all_of_it[name]) for name in ("conv1", "relu"))


def test_a_stopped_pass_takes_pictures_that_the_whole_network_cannot(net: Classifier):
    with net.record("conv2", stop=True) as seen:
        net.forward(torch.rand(1, 1, 20, 30))
    assert seen["conv2"].shape == (1, 4, 16, 26)


def test_each_pass_of_a_block_stops_anew_and_is_differentiable(net: Classifier):
    with net.record("conv1", stop=True) as seen:
        for scale in (1.0, 2.0):
            x = torch.full((1, 1, 8, 8), 0.25 * scale, requires_grad=True)
            net.forward(x)
            expected = F.conv2d(x, net.module.conv1.weight, net.module.conv1.bias)  # type: ignore[union-attr]
            assert torch.equal(seen["conv1"], expected)
            assert torch.autograd.grad(seen["conv1"].sum(), x)[0].abs().sum() > 0


def test_an_outer_block_that_wants_a_later_layer_keeps_the_pass_going(net: Classifier):
    with net.record("fc") as outer, net.record("conv1", stop=True) as inner:
        net.forward(torch.rand(2, 1, 8, 8))
    assert outer["fc"].shape == (2, 2)
    assert inner["conv1"].shape == (2, 3, 6, 6)


def test_a_stopped_pass_leaves_no_hook_and_no_mode_behind(net: Classifier):
    net.module.train()
    with net.record("conv1", stop=True):
        net.forward(torch.rand(1, 1, 8, 8))
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in net.module.modules())
    assert net.forward(torch.rand(1, 1, 8, 8)).shape == (1, 2)
