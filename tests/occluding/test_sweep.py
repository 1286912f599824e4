"""The full map equals the dense one, position by position, on the networks people have."""

import pytest
import torch
import torch.nn.functional as F
from tests.occluding.networks import shared_module, smooth, with_real_statistics
from torch import nn

import convsight as cs
from convsight.accelerate.processor import wide_registers
from convsight.architectures.lesson import LessonTwo
from convsight.bring.torchvision_shim import import_torchvision
from convsight.occluding import cost
from convsight.occluding import sweep as sweeps
from convsight.occluding.answers import Reading
from convsight.occluding.occluders import Occluders
from convsight.occluding.sweep import sweep


@pytest.fixture(autouse=True)
def windows_always(monkeypatch):
    """Take windows, and compiled kernels, also where so few positions would be quickest run whole."""
    monkeypatch.setattr(sweeps, "worthwhile", lambda *_: True)
    monkeypatch.setattr(sweeps, "TRACED", -sweeps.CHECKED)
    monkeypatch.setattr(cost, "LARGE", 0)  # compiled kernels too, where mode "auto" can have them


def check(net, patch, stride, mode="exact", pictures=1):
    pixels = smooth(pictures, net.channels, net.input_size)
    fill = torch.full_like(pixels, 0.5)
    occluders = Occluders.sliding(net.input_size, (patch, patch), (stride, stride))
    maps = net.layers.maps()
    readings = [
        Reading(maps[0].name, torch.arange(pictures) % maps[0].channels),
        Reading(maps[-1].name, torch.arange(pictures) % maps[-1].channels, "max"),
    ]
    got = sweep(net, pixels, fill, occluders, readings, mode)
    assert "Only changed regions" in got.notes[0], got.notes
    assert ("Compiled kernels" in got.notes[0]) == (mode == "auto" and wide_registers())
    wanted = sweep(net, pixels, fill, occluders, readings, "dense")
    largest = (wanted.logits - wanted.clean_logits[:, None]).abs().max()
    assert (got.logits - wanted.logits).abs().max() < 1e-4 * largest
    for mine, theirs, clean in zip(got.readings, wanted.readings, wanted.clean_readings, strict=True):
        effect = (theirs - clean[:, None]).abs().max()
        assert (mine - theirs).abs().max() <= 1e-4 * effect + 1e-5 * theirs.abs().max()
    torch.testing.assert_close(got.clean_logits, wanted.clean_logits, rtol=1e-4, atol=1e-4)
    return got


def test_the_lessons_net():
    torch.manual_seed(0)
    check(cs.Classifier(LessonTwo(10), input_size=28, channels=1), 4, 2, pictures=5)


def test_pictures_in_several_groups_and_a_rest(monkeypatch):
    monkeypatch.setattr(sweeps, "chunk_size", lambda shape: 350)  # two pictures of 169 positions
    torch.manual_seed(0)
    check(cs.Classifier(LessonTwo(10), input_size=28, channels=1), 4, 2, pictures=5)


@pytest.mark.parametrize("mode", ["exact", "auto"])
def test_resnet20_of_cifar(shared_models, mode):
    cifar = shared_module(shared_models, "cifar_resnet")
    module = cifar.load(shared_models / "cifar10_resnet20.safetensors")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    check(cs.Classifier(module, input_size=32, mean=mean, std=std), 4, 7, mode, pictures=2)


@pytest.mark.parametrize("mode", ["exact", "auto"])
def test_mobilenet_with_asymmetric_padding(shared_models, mode):
    mobilenet = shared_module(shared_models, "mobilenet_v2")
    module = mobilenet.load(shared_models / "mobilenet_v2_imagenet.safetensors")
    check(cs.Classifier(module, input_size=(160, 150), mean=0.5, std=0.5), 16, 33, mode)


def vgg16(models):
    """VGG-16 with one small linear layer in place of its three large ones."""
    layers = models.vgg.make_layers(models.vgg.cfgs["D"])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 20))


TORCHVISION = {
    "vgg16": (48, vgg16),
    "resnet18": (97, lambda models: models.resnet18(num_classes=20)),
    "squeezenet": (79, lambda models: models.squeezenet1_1(num_classes=20)),
    "googlenet": (96, lambda models: models.googlenet(num_classes=20, init_weights=False, aux_logits=False)),
    "densenet": (70, lambda models: models.densenet121(num_classes=20)),
}


