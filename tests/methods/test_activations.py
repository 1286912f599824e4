"""Feature maps: what the network really computes, and whether they tell classes apart."""

import pytest
import torch
from sklearn.feature_selection import f_classif
from torch import nn

from convsight.datasets import dataset
from convsight.errors import InputError
from convsight.images import Images
from convsight.methods.activations import Activations
from convsight.network.classifier import Classifier
from convsight.network.untrained import untrained
from convsight.results.kinds import Curve, Table


@pytest.fixture
def net():
    torch.manual_seed(7)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.Flatten(),
        nn.Linear(400, 10), nn.Dropout(),
    )  # fmt: skip
    return Classifier(module, input_size=28, channels=1)


@pytest.fixture(scope="module")
def data():
    return dataset("drawn-garments", n_train=20, n_validation=20, n_test=80)


def test_the_maps_are_what_a_forward_hook_sees(net, data):
    images, seen = data.test[:3], []
    handle = net.module[4].register_forward_hook(lambda m, x, y: seen.append(y.detach().clone()))
    net.module.eval()
    net.forward(images.pixels)
    handle.remove()
    result = Activations()(net, images, layer="4")
    assert torch.allclose(result.values, seen[0], atol=1e-6)


def test_the_stage_goes_through_a_normalisation_and_in_place_relus_do_not_spoil_it(net, data):
    images = data.test[:2]
    convolved = net.module[0](images.pixels).detach()
    normed = net.module.eval()[1](convolved).detach()
    assert torch.allclose(Activations()(net, images, layer="0").values, convolved, atol=1e-6)
    assert torch.allclose(Activations(stage="before")(net, images, layer="0").values, normed, atol=1e-6)
    assert torch.allclose(Activations(stage="after")(net, images, layer="0").values, normed.relu(), atol=1e-6)
    assert torch.allclose(Activations()(net, images).values, normed.relu(), atol=1e-6)
    with pytest.raises(InputError, match="no non-linearity follows layer '4'"):
        Activations(stage="after")(net, images, layer="4")


def test_eta_squared_is_the_anova_of_scikit_learn(net, data):
    result = Activations(most_images=80)(net, data.test[:1], layer="2", data=data)
    with torch.no_grad(), net.record("2") as seen:
        net.forward(data.test[:].pixels)
    f, _ = f_classif(seen["2"].mean((2, 3)).numpy(), data.test.labels.numpy())
    expected = f * 9 / (f * 9 + 80 - 10)
    table = next(part for part in result.parts if isinstance(part, Table))
    column = table.columns.index("η² of classes")
    assert [row[column] for row in table.rows] == pytest.approx(expected.tolist(), abs=1e-5)
    assert "η² =" in result.notes[0]


def test_the_yardstick_is_the_untrained_network_and_the_users_is_not_touched(net, data):
    before = net.weights_hash
    curve = next(
        p for p in Activations(seed=5)(net, data.test[:1], layer="2", data=data).parts if isinstance(p, Curve)
    )
    other = Activations()(untrained(net, 5), data.test[:1], layer="2", data=data).parts[0]
    assert net.weights_hash == before
    assert curve.series[1].name == "same network untrained"
    assert curve.series[1].y == pytest.approx(other.series[0].y)
    assert curve.series[0].y != pytest.approx(curve.series[1].y)
    assert list(curve.series[0].y) == sorted(curve.series[0].y, reverse=True)


def test_dead_twin_and_noisy_channels_are_named(net, data):
    with torch.no_grad():
        net.module[0].weight[1], net.module[0].bias[1] = 0, -1
        net.module[0].weight[3], net.module[0].bias[3] = net.module[0].weight[0], net.module[0].bias[0] + 1e-4
    result = Activations()(net, data.test[:1], layer="2", data=data)
    note = next(n for n in result.notes if n.startswith("Judged by all 80 test pictures"))
    assert "Dead (silent on more than 95% of pictures): 1." in note
    assert "0 ≈ 3 (1.00)" in note
    speckle = Images(torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        net.module[0].weight.zero_()[:, :, 2, 2] = 1
    assert "Noise (Moran's I below 0.1): 0, 1, 2, 3, 4, 5." in Activations()(net, speckle, layer="0").notes[0]


def test_order_channels_and_most_choose_what_is_shown(net, data):
    images = data.test[:2]
    everything = Activations()(net, images, layer="2")
    by_response = Activations(order="response", most=2)(net, images, layer="2")
    means = everything.values.mean((0, 2, 3))
    first = means.argsort(descending=True)[:2]
    assert torch.equal(by_response.values, everything.values[:, first])
    assert torch.equal(Activations(channels="4")(net, images, layer="2").values, everything.values[:, [4]])
    assert by_response.row_labels[1:] == tuple(str(int(c)) for c in first)


def test_a_vector_layer_is_shown_as_maps_of_one_cell(net, data):
    result = Activations()(net, data.test[:1], layer="6")
    assert result.values.shape == (1, 10, 1, 1)
    assert result.draw().shape[2] == 3


def test_a_scale_for_the_layer_keeps_weak_channels_dark(net, data):
    with torch.no_grad():
        net.module[1].weight[2], net.module[1].bias[2] = 1e-3, 1e-2
    own = Activations()(net, data.test[:1], layer="2").images[3]
    shared = Activations(scale="layer")(net, data.test[:1], layer="2").images[3]
    assert shared.mean() < own.mean()


def test_an_untrained_copy_forgets_everything_and_is_the_same_each_time(net):
    a, b, c = untrained(net, 0), untrained(net, 0), untrained(net, 1)
    assert a.weights_hash == b.weights_hash != c.weights_hash
    assert a.weights_hash != net.weights_hash
    sizes = [float(each.module[0].weight.detach().std()) for each in (a, net)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.3)


def test_weights_that_cannot_be_drawn_anew_are_shuffled():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel = nn.Parameter(torch.arange(18.0).view(2, 1, 3, 3))

        def forward(self, x):
            return nn.functional.conv2d(x, self.kernel).relu().mean((2, 3))

    net = Classifier(Own(), input_size=6, channels=1)
    copy = untrained(net).module.kernel
    assert not torch.equal(copy, net.module.kernel)
    assert sorted(copy.flatten().tolist()) == list(range(18))


def test_trained_maps_tell_garments_apart_better_than_untrained_ones(shared_models, shared_data, monkeypatch):
    monkeypatch.setenv("CONVSIGHT_DATA", str(shared_data))
    from convsight.architectures.lesson import LessonTwo

    net = _lesson(shared_models, LessonTwo)
    data = dataset("fashion-mnist", limit=500)
    names = [a.name for a in net.layers.values() if a.is_map]
    curve = Activations(most_images=500)(
        net, data.test[:1], layer=names[names.index("conv2") + 1], data=data
    ).parts[0]
    trained, random = (sorted(s.y)[len(s.y) // 2] for s in curve.series)
    assert trained > 0.4 > random


def _lesson(folder, kind):
    from safetensors.torch import load_file

    module = kind(10)
    module.load_state_dict(load_file(folder / "fashion_net_two_fc.safetensors"))
    return Classifier(module, input_size=28, channels=1)
