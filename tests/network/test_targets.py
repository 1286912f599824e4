"""Everything a user may write for `target`, and what the answer is when it cannot be meant."""

import numpy as np
import pytest
import torch
from torch import nn

from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.network.targets import Target, resolve_target


@pytest.fixture
def net():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 4))
    return Classifier(module, ["cat", "crane", "crane", "7"], input_size=6, channels=1)


@pytest.fixture
def images():
    return Images(torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    "target",
    ["cat", 0, "0", np.int64(0), torch.tensor(0), [0, "cat", 0], np.zeros(3, int), torch.zeros(3).long()],
)
def test_a_class_is_meant_by_name_number_or_one_a_picture(net, images, target):
    aim = net.target(target, images)
    assert aim.outputs.tolist() == [0, 0, 0]
    assert aim.labels == ("cat",) * 3
    assert torch.allclose(aim.score(net, images.pixels), net.scores(images)[:, 0])


def test_no_target_is_each_pictures_predicted_class(net, images):
    assert torch.equal(net.target(None, images).outputs, net.predict(images))
    with pytest.raises(InputError, match="a target is needed here"):
        resolve_target(net, None, 3)


def test_a_name_wins_over_the_number_it_looks_like(net, images):
    assert net.target("7", images).outputs.tolist() == [3, 3, 3]


@pytest.mark.parametrize("target", [("0", 2), "0:2", ("0", np.int64(2))])
def test_a_channel_is_its_largest_value(net, images, target):
    aim = net.target(target, images)
    with torch.no_grad(), net.record("0") as seen:
        net.forward(images.pixels)
    assert torch.equal(aim.score(net, images.pixels), seen["0"][:, 2].amax((1, 2)))
    assert (aim.layer, aim.channel, aim.cell) == ("0", 2, None)


@pytest.mark.parametrize("target", [("0", 2, 1, 3), "0:2:1:3"])
def test_a_unit_is_its_own_value_before_the_in_place_relu(net, images, target):
    aim = net.target(target, images)
    expected = net.module[0](images.pixels)[:, 2, 1, 3].detach()
    assert torch.allclose(aim.score(net, images.pixels), expected, atol=1e-6)
    assert aim.labels[0] == "0, channel 2 at (1, 3)"


@pytest.mark.parametrize("target", [("3", 1), "3:1"])
def test_a_unit_of_a_vector_needs_no_place(net, images, target):
    assert torch.equal(net.target(target, images).score(net, images.pixels), net.forward(images.pixels)[:, 1])


def test_a_score_is_differentiable_and_of_equal_maxima_one_counts(net, images):
    pixels = torch.zeros(1, 1, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(net.target(("0", 1), images[0]).score(net, pixels), pixels)
    assert int((gradient != 0).sum()) == 9  # the filter once, not shared among sixteen equal places


def test_a_part_of_a_target_is_the_target_of_those_pictures(net, images):
    aim = net.target([0, 1, 3], images)[1:]
    assert (aim.outputs.tolist(), aim.labels) == ([1, 3], ("crane", "7"))
    assert isinstance(net.target(aim, images[1:]), Target)


@pytest.mark.parametrize(
    "target, message",
    [
        ("dog", "no class 'dog'"),
        ("cats", "did you mean cat"),
        ("crane", r"2 classes are called 'crane': give one of the indices \[1, 2\]"),
        (4, "no output 4; this network has outputs 0 to 3"),
        (-1, "no output -1"),
        ([0, 1], "2 targets given for 3 pictures"),
        (1.5, "cannot use 1.5 as a target"),
        (True, "cannot use True as a target"),
        (("0", 4), "no channel 4 in '0'; it has channels 0 to 3"),
        (("conv", 0), "no layer 'conv'"),
        (("0", 0, 4, 0), "no unit at y 4, x 0 in '0'; its maps are 4×4"),
        (("0", 0, 1), r"is no unit of '0', whose output is 4×4×4"),
        (("3", 0, 1, 1), r"is no unit of '3', whose output is 4;"),
    ],
)
def test_what_cannot_be_meant_is_answered_with_what_would_work(net, images, target, message):
    with pytest.raises(InputError, match=message):
        net.target(target, images)


def test_one_of_several_names_of_a_class_is_enough() -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    names = ["tabby, tabby cat", "crane, bird", "crane, machine"]
    net = Classifier(module, names, input_size=4, channels=1)
    aim = resolve_target(net, "tabby cat", 2)
    assert aim.outputs is not None and aim.outputs.tolist() == [0, 0] and aim.labels == ("tabby", "tabby")
    with pytest.raises(InputError, match=r"indices \[1, 2\]"):
        resolve_target(net, "crane", 1)
