"""Vectors that feed the head, made by a copy of the network in each thread: the same as those that are recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import convsight as cs
from convsight.features import head_inputs as module
from convsight.features.head_inputs import head_inputs
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def network() -> Classifier:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    return Classifier(nn.Sequential(body, nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 4)), input_size=24)


def test_pieces_in_threads_give_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 3 * 3 * 24 * 24)
    net, pixels = network(), torch.rand(20, 3, 24, 24)
    expected, pieces = net.features(pixels), []
    one = module._Several.one
    monkeypatch.setattr(
        module._Several, "one", lambda self, part: pieces.append(len(part)) or one(self, part)
    )
    with head_inputs(net) as vectors_of:
        torch.testing.assert_close(vectors_of(pixels), expected)
    assert pieces[-7:].count(3) == 6 and pieces[-7:].count(2) == 1
    assert torch.get_num_threads() == 2


def test_the_network_is_left_as_it_was() -> None:
    net = network()
    net.module.train()
    state, random = {k: v.clone() for k, v in net.module.state_dict().items()}, torch.get_rng_state()
    with head_inputs(net) as vectors_of:
        vectors_of(torch.rand(4, 3, 24, 24, generator=torch.Generator()))
    assert net.module.training and torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in net.module.state_dict().items())
    assert not any(m._forward_pre_hooks for m in net.module.modules())
    assert all(p.grad is None for p in net.module.parameters())


def test_copies_share_the_weights() -> None:
    net = network()
    for other in module._copies(net):
        for mine, its in zip(net.module.parameters(), other.parameters(), strict=True):
            assert mine.data_ptr() == its.data_ptr()


class Functional(nn.Module):
    """Its head is a matrix product, and no module that a hook could watch."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 6, 3), nn.Parameter(torch.randn(2, 6))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.body(x).mean((2, 3)), self.head)


class Swallowing(nn.Module):
    """It answers whatever happens inside, so that nothing can stop it at its head."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.body(x).mean((2, 3))
        try:
            return self.head(rows)
        except Exception:
            return rows[:, :2]


@pytest.mark.parametrize("kind", [Functional, Swallowing])
def test_a_network_that_cannot_be_stopped_is_recorded(kind: type[nn.Module]) -> None:
    torch.manual_seed(1)
    net, pixels = cs.Classifier(kind(), input_size=16, channels=3), torch.rand(5, 3, 16, 16)
    with head_inputs(net) as vectors_of:
        assert not isinstance(vectors_of, module._Several)
        torch.testing.assert_close(vectors_of(pixels), net.features(pixels))


def test_bfloat16_is_near() -> None:
    net, pixels = network(), torch.rand(6, 3, 24, 24)
    with head_inputs(net, torch.bfloat16) as vectors_of:
        rows = vectors_of(pixels)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, net.features(pixels), atol=2e-2, rtol=5e-2)
    assert not torch.equal(rows, net.features(pixels))
