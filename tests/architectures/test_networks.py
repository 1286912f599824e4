"""Do the networks have the shapes, sizes and layer names that their sources give?"""

import pytest
import torch
from torch import nn

from convsight import architectures
from convsight.architectures import VGG, FastNet, LessonNet, LessonOne, LessonTwo, Positions
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import InputError

SMALL = ["fast", "fast-wide", "lesson", "lesson-1", "lesson-2"]


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_lessons_net_flattens_28_pixels_to_32_times_12_times_12():
    net = LessonNet(20)
    assert net.fc1.in_features == 32 * 12 * 12
    assert net(torch.rand(3, 1, 28, 28)).shape == (3, 20)


def test_the_lessons_net_never_scores_below_zero_unless_told_to():
    pictures = torch.randn(50, 1, 28, 28)
    assert LessonNet(10)(pictures).min() == 0
    assert LessonNet(10, relu_scores=False)(pictures).min() < 0


def test_udacitys_trained_weights_load_into_the_lessons_solutions(shared_models):
    from safetensors.torch import load_file

    for file, net in (("fashion_net_one_fc", LessonOne(10)), ("fashion_net_two_fc", LessonTwo(10))):
        loaded = net.load_state_dict(load_file(shared_models / f"{file}.safetensors"))
        assert not loaded.missing_keys and not loaded.unexpected_keys


def test_the_solutions_have_udacitys_layer_names_and_parameter_counts():
    assert {n for n, _ in LessonOne(10).named_parameters()} == {
        f"{layer}.{part}" for layer in ("conv1", "conv2", "fc1") for part in ("weight", "bias")
    }
    assert parameters(LessonOne(10)) == (10 * 9 + 10) + (20 * 90 + 20) + (500 * 10 + 10)
    assert parameters(LessonTwo(10)) == (10 * 9 + 10) + (20 * 90 + 20) + (500 * 50 + 50) + (50 * 10 + 10)
    assert LessonTwo(10).drop.p == 0.4


def test_vgg16_has_138357544_parameters():
    with torch.device("meta"):
        assert parameters(VGG()) == 138_357_544


def test_vgg16s_layers_are_numbered_as_in_torchvision():
    with torch.device("meta"):
        names = [name for name, _ in VGG().named_parameters() if name.endswith("weight")]
    features = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]  # torchvision.models.vgg16
    assert names == [f"features.{i}.weight" for i in features] + [f"classifier.{i}.weight" for i in (0, 3, 6)]


def test_every_vgg_has_torchvisions_names_and_shapes():
    torchvision = import_torchvision()
    with torch.device("meta"):
        for depth in (11, 13, 16, 19):
            for suffix in ("", "_bn"):
                ours = VGG(depth=depth, batch_norm=bool(suffix)).state_dict()
                theirs = getattr(torchvision.models, f"vgg{depth}{suffix}")(init_weights=False).state_dict()
                assert [(n, t.shape) for n, t in ours.items()] == [(n, t.shape) for n, t in theirs.items()]


def test_vgg16_halves_the_picture_at_each_of_its_five_stages():
    with torch.device("meta"):
        net, x = VGG(), torch.empty(1, 3, 224, 224)
        shapes = []
        for layer in net.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                shapes.append(tuple(x.shape[1:]))
        assert shapes == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
        assert net(torch.empty(1, 3, 224, 224)).shape == (1, 1000)


def test_vgg_says_what_to_do_with_pictures_that_are_too_small():
    with pytest.raises(InputError, match="32 pixels a side, got 28×28"):
        architectures.build("vgg11", 10)


def test_the_fast_net_is_small():
    assert parameters(FastNet(10)) < 300_000


def test_the_fast_net_adds_its_residual():
    stage = FastNet(10).stages[0].eval()
    nn.init.zeros_(stage.conv2.weight)
    x = torch.randn(2, stage.conv1.in_channels, 8, 8)
    expected = torch.relu(stage.norm1(nn.functional.max_pool2d(stage.conv1(x), 2)))
    torch.testing.assert_close(stage(x), expected)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("channels", "size"), [(1, (28, 28)), (3, (32, 32)), (3, (64, 64)), (3, (48, 30))])
def test_every_small_net_takes_grey_and_colour_of_any_size(name, channels, size):
    for task in ("classify", "locate"):
        net = architectures.build(name, 4, channels, size, task=task)
        assert net(torch.rand(2, channels, *size)).shape == (2, 4)


@pytest.mark.parametrize("name", SMALL)
def test_a_net_that_locates_tells_left_from_right(name):
    torch.manual_seed(0)
    net = architectures.build(name, 2, size=(48, 48), task="locate").eval()
    left = torch.zeros(1, 1, 48, 48)
    left[:, :, 20:28, 8:16] = 1
    moved = left.roll(
        16, 3
    )  # a whole number of cells of the last feature map: pooling over place cannot see it
    assert (net(left) - net(moved)).abs().max() > 1e-3


def test_wrong_names_and_knobs_are_answered_with_right_ones():
    with pytest.raises(InputError, match="no network 'lesson2'; did you mean lesson-2"):
        architectures.build("lesson2", 10)
    with pytest.raises(InputError, match="no knob 'width'; did you mean widths"):
        architectures.build("fast", 10, width=3)
    with pytest.raises(InputError, match="too small"):
        architectures.build("lesson-1", 10, size=(8, 8))


def test_every_network_that_is_listed_can_be_built():
    with torch.device("meta"):
        for name, summary in architectures.available().items():
            assert architectures.build(name, 10, 3, (64, 64)) is not None
            assert 10 < len(summary) < 100


def test_positions_come_out_in_pixels_and_are_learned_in_units_of_their_spread():
    truth = torch.tensor([[10.0, 20.0], [30.0, 28.0]])
    net = Positions(nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), 2)
    net.measure(truth)
    torch.testing.assert_close(net.scaled(truth), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    x = torch.randn(5, 1, 3, 3)
    torch.testing.assert_close(net.scaled(net(x)), net.network(x))