@pytest.mark.parametrize(
    ("name", "mode"), [*((name, "exact") for name in TORCHVISION), ("vgg16", "auto"), ("resnet18", "auto")]
)
def test_torchvisions_networks(name, mode):
    size, make = TORCHVISION[name]
    torch.manual_seed(0)
    module = with_real_statistics(make(import_torchvision().models), 3, (size, size))
    net = cs.Classifier(module, input_size=size, mean=0.5, std=0.5)
    # Compiled kernels round more, differently on each processor; a small patch moves the scores of a deep network with
    # random weights by a twentieth, and the self-check would leave them out on some.
    check(net, 24 if mode == "auto" else 9, 25, mode)


def test_a_convnext_block_keeps_its_windows_through_permutations():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.wide = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
            self.scale, self.head = nn.Parameter(torch.rand(8, 1, 1)), nn.Linear(8, 3)

        def forward(self, x):
            x = self.stem(x)
            y = self.norm(self.wide(x).permute(0, 2, 3, 1))
            y = self.down(F.gelu(self.up(y))).permute(0, 3, 1, 2)
            return self.head((x + self.scale * y).mean((2, 3)))

    net = cs.Classifier(Block(), input_size=48)
    assert "1 of 5 weighted layers change as a whole, from head" in check(net, 6, 9).notes[0]


def test_masks_are_answered_like_masked_pictures():
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4), input_size=28, channels=1)
    masks = smooth(30, 1, (28, 28), seed=4)[:, 0] > 0.62
    pixels, fill = smooth(2, 1, (28, 28)), smooth(2, 1, (28, 28), seed=5)
    occluders = Occluders.of_masks(masks[masks.flatten(1).any(1)])
    got, wanted = (sweep(net, pixels, fill, occluders, (), mode) for mode in ("exact", "dense"))
    torch.testing.assert_close(got.logits, wanted.logits, rtol=0, atol=1e-5)


def test_a_network_that_decides_as_it_goes_is_run_whole():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(64, 3), nn.Linear(64, 3)

        def forward(self, x):
            flat = x.flatten(1)
            return torch.where(flat.mean(1, keepdim=True) > 0.5, self.a(flat), self.b(flat)) * float(
                flat.sum()
            )

    net = cs.Classifier(Moody(), input_size=8, channels=1)
    occluders = Occluders.sliding((8, 8), (2, 2), (1, 1))
    got = sweep(net, torch.rand(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), occluders)
    assert got.notes == ("The network has no fixed program: every position was run whole.",)


def test_a_wrong_rule_is_found_by_the_self_check(monkeypatch):
    from convsight.occluding.rules.geometry import KernelAxis

    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4), input_size=28, channels=1)
    right = KernelAxis.reads
    monkeypatch.setattr(KernelAxis, "reads", lambda self, span: right(self, span) + 1)
    pixels = smooth(1, 1, (28, 28))
    occluders = Occluders.sliding((28, 28), (4, 4), (4, 4))
    got = sweep(net, pixels, torch.zeros_like(pixels), occluders)
    assert "self-check was off" in got.notes[0]
    wanted = sweep(net, pixels, torch.zeros_like(pixels), occluders, mode="dense")
    torch.testing.assert_close(got.logits, wanted.logits)


def test_an_operation_that_fails_on_windows_is_run_whole(monkeypatch):
    from convsight.occluding.engine import Engine

    def fail(self, places):
        raise RuntimeError("no such layout")

    monkeypatch.setattr(Engine, "answers", fail)
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4), input_size=28, channels=1)
    pixels = smooth(1, 1, (28, 28))
    occluders = Occluders.sliding((28, 28), (4, 4), (4, 4))
    got = sweep(net, pixels, torch.zeros_like(pixels), occluders)
    assert "no such layout" in got.notes[0]
    assert got.logits.isfinite().all() and got.clean_logits.isfinite().all()


