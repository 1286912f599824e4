"""Is every change of a network's weights and buffers noticed, however a module keeps them?"""

import torch
from torch import nn

import convsight as cs
from convsight.scores import every_module, first_tensor


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
