"""Does DeepDream climb ½‖a‖², at any size, and carry its detail from octave to octave?"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convsight.bring import load
from convsight.errors import InputError
from convsight.images import Images
from convsight.methods.deepdream import Deepdream, default_layer, half_square, resized
from convsight.network.classifier import Classifier
from convsight.progress import listening


@pytest.fixture
def net() -> Classifier:
    """Its head insists on 16×16 pictures; the layers before it take any size."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.Tanh()]
    return Classifier(nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 4 * 4, 3)), input_size=16)


@pytest.fixture
def fashion_two_fc(shared_models) -> Classifier:
    return load("lesson-2", weights=shared_models / "fashion_net_two_fc.safetensors")


@pytest.fixture
def photo() -> Images:
    return Images(torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0)))


def test_the_objective_is_half_the_squared_length_with_its_gradient(net: Classifier):
    pixels = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)).requires_grad_()
    energy, units = half_square(net, "3", pixels)
    with torch.no_grad(), net.record("3") as seen:
        net.forward(pixels)
    assert float(energy.detach()) == pytest.approx(0.5 * float(seen["3"].norm()) ** 2, rel=1e-5)
    assert units == 8 * 4 * 4
    gradient = torch.autograd.grad(energy.sum(), pixels)[0]
    direction = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        ahead, behind = (float(half_square(net, "3", pixels + e * direction)[0]) for e in (1e-3, -1e-3))
    assert float((gradient * direction).sum()) == pytest.approx((ahead - behind) / 2e-3, rel=1e-2)


def test_a_single_step_is_the_gradient_over_its_mean_size(net: Classifier):
    picture = torch.full((1, 3, 16, 16), 0.5)
    stepped = Deepdream(octaves=1, steps=1, jitter=0, lr=0.01)(net, picture, "3").images
    pixels = picture.clone().requires_grad_()
    gradient = torch.autograd.grad(half_square(net, "3", pixels)[0].sum(), pixels)[0]
    expected = (picture + 0.01 * gradient / gradient.abs().mean()).clamp(0, 1)
    assert torch.allclose(stepped, expected, atol=1e-6)


def test_the_objective_grows_within_an_octave_and_overall(net: Classifier, photo: Images):
    result = Deepdream(octaves=2, steps=8, jitter=0, lr=0.002)(net, photo, "4")
    for series in result.parts[1].series:
        first, second = torch.tensor(series.y).split(8)
        assert bool((first.diff() > 0).all())
        assert bool((second.diff() > 0).all())
    assert bool((result.values > 1.1).all())


def test_values_are_the_gain_of_the_whole_pictures(net: Classifier, photo: Images):
    result = Deepdream(steps=3)(net, photo, "3")
    with torch.no_grad():
        before, after = half_square(net, "3", photo.pixels)[0], half_square(net, "3", result.images)[0]
    assert torch.allclose(result.values, after / before, rtol=1e-4)


def test_each_random_roll_is_rolled_back(net: Classifier, photo: Images):
    result = Deepdream(octaves=1, steps=6, jitter=5, lr=1e-5)(net, photo, "3")
    assert (result.images - photo.pixels).abs().mean() < 1e-4
    rolled = Deepdream(octaves=1, steps=6, jitter=5)(net, photo, "3").images
    still = Deepdream(octaves=1, steps=6, jitter=0)(net, photo, "3").images
    assert not torch.equal(rolled, still)


def test_detail_is_carried_to_the_next_octave(net: Classifier, photo: Images):
    two = Deepdream(octaves=2, octave_scale=2.0, steps=4, jitter=0)(net, photo, "3")
    small = Images(resized(photo.pixels, (20, 28)).clamp(0, 1))
    dreamt = Deepdream(octaves=1, steps=4, jitter=0)(net, small, "3").images
    carried = (photo.pixels + resized(dreamt - small.pixels, (40, 56))).clamp(0, 1)
    stages = two.parts[0].images.unflatten(0, (2, 3))
    assert torch.allclose(stages[:, 1], carried, atol=1e-5)
    again = Deepdream(octaves=1, steps=4, jitter=0)(net, Images(carried), "3").images
    assert torch.allclose(stages[:, 2], again, atol=1e-3)
    assert torch.equal(stages[:, 2], two.images)


def test_pictures_keep_their_own_size_even_where_the_head_does_not_take_it(net: Classifier, photo: Images):
    result = Deepdream(octaves=3, steps=1)(net, photo)
    assert result.images.shape == photo.pixels.shape
    assert Deepdream(octaves=1, steps=1, longest_px=28)(net, photo).images.shape == (2, 3, 20, 28)


def test_layers_that_insist_on_a_size_get_it_and_a_note_says_so():
    insisting = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 64, 64), nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 2, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(72, 2),
    )  # fmt: skip
    net = Classifier(insisting, input_size=8)
    result = Deepdream(steps=1)(net, torch.rand(1, 3, 20, 20), "3")
    assert result.images.shape == (1, 3, 8, 8)
    assert "takes only 8×8 pictures" in " ".join(result.notes)
    assert "1 of 4 octaves" in " ".join(result.notes)


def test_a_batch_dreams_as_one_by_one_and_by_its_seed(net: Classifier, photo: Images):
    method = Deepdream(octaves=2, steps=3, seed=5)
    both = method(net, photo).images
    assert torch.allclose(both, torch.cat([method(net, photo[i]).images for i in range(2)]), atol=1e-4)
    assert torch.equal(both, method(net, photo).images)
    assert not torch.equal(both, Deepdream(octaves=2, steps=3, seed=6)(net, photo).images)


def test_the_default_layer_is_the_last_activation_of_the_middle_resolution(net: Classifier, fashion_two_fc):
    assert default_layer(net) == "4"
    assert default_layer(fashion_two_fc) == "relu#2"


def test_grey_pictures_dream_too_and_progress_is_told(fashion_two_fc):
    heard = []
    with listening(heard.append):
        result = Deepdream(steps=2)(fashion_two_fc, torch.rand(1, 1, 28, 28))
    assert result.images.shape == (1, 1, 28, 28)
    assert 0 <= float(result.images.min()) < float(result.images.max()) <= 1
    assert heard[-1].fraction == 1
    assert heard[0].picture.shape[0] == 1


def test_wrong_or_silent_layers_are_refused_with_what_would_work(net: Classifier, photo: Images):
    with pytest.raises(InputError, match="these have: 0, 1, 2, 3, 4"):
        Deepdream()(net, photo, "6")
    with pytest.raises(InputError, match="no layer 'conv'"):
        Deepdream()(net, photo, "conv")
    with torch.no_grad():
        net.module[0].bias.fill_(-100)
    with pytest.raises(InputError, match="'1' is silent on picture 0"):
        Deepdream(steps=1)(net, photo, "1")
