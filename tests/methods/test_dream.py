"""Does a dream reach the optimum where it is known, and raise its target far above any other picture?"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsight.bring import load
from convsight.datasets import dataset
from convsight.errors import InputError, ModelError
from convsight.methods.dream import Dream
from convsight.network.classifier import Classifier
from convsight.progress import listening

STILL = {"jitter": 0.0, "turn": 0.0, "zoom": 0.0}


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


@pytest.fixture
def linear_net() -> tuple[Classifier, torch.Tensor]:
    """One filter as large as the picture: the best picture is white where it is positive, black elsewhere."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 12), indexing="ij")
    pattern = torch.sin(4 * x + 2 * y) * torch.exp(-(x**2) - y**2)
    conv = nn.Conv2d(1, 2, 12)
    with torch.no_grad():
        conv.weight.copy_(torch.stack([pattern, -pattern])[:, None])
    return Classifier(nn.Sequential(conv, nn.Flatten()), input_size=12, channels=1), pattern


@pytest.fixture
def fashion_two_fc(shared_models) -> Classifier:
    return load("lesson-2", weights=shared_models / "fashion_net_two_fc.safetensors")


@pytest.fixture
def colour_net() -> Classifier:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()]
    return Classifier(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)), input_size=16
    )


@pytest.mark.parametrize(("target", "sign"), [(0, 1.0), (1, -1.0), (("0", 1), -1.0)])
def test_the_dream_of_a_linear_filter_is_its_sign_picture(linear_net, target, sign: float):
    net, pattern = linear_net
    image = Dream(steps=150, **STILL)(net, target).images[0, 0]
    best = (sign * pattern > 0).float()
    assert correlation(image, best) > 0.9
    assert ((image > 0.5) == (best > 0.5))[pattern.abs() > 0.05].float().mean() > 0.95


def test_the_score_nears_the_largest_that_any_picture_has(linear_net):
    net, pattern = linear_net
    best = float(pattern.clamp(min=0).sum() + net.module[0].bias[0].detach())
    assert 0.95 * best < float(Dream(steps=400, **STILL)(net, 0).values[0]) < best


def test_a_class_is_raised_above_noise_and_above_every_picture_of_the_data(
    fashion_two_fc, shared_data, monkeypatch
):
    monkeypatch.setenv("CONVSIGHT_DATA", str(shared_data))
    data = dataset("fashion-mnist")
    noise = torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    seen = fashion_two_fc.scores(data.test[:2000])
    result = Dream(steps=96)(fashion_two_fc, [7, 8])
    for row, k in enumerate((7, 8)):
        reached = float(result.values[row])
        assert reached > 1.2 * float(seen[:, k].max())
        assert reached > 3 * float(fashion_two_fc.scores(noise)[:, k].max())
    assert torch.allclose(fashion_two_fc.scores(result.images)[[0, 1], [7, 8]], result.values, atol=1e-4)


def test_channel_neuron_and_unit_raise_what_they_say(colour_net: Classifier):
    def of(images: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), colour_net.record("2") as seen:
            colour_net.forward(images)
        return seen["2"][:, 5]

    channel = Dream(steps=20)(colour_net, ("2", 5))
    neuron = Dream(steps=20, objective="neuron")(colour_net, ("2", 5))
    unit = Dream(steps=20)(colour_net, ("2", 5, 3, 4))
    assert torch.allclose(channel.values, of(channel.images).mean((1, 2)), atol=1e-5)
    assert torch.allclose(neuron.values, of(neuron.images)[:, 8, 8], atol=1e-5)
    assert torch.allclose(unit.values, of(unit.images)[:, 3, 4], atol=1e-5)
    assert of(neuron.images)[0, 8, 8] > of(unit.images)[0, 8, 8]


def test_a_channel_that_grey_noise_leaves_silent_is_woken():
    """Its bias keeps the rectifier shut on grey; only strong upright stripes open it."""
    conv = nn.Conv2d(1, 1, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[-1.0, 2.0, -1.0]]).expand(1, 1, 3, 3))
        conv.bias.fill_(-2.0)
    net = Classifier(
        nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(100, 2)), input_size=12, channels=1
    )
    for objective in ("channel", "neuron"):
        woken = Dream(steps=60, objective=objective)(net, ("1", 0))
        assert float(woken.values[0]) > 0.02
        assert "never fired" not in " ".join(woken.notes)
    with torch.no_grad():
        conv.bias.fill_(-100.0)
    shut = Dream(steps=3)(net, ("1", 0))
    assert float(shut.values[0]) == 0
    assert "never fired" in " ".join(shut.notes)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_dream(colour_net: Classifier):
    first, again = (Dream(steps=8, seed=3)(colour_net, 1).images for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, Dream(steps=8, seed=4)(colour_net, 1).images)


def test_a_list_of_targets_dreams_each_as_if_alone(colour_net: Classifier):
    both = Dream(steps=6)(colour_net, [2, ("2", 1)])
    alone = [Dream(steps=6)(colour_net, t).images for t in (2, ("2", 1))]
    assert torch.equal(both.images, torch.cat(alone))
    assert both.captions[0].startswith("2: ")


def test_diversity_drives_the_textures_of_variants_apart():
    """Channel 0 likes stripes of either direction, 1 and 2 each one: the dreams may differ, or not."""
    stripes = torch.tensor([[-1.0, 2.0, -1.0]]).expand(3, 3)
    conv, mix = nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(2, 3, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.stack([stripes, stripes.T])[:, None])
        mix.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])[:, :, None, None])
    net = Classifier(
        nn.Sequential(conv, nn.ReLU(), mix, nn.Flatten(), nn.Linear(588, 2)), input_size=16, channels=1
    )

    def alike(diversity: float) -> float:
        images = Dream(steps=80, variants=3, diversity=diversity)(net, ("2", 0)).images
        assert images.shape == (3, 1, 16, 16)
        with torch.no_grad(), net.record("2", stop=True) as seen:
            net.forward(images)
        flat = seen["2"].flatten(2)
        textures = torch.nn.functional.normalize((flat @ flat.transpose(1, 2)).flatten(1), dim=1)
        cosines = textures @ textures.T
        return float((cosines[0, 1] + cosines[0, 2] + cosines[1, 2]) / 3)

    assert alike(3.0) < alike(0.0) - 0.02


def test_a_layer_dream_may_have_another_size_than_the_network(linear_net):
    net, _ = linear_net
    assert Dream(steps=3, size=20)(net, ("0", 0)).images.shape == (1, 1, 20, 20)


def test_growth_is_kept_and_reported_with_pictures(colour_net: Classifier):
    heard = []
    with listening(heard.append):
        result = Dream(steps=50)(colour_net, [0, 1])
    grown = result.parts[0]
    assert torch.equal(grown.images[5], result.images[0])
    assert len(grown.images) == 2 * 6
    assert [s.fraction for s in heard] == sorted(s.fraction for s in heard)
    assert heard[-1].fraction == 1
    assert torch.equal(heard[-1].picture, result.images[1])


def test_unusable_targets_say_what_would_work(colour_net: Classifier):
    for target in (None, []):
        with pytest.raises(InputError, match="needs a target"):
            Dream()(colour_net, target)
    with pytest.raises(InputError, match="no output 9"):
        Dream()(colour_net, 9)
    with pytest.raises(InputError, match="no channel 99"):
        Dream()(colour_net, ("2", 99))


def test_a_score_that_is_no_number_is_an_error(linear_net):
    net, _ = linear_net
    with torch.no_grad():
        net.module[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="nan"):
        Dream(steps=2)(net, 0)