def test_an_edited_network_is_answered_as_edited():
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4), input_size=28, channels=1)
    pixels = smooth(1, 1, (28, 28))
    occluders = Occluders.sliding((28, 28), (4, 4), (4, 4))
    with net.edit({"conv2": lambda t: t * 0.2}):
        got = sweep(net, pixels, torch.zeros_like(pixels), occluders)
        wanted = sweep(net, pixels, torch.zeros_like(pixels), occluders, mode="dense")
    torch.testing.assert_close(got.logits, wanted.logits)


def test_an_edit_is_forgotten_with_its_block():
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4), input_size=28, channels=1)
    pixels = smooth(1, 1, (28, 28))
    occluders = Occluders.sliding((28, 28), (4, 4), (4, 4))
    with net.edit({"conv2": lambda t: t * 0.2}):
        edited = sweep(net, pixels, torch.zeros_like(pixels), occluders)
    got = sweep(net, pixels, torch.zeros_like(pixels), occluders)
    wanted = sweep(net, pixels, torch.zeros_like(pixels), occluders, mode="dense")
    assert "Only changed regions" in got.notes[0]
    assert not torch.allclose(edited.logits, got.logits, rtol=0, atol=1e-3)
    torch.testing.assert_close(got.logits, wanted.logits, rtol=0, atol=1e-5)


def test_half_precision_is_run_whole():
    net = cs.Classifier(LessonTwo(4).to(torch.bfloat16), input_size=28, channels=1)
    pixels = smooth(1, 1, (28, 28))
    got = sweep(net, pixels, torch.zeros_like(pixels), Occluders.sliding((28, 28), (4, 4), (4, 4)))
    assert "bfloat16" in got.notes[0]


def test_changed_weights_are_noticed():
    torch.manual_seed(0)
    net = cs.Classifier(LessonTwo(4), input_size=28, channels=1)
    pixels = smooth(1, 1, (28, 28))
    occluders = Occluders.sliding((28, 28), (4, 4), (4, 4))
    for mode in ("exact", "auto"):
        sweep(net, pixels, torch.zeros_like(pixels), occluders, mode=mode)
    with torch.no_grad():
        net.module.conv1.weight += 0.3
    for mode in ("exact", "auto"):
        got = sweep(net, pixels, torch.zeros_like(pixels), occluders, mode=mode)
        wanted = sweep(net, pixels, torch.zeros_like(pixels), occluders, mode="dense")
        assert "Only changed regions" in got.notes[0]
        torch.testing.assert_close(got.logits, wanted.logits, rtol=0, atol=1e-4)


class Squeeze(nn.Module):
    """Every place is scaled by the mean over all places: any patch changes everything."""

    def __init__(self):
        super().__init__()
        self.stem, self.body, self.head = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 64, 3), nn.Linear(64, 3)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = self.body(x * x.mean((2, 3), keepdim=True))
        return self.head(x.mean((2, 3)))


def test_where_windows_would_not_pay_the_network_is_run_whole(monkeypatch):
    monkeypatch.undo()
    net = cs.Classifier(Squeeze(), input_size=24, channels=1)
    pixels = smooth(1, 1, (24, 24))
    got = sweep(net, pixels, torch.zeros_like(pixels), Occluders.sliding((24, 24), (4, 4), (2, 2)))
    assert got.notes == ("A patch changes nearly everything in this network: every position was run whole.",)


@pytest.mark.parametrize("bit", [0, 22, 31])
@pytest.mark.parametrize("name", ["conv1.bias", "fc1.weight"])
def test_one_bit_of_one_weight_is_another_network(name, bit):
    """Also if PyTorch's version counter does not see it, and its sum stays: the sign of zero, or two that swap."""
    net = cs.Classifier(LessonTwo(3).eval(), input_size=28, channels=1)
    weight = net.module.get_parameter(name).data.view(-1)
    weight[3] = 0.0
    before, version = net.weights_hash, net.module.get_parameter(name)._version
    weight.view(torch.int32)[3] ^= -(2**31) if bit == 31 else 1 << bit
    assert net.weights_hash != before
    weight[3] = 0.0
    assert net.weights_hash == before
    weight[[0, 1]] = weight[[1, 0]]
    assert net.weights_hash != before and net.module.get_parameter(name)._version == version
