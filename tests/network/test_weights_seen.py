"""Is every change of a network's weights and buffers noticed, however a module keeps them?"""

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.network.changes import every_module, hash_of
from convsight.network.inputs import first_tensor


class Packed(nn.Module):
    """Keeps its weight where no parameter or buffer is, and hands it out when it is saved, as quantised layers do."""

    def __init__(self):
        super().__init__()
        self.packed = torch.ones(16, 2)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        destination[prefix + "weight"] = self.packed

    def forward(self, x):
        return x.flatten(1) @ self.packed


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(3), persistent=False)
        self.register_parameter("none", None)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(x.flatten(1)) * self.scale


def net_of(module):
    return cs.Classifier(module, input_size=4, channels=1)


def test_what_a_module_packs_away_counts():
    net = net_of(Packed())
    before = net.weights_hash
    net.module.packed[3, 1] = 2.0
    assert net.weights_hash != before
    net.module.packed = torch.ones(16, 2)
    assert net.weights_hash == before


def test_buffers_that_are_not_saved_count():
    net = net_of(Scaled())
    before = net.weights_hash
    net.module.scale[1] = 2.0
    assert net.weights_hash != before == net_of_same(net).weights_hash


def net_of_same(net):
    other = Scaled()
    other.load_state_dict(net.module.state_dict())
    return net_of(other)


def test_every_module_comes_once_and_in_torchs_order():
    shared = nn.Linear(4, 4)
    module = nn.Sequential(nn.Sequential(shared, nn.ReLU()), nn.ModuleDict({"a": shared, "b": nn.Tanh()}))
    module.register_module("none", None)
    assert list(every_module(module)) == list(module.modules())


def test_the_first_tensor_of_floats_is_a_parameter_before_any_buffer():
    module = nn.Sequential(nn.Module(), nn.Linear(2, 2).double())
    module[0].register_buffer("count", torch.zeros(1))
    assert first_tensor(module) is module[1].weight
    assert first_tensor(nn.Sequential(module[0])) is module[0].count
    assert not len(first_tensor(nn.ReLU()))


def turned(weight):
    return weight.flip(0)


def shuffled(weight):
    return weight.flatten()[torch.randperm(weight.numel())].view_as(weight)


def one_bit(weight):
    changed = weight.clone()
    changed.view(torch.int32)[-1, -1] ^= 1
    return changed


@pytest.mark.parametrize("change", [turned, shuffled, one_bit])
@pytest.mark.parametrize("size", [4, 64], ids=["small", "large"])
def test_weights_changed_behind_pytorchs_back_are_noticed(change, size):
    """A change through `.data` moves no version, and a permutation keeps every sum."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(size * size, 16))
    net = cs.Classifier(module, input_size=size, channels=1)
    before, version = net.weights_hash, module[1].weight._version
    module[1].weight.data.copy_(change(module[1].weight.data))
    assert module[1].weight._version == version and net.weights_hash != before


def test_a_kept_occlusion_plan_is_not_used_for_turned_weights():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 22 * 22, 3))
    net, image = cs.Classifier(module, input_size=24, channels=1), torch.rand(1, 1, 24, 24)
    asked = {"target": 0, "patch": 4, "stride": 4}
    first = cs.occlusion(net, image, **asked)
    module[3].weight.data.copy_(module[3].weight.data.flip(0))
    wanted = cs.occlusion(net, image, mode="dense", **asked)
    assert not torch.allclose(first.values, wanted.values, atol=1e-3)
    assert torch.allclose(cs.occlusion(net, image, **asked).values, wanted.values, atol=1e-4)


@pytest.mark.parametrize("change", [turned, shuffled, one_bit])
def test_weights_elsewhere_are_hashed_where_they_are(change, elsewhere):
    torch.manual_seed(0)
    weight = torch.randn(300, 200)
    assert (
        hash_of(weight.to(elsewhere))
        == hash_of(weight.to(elsewhere))
        != hash_of(change(weight).to(elsewhere))
    )
