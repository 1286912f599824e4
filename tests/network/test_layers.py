"""What `net.layers` tells of each operation: shapes, parameters, MACs, names and the errors about them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.errors import InputError
from convsight.network.classifier import Classifier


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.features = nn.Sequential(nn.Conv2d(8, 8, 3, groups=4), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.relu, self.fc = nn.ReLU(), nn.Linear(8, 5)

    def forward(self, x):
        x = self.features(self.relu(self.norm(self.conv1(x))))
        return self.fc(self.relu(F.adaptive_avg_pool2d(x, 1).flatten(1)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Classifier(Net(), input_size=(10, 12))


def test_each_layer_has_its_kind_and_shape(net):
    rows = [(a.name, a.kind, a.output_shape) for a in net.layers.values()]
    assert rows == [
        ("conv1", "conv2d", (8, 10, 12)),
        ("norm", "batch_norm", (8, 10, 12)),
        ("relu#1", "relu", (8, 10, 12)),
        ("features.0", "conv2d", (8, 8, 10)),
        ("features.1", "relu", (8, 8, 10)),
        ("features.2", "max_pool2d", (8, 4, 5)),
        ("adaptive_avg_pool2d", "adaptive_avg_pool2d", (8, 1, 1)),
        ("flatten", "flatten", (8,)),
        ("relu#2", "relu", (8,)),
        ("fc", "linear", (5,)),
    ]


def test_parameters_add_up_to_the_networks_also_when_it_is_frozen(net):
    total = sum(p.numel() for p in net.module.parameters())
    assert sum(a.parameters for a in net.layers.values()) == total
    frozen = Classifier(Net().requires_grad_(False), input_size=(10, 12))
    assert sum(a.parameters for a in frozen.layers.values()) == total


def test_macs_are_kernel_times_inputs_a_group_times_outputs(net):
    assert net.layers["conv1"].macs == 3 * 3 * 3 * 8 * 10 * 12
    assert net.layers["features.0"].macs == 3 * 3 * 2 * 8 * 8 * 10
    assert net.layers["fc"].macs == 8 * 5
    assert net.layers["features.1"].macs == 0


def test_mobilenet_has_the_macs_that_its_paper_gives(shared_models):
    import importlib.util

    spec = importlib.util.spec_from_file_location("mobilenet_v2", shared_models / "mobilenet_v2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = Classifier(module.load(shared_models / "mobilenet_v2_imagenet.safetensors"), input_size=224)
    # Sandler et al. 2018, arXiv:1801.04381, table 4: 300 million multiply-adds, 3.4 million parameters
    assert sum(a.macs for a in net.layers.values()) == pytest.approx(300e6, rel=0.01)
    assert sum(a.parameters for a in net.layers.values()) == sum(p.numel() for p in net.module.parameters())
    assert len(net.layers.convolutions()) == 52


def test_maps_convolutions_and_weights_are_found(net):
    assert [a.name for a in net.layers.convolutions()] == ["conv1", "features.0"]
    assert [a.name for a in net.layers.maps()][-1] == "features.2"  # the pooled 1×1 cells are no map
    assert net.layers.weight("conv1") is net.module.conv1.weight
    assert net.layers.weight("fc") is net.module.fc.weight
    with pytest.raises(InputError, match="has no weights; these have: conv1, features.0, fc"):
        net.layers.weight("relu#1")


def test_the_last_feature_is_what_feeds_the_scores(net):
    assert net.feature_layer == "relu#2"
    assert net.features(torch.rand(3, 3, 10, 12)).shape == (3, 8)


def test_containers_answer_and_are_in_but_not_listed(net):
    assert net.layers["features"].name == "features.2"
    assert "features" in net.layers
    assert "features" not in list(net.layers)
    assert len(net.layers) == 10


def test_wrong_names_are_answered_with_the_closest(net):
    with pytest.raises(InputError, match="no layer 'conv2' in this network; did you mean conv1"):
        net.layers["conv2"]
    with pytest.raises(InputError, match="layer 'relu' is used 2 times; choose one of relu#1, relu#2"):
        net.layers["relu"]


def test_a_layer_that_is_exchanged_is_seen(net):
    assert net.layers["fc"].output_shape == (5,)
    net.module.conv1.weight = nn.Parameter(torch.ones(8, 3, 3, 3))
    assert net.layers.weight("conv1").unique().tolist() == [1]
    net.module.features[1] = nn.Tanh()
    assert net.layers["features.1"].kind == "tanh"


class WithoutRegisters(nn.Module):
    """Tokens behind a row of no register tokens, as networks make them that may have some."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 6, 4, 4), nn.Linear(6, 5)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        none = F.gelu(tokens[:, :0])
        return self.head(F.gelu(torch.cat([none, tokens], 1)).mean(1))


def test_an_empty_row_of_tokens_has_no_places():
    net = Classifier(WithoutRegisters(), input_size=(8, 12))
    empty, full = [a.name for a in net.layers.values() if a.kind == "gelu"]
    assert net.layers[empty].output_shape == (0, 6) and net.layers.grid(empty) is None
    grid = net.layers.grid(full)
    assert grid is not None and (grid.rows, grid.columns) == (2, 3)
