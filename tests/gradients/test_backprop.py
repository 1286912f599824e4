"""What flows back through a whole network: against numpy by hand, zennit, captum and finite differences."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.oracles.lesson_numpy import NumpyNet
from tests.oracles.small_nets import (
    Clamped,
    Functional,
    InPlace,
    Modules,
    OneConv,
    Reused,
    modules_net,
    pictures,
)
from torch import nn

from convsight.architectures.lesson import LessonOne, LessonTwo
from convsight.errors import InputError, ModelError
from convsight.gradients.backprop import RULES, backpropagate, weighted_gradient
from convsight.network.classifier import Classifier


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


RULE_NAMES = [rule for rule in RULES if rule != "gradient"]


def classifier(module, size=12, channels=1, **given):
    return Classifier(module, input_size=size, channels=channels, **given)


def lesson(network=LessonTwo):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return network(10).double().eval()


def as_numpy(module):
    return NumpyNet({name: value.numpy() for name, value in module.state_dict().items()})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("network", [LessonOne, LessonTwo])
def test_the_lessons_nets_agree_with_the_passes_written_out_in_numpy(network, rule):
    module = lesson(network)
    net, by_hand = classifier(module, 28), as_numpy(module)
    pixels = pictures(3, size=28).double()
    signal = backpropagate(net, net.target([0, 4, 9], pixels), pixels, rule)
    for i, output in enumerate([0, 4, 9]):
        scores = by_hand.forward(pixels[i].numpy())
        assert signal.scores[i].item() == pytest.approx(scores[output], abs=1e-6)
        np.testing.assert_allclose(
            signal.pixels[i].numpy(), by_hand.backward(rule, output), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("rule", RULES)
def test_a_units_picture_agrees_with_the_passes_written_out_in_numpy(rule):
    module = lesson()
    net, by_hand = classifier(module, 28), as_numpy(module)
    pixels = pictures(2, size=28).double()
    seeded = rule == "deconvnet"
    signal = backpropagate(net, net.target(("conv2", 7), pixels), pixels, rule, seed_with_value=seeded)
    for i in range(2):
        by_hand.forward(pixels[i].numpy())
        np.testing.assert_allclose(
            signal.pixels[i].numpy(), by_hand.backward_unit(rule, 7), rtol=0, atol=1e-7
        )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("style", [Functional, Reused, InPlace, Clamped])
def test_the_style_of_a_network_does_not_change_its_picture(style, rule):
    pixels = pictures(3)
    plain, other = classifier(modules_net()), classifier(modules_net(style))
    aim = plain.target([0, 1, 2], pixels)
    expected = backpropagate(plain, aim, pixels, rule).pixels
    assert expected.abs().max() > 0
    assert torch.allclose(backpropagate(other, aim, pixels, rule).pixels, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_an_exported_program_gives_the_picture_of_its_network(rule):
    pixels = pictures(2)
    module = modules_net(InPlace)
    program = torch.export.export(module, (pixels,)).module(check_guards=False)
    aim = classifier(module).target([0, 2], pixels)
    expected = backpropagate(classifier(module), aim, pixels, rule).pixels
    assert torch.allclose(backpropagate(classifier(program), aim, pixels, rule).pixels, expected, atol=1e-7)


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_skips_agree_with_zennit(rule):
    zennit = import_zennit()
    composite = {"guided": zennit.composites.GuidedBackprop, "deconvnet": zennit.composites.DeconvNet}[rule]()
    module, pixels = modules_net(), pictures(4)
    net = classifier(module, std=0.5, mean=0.25)
    ours = backpropagate(net, net.target([0, 1, 2, 0], pixels), pixels, rule).pixels
    with zennit.attribution.Gradient(model=module, composite=composite) as attributor:
        _, theirs = attributor((pixels - 0.25) / 0.5, torch.eye(3)[[0, 1, 2, 0]])
    assert torch.allclose(ours * 0.5, theirs, rtol=0, atol=1e-7)


def import_zennit():
    from convsight.bring.torchvision_shim import import_torchvision

    import_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zennit.attribution
        import zennit.composites
    return zennit


def test_captum_returns_the_plain_gradient_on_the_lessons_net_and_we_do_not():
    from captum.attr import Deconvolution, GuidedBackprop

    module = lesson().float()
    net, pixels = classifier(module, 28), pictures(5, size=28)
    aim = net.target(3, pixels)
    plain = backpropagate(net, aim, pixels).pixels
    for rule, peer in (("guided", GuidedBackprop), ("deconvnet", Deconvolution)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = peer(module).attribute(pixels.clone().requires_grad_(), target=3)
        assert torch.equal(theirs, plain)
        ours = backpropagate(net, aim, pixels, rule).pixels
        assert F.cosine_similarity(ours.flatten(1), plain.flatten(1)).max() < 0.95


@pytest.mark.parametrize(
    "rule, rows",
    [
        ("guided", [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]),
        ("deconvnet", [[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]]),
    ],
)
def test_one_convolution_gives_the_tensors_that_captum_publishes(rule, rows):
    net = classifier(OneConv(), 4, std=1 / 16)  # the module sees 1 … 16, the gradient is per [0, 1] pixel
    pixels = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4) / 16
    signal = backpropagate(net, net.target(0, pixels), pixels, rule)
    assert torch.equal(signal.pixels[0, 0] / 16, torch.tensor(rows).float())


@pytest.mark.parametrize("activation", [nn.GELU(), nn.ReLU(), nn.SiLU(inplace=True)])
def test_the_gradient_agrees_with_finite_differences(activation):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(1, 3, 3), activation, nn.Flatten(), nn.Linear(48, 2)).double()
    net, pixels, step = classifier(module, 6, mean=0.2, std=0.4), pictures(1, size=6).double(), 1e-6
    got = backpropagate(net, net.target(1, pixels), pixels).pixels
    moved = step * torch.eye(36, dtype=torch.float64).reshape(36, 1, 6, 6)
    with torch.no_grad():
        up, down = (module(((pixels + s * moved) - 0.2) / 0.4)[:, 1] for s in (1, -1))
    assert torch.allclose(got.flatten(), (up - down) / (2 * step), rtol=0, atol=1e-8)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("target", [None, ("conv2", 3), ("conv1", 0, 2, 5)])
def test_a_batch_gives_what_its_pictures_give_alone(rule, target):
    net, pixels = classifier(modules_net(Functional)), pictures(7)
    aim = net.target(target, pixels)
    together = backpropagate(net, aim, pixels, rule, seed_with_value=True).pixels
    for i in range(7):
        part = slice(i, i + 1)
        alone = backpropagate(net, aim[part], pixels[part], rule, seed_with_value=True).pixels
        assert torch.allclose(alone, together[part], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("squasher", [nn.Tanh(), nn.Sigmoid(), nn.Hardtanh()])
def test_a_network_without_rectifiers_is_refused_and_its_activations_named(squasher, rule):
    net = classifier(nn.Sequential(nn.Conv2d(1, 3, 3), squasher, nn.Flatten(), nn.Linear(300, 2)))
    pixels = pictures(1)
    with pytest.raises(ModelError, match=rf"no ReLU.*{type(squasher).__name__.lower()}.*plain gradient"):
        backpropagate(net, net.target(0, pixels), pixels, rule)
    assert backpropagate(net, net.target(0, pixels), pixels).pixels.abs().max() > 0


def test_a_unit_below_every_relu_gets_the_plain_gradient_and_a_note():
    net, pixels = classifier(modules_net()), pictures(1)
    signal = backpropagate(net, net.target(("conv1", 2), pixels), pixels, "guided")
    assert torch.equal(signal.pixels, backpropagate(net, net.target(("conv1", 2), pixels), pixels).pixels)
    assert "No ReLU lies between" in signal.notes[0]


class Blocked(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.conv, self.fc, self.how = nn.Conv2d(1, 2, 3), nn.Linear(2, 2), how

    def forward(self, x):
        if self.how == "no_grad":
            with torch.no_grad():
                return self.fc(F.relu(self.conv(x)).mean((2, 3)))
        x = F.relu(self.conv(x)).mean((2, 3))
        return self.fc(x.detach())


class Overwritten(Modules):
    def forward(self, x):
        y = torch.relu(self.conv1(x))
        y += 1
        return self.fc(y.mean((2, 3)))


def test_a_network_that_overwrites_what_its_gradient_needs_is_refused_in_words():
    net, pixels = classifier(modules_net(Overwritten)), pictures(1)
    with pytest.raises(ModelError, match="in place that its own gradient needs"):
        backpropagate(net, net.target(0, pixels), pixels)


@pytest.mark.parametrize("how", ["no_grad", "detach"])
@pytest.mark.parametrize("rule", RULES)
def test_a_network_that_lets_no_gradient_through_is_refused(how, rule):
    net, pixels = classifier(Blocked(how)), pictures(2)
    with pytest.raises(ModelError, match=r"no gradient flows.*no_grad.*occlusion"):
        backpropagate(net, net.target(0, pixels), pixels, rule)


def test_an_outer_no_grad_or_inference_mode_does_not_matter():
    net, pixels = classifier(modules_net()), pictures(1)
    expected = backpropagate(net, net.target(0, pixels), pixels, "guided").pixels
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(backpropagate(net, net.target(0, pixels), pixels, "guided").pixels, expected)


def test_frozen_weights_do_not_matter():
    module = modules_net()
    net, pixels = classifier(module), pictures(1)
    expected = backpropagate(net, net.target(0, pixels), pixels, "guided").pixels
    module.requires_grad_(False)
    assert torch.equal(backpropagate(net, net.target(0, pixels), pixels, "guided").pixels, expected)


def test_an_empty_map_says_why():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(200, 2), nn.ReLU())
    with torch.no_grad():
        module[3].weight.abs_()
        module[3].bias.copy_(torch.tensor([-1e4, 1.0]))
    net, pixels = classifier(module), pictures(2)
    notes = backpropagate(net, net.target([0, 1], pixels), pixels).notes
    assert notes == (
        "Empty map for picture 1: the gradient is zero everywhere, because the score is 0, cut off by the relu at "
        "the end of the network, and cannot change.",
    )
    with torch.no_grad():
        module[0].bias.fill_(-1e4)
    assert "closed ReLUs" in backpropagate(net, net.target(1, pixels), pixels).notes[0]
    assert "1, channel 0 is silent" in backpropagate(net, net.target(("1", 0), pixels), pixels).notes[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rule", RULES)
def test_half_precision_comes_close(dtype, rule):
    pixels = pictures(2)
    exact = classifier(modules_net())
    aim = exact.target([0, 1], pixels)
    expected = backpropagate(exact, aim, pixels, rule).pixels
    half = backpropagate(classifier(modules_net().to(dtype)), aim, pixels, rule).pixels
    assert half.dtype == torch.float32
    assert F.cosine_similarity(half.flatten(), expected.flatten(), dim=0) > 0.98


def test_a_signal_too_large_for_float16_arrives_at_its_true_size():
    """A gradient of 200³ = 8 million, where float16 ends at 65504; one of the two pictures stays below."""
    module = nn.Sequential(*[nn.Conv2d(1, 1, 1, bias=False) for _ in range(3)], nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        for conv in module[:3]:
            conv.weight.fill_(200)
        module[4].weight.copy_(torch.tensor([[1.0], [2**-8]]).expand(2, 4))
        module[4].bias.zero_()
    net, pixels = classifier(module.half(), 2), torch.full((2, 1, 2, 2), 1e-4)
    assert net.scores(pixels).isfinite().all()
    arrived = backpropagate(net, net.target([0, 1], pixels), pixels).pixels
    assert torch.allclose(arrived[0], torch.tensor(8e6), rtol=2e-3)
    assert torch.allclose(arrived[1], torch.tensor(8e6 / 256), rtol=2e-3)


def test_nothing_is_left_behind_also_after_an_error():
    module = modules_net(InPlace)
    module.train()
    net, pixels = classifier(module), pictures(2)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state = torch.random.get_rng_state()
    backpropagate(net, net.target(0, pixels), pixels, "guided")
    with pytest.raises(InputError, match="did you mean guided"):
        backpropagate(net, net.target(0, pixels), pixels, "guide")
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert module.training and all(p.grad is None for p in module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in module.modules())


def test_a_weighted_gradient_is_the_sum_over_its_points():
    net, pixels = classifier(modules_net()), pictures(3)
    aim, weights = net.target([0, 1, 2], pixels), torch.tensor([0.5, -2.0, 1.0])
    got = weighted_gradient(
        net, aim, (3, 1, 12, 12), weights, lambda i, k: pixels[i] * (k + 1).reshape(-1, 1, 1, 1)
    )
    slow = sum(w * backpropagate(net, aim, pixels * (k + 1)).pixels for k, w in enumerate(weights))
    assert torch.allclose(got, slow, atol=1e-6)


def test_real_photos_agree_with_zennit(shared_models, shared_data):
    """MobileNetV2's ReLU6 are no ReLUs to zennit, so ResNet-20, with its nine skips."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("cifar_resnet", shared_models / "cifar_resnet.py")
    cifar_resnet = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cifar_resnet)
    module = cifar_resnet.load(shared_models / "cifar10_resnet20.safetensors")
    net = Classifier(module, input_size=32, mean=cifar_resnet.MEAN.flatten(), std=cifar_resnet.STD.flatten())
    from convsight.images import Images

    photos = sorted((shared_data / "cifar10-folder" / "test").rglob("*.*g"))[::150]
    pixels = Images.open(photos).pixels
    zennit = import_zennit()
    classes = net.predict(pixels)
    for rule, composite in (
        ("guided", zennit.composites.GuidedBackprop),
        ("deconvnet", zennit.composites.DeconvNet),
    ):
        ours = backpropagate(net, net.target(classes, pixels), pixels, rule).pixels * cifar_resnet.STD
        with zennit.attribution.Gradient(model=module, composite=composite()) as attributor:
            _, theirs = attributor(net.normalise(pixels), torch.eye(10)[classes])
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
