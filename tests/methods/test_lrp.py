"""LRP against zennit with its canonizers, captum, and numpy by hand where these fail; its laws, and its refusals."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.oracles.relevance_nets import CONVOLUTIONS, NETS, settled
from tests.oracles.small_nets import Clamped, Functional, InPlace, Modules, Reused, modules_net, pictures
from torch import Tensor, nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import ModelError
from convsight.gradients.relevance.composites import COMPOSITES
from convsight.methods.lrp import Lrp
from convsight.network.classifier import Classifier

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
NORMALISATION = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)


def far(ours: Tensor, theirs: Tensor) -> float:
    """The relative difference of two maps."""
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def zennits(module: nn.Module, pixels: Tensor, output: int, rule: str, canonizers: list) -> Tensor:
    """What zennit's composite makes of normalised pixels, started with the score."""
    from zennit import composites
    from zennit.attribution import Gradient

    low, high = ((end - NORMALISATION[0]) / NORMALISATION[1] for end in (0, 1))
    composite = {
        "epsilon-plus-flat": lambda: composites.EpsilonPlusFlat(canonizers=canonizers),
        "epsilon-plus": lambda: composites.EpsilonPlus(canonizers=canonizers),
        "epsilon-gamma-box": lambda: composites.EpsilonGammaBox(low=low, high=high, canonizers=canonizers),
        "epsilon-alpha-beta": lambda: composites.EpsilonAlpha2Beta1(canonizers=canonizers),
    }[rule]()

    def start(scores: Tensor) -> Tensor:
        return scores * (torch.arange(scores.shape[1]) == output)

    inside = ((pixels - NORMALISATION[0]) / NORMALISATION[1]).requires_grad_()
    with Gradient(model=copy.deepcopy(module), composite=composite) as attributor:
        return attributor(inside, start)[1].detach()


@pytest.fixture(scope="module", params=["resnet18", "resnet50", "vgg16", "vgg16_bn"])
def from_torchvision(request):
    """A network with random weights; VGG-16 with narrower dense layers. zennit leaves its ε of batch normalisation
    behind when it folds one, which is why it is 0 here."""
    models = import_torchvision().models
    torch.manual_seed(0)
    if request.param.startswith("resnet"):
        module = getattr(models, request.param)(num_classes=10)
    else:
        layers = models.vgg.make_layers(models.vgg.cfgs["D"], batch_norm=request.param == "vgg16_bn")
        dense = (nn.Linear(512, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10))
        module = nn.Sequential(layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dense)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2), m.running_var.uniform_(0.5, 2)
            nn.init.uniform_(m.weight, 0.5, 1.5), nn.init.normal_(m.bias, 0, 0.1)
            m.eps = 0
        elif isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
    return request.param, Classifier(module.eval(), input_size=32, mean=MEAN, std=STD)


@pytest.mark.parametrize(
    "rule", ["epsilon-plus-flat", "epsilon-plus", "epsilon-gamma-box", "epsilon-alpha-beta"]
)
def test_it_is_zennits_with_canonizers(from_torchvision, rule):
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    name, net = from_torchvision
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    canonizer = ResNetCanonizer() if name.startswith("resnet") else VGGCanonizer()
    theirs = zennits(net.module, pixels, 3, rule, [canonizer])
    ours = Lrp(rule=rule)(net, pixels, target=3)
    assert theirs.abs().max() > 0
    assert far(ours.per_channel, theirs) <= 1e-4
    assert torch.allclose(ours.values, ours.per_channel.sum(1))


class Plain(nn.Module):
    """What captum's LRP runs on: modules used once, no skip; flattened without a module."""

    def __init__(self, bias: bool = True):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1, bias=bias), nn.BatchNorm2d(6) if bias else nn.Identity(), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, bias=bias), nn.ReLU(), nn.AvgPool2d(2),
        )  # fmt: skip
        self.fc = nn.Linear(32, 3, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).flatten(1))


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
@pytest.mark.parametrize("rule", ["epsilon", "z-plus"])
def test_it_is_captums_where_that_runs(rule):
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule

    torch.manual_seed(0)
    module = settled(Plain(bias=rule == "epsilon"))
    net, pixels = Classifier(module, input_size=12, channels=1), pictures(2)
    ours = Lrp(rule=rule, epsilon=1e-9)(net, pixels, target=1)
    peer = copy.deepcopy(module)
    peer.features[1] = peer.features[1] if rule == "epsilon" else nn.ReLU()  # captum knows no Identity
    if rule == "z-plus":
        del peer.features[1]
        for m in peer.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                m.rule = Alpha1_Beta0_Rule()
    theirs = LRP(peer).attribute(pixels.double(), target=1).detach()
    assert far(ours.per_channel, theirs) <= 1e-4


@pytest.mark.parametrize("rule", CONVOLUTIONS)
@pytest.mark.parametrize("name", NETS)
def test_it_is_the_numpy_version_where_hooks_fail(name, rule):
    torch.manual_seed(1)
    module = settled(NETS[name]())
    net = Classifier(module, input_size=module.shape[1], channels=1)
    pixels = torch.rand(2, *module.shape)
    ours = Lrp(rule=rule)(net, pixels, target=2)
    for i, picture in enumerate(pixels.double().numpy()):
        truth = module.by_hand(picture.ravel(), 2, CONVOLUTIONS[rule])
        assert far(ours.values[i].flatten(), torch.from_numpy(truth)) <= 1e-6


@pytest.mark.parametrize("rule", COMPOSITES)
@pytest.mark.parametrize("style", [Functional, Reused, InPlace, Clamped])
def test_every_style_of_writing_gives_the_same_map(style, rule):
    pixels = pictures(3)
    plain, other = (Classifier(modules_net(s), input_size=12, channels=1) for s in (Modules, style))
    expected = Lrp(rule=rule)(plain, pixels, target=[0, 1, 2]).values
    found = Lrp(rule=rule)(other, pixels, target=[0, 1, 2]).values
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def without_biases(module: nn.Module) -> nn.Module:
    """Weights twice as strong besides, so that no sum comes near the stabiliser."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.zeros_(m.bias), m.running_mean.zero_()
        elif isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.zeros_(m.bias), m.weight.data.mul_(2)
    return module


@pytest.mark.parametrize("rule", ["epsilon", "epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box"])
@pytest.mark.parametrize("name", NETS)
def test_without_biases_the_map_adds_up_to_the_score(name, rule):
    if name == "excites" and rule != "epsilon":
        rule = "gamma"  # behind SiLU some outputs have no positive part at all, and z⁺ loses them
    for seed in range(4):
        torch.manual_seed(seed)
        module = without_biases(settled(NETS[name]()))
        net = Classifier(module, input_size=module.shape[1], channels=1)
        result = Lrp(rule=rule, epsilon=1e-9)(net, torch.rand(3, *module.shape))
        scores = net.scores(result.pictures).amax(1)
        assert ((result.values.sum((1, 2)) - scores).abs() / scores.abs()).max() <= 1e-4
        assert not any("add up to" in note for note in result.notes)


def test_a_bias_keeps_its_part_and_a_note_says_how_much():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        linear[1].weight.fill_(1), linear[1].bias.fill_(1)
    net = Classifier(linear, input_size=2, channels=1)
    result = Lrp(rule="epsilon")(net, torch.full((1, 1, 2, 2), 0.75), target=0)
    torch.testing.assert_close(result.values, torch.full((1, 2, 2), 0.75))
    assert result.notes[0].startswith("The maps add up to 75% of the scores; biases")


def test_a_unit_can_be_the_target():
    torch.manual_seed(1)
    module = settled(NETS["skips"]())
    net, pixels = Classifier(module, input_size=6, channels=1), torch.rand(1, 1, 6, 6)
    result = Lrp(rule="epsilon")(net, pixels, target=("conv1", 2, 3, 4))
    with torch.no_grad():
        value = module.conv1(pixels.double())[0, 2, 3, 4]
    window = pixels.double()[0, 0, 2:5, 3:6] * module.conv1.weight.detach()[2, 0]
    torch.testing.assert_close(result.values[0, 2:5, 3:6].double(), window, rtol=1e-4, atol=1e-6)
    assert result.values.count_nonzero() == 9
    torch.testing.assert_close(
        result.values.sum().double(), value - module.conv1.bias[2].detach(), rtol=1e-4, atol=1e-5
    )


def test_the_normalisation_counts_wherever_it_is_done():
    """Inside of the classifier, as a module in front, or as arithmetic in the network; the box rule needs its bounds."""

    class Arithmetic(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Tensor:
            return self.inner((x - 0.4) / 0.3)

    torch.manual_seed(2)
    inner, pixels = Plain().eval(), pictures(2)
    outside = Classifier(inner, input_size=12, channels=1, mean=0.4, std=0.3)
    inside = Classifier(Arithmetic(inner), input_size=12, channels=1)
    for rule in ("epsilon", "epsilon-plus-flat", "epsilon-gamma-box"):
        expected = Lrp(rule=rule)(outside, pixels, target=1).values
        torch.testing.assert_close(
            Lrp(rule=rule)(inside, pixels, target=1).values, expected, rtol=1e-3, atol=1e-6
        )


def test_a_padded_and_split_picture_is_still_the_picture():
    """The flat rule is for every layer that sees it, also behind a pad and in two branches."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.fc = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = F.pad(x, (1, 1, 1, 1))
            return self.fc(torch.cat([self.left(x).relu(), self.right(x).relu()], 1).mean((2, 3)))

    torch.manual_seed(2)
    net = Classifier(Branches().eval(), input_size=6, channels=1)
    black = torch.zeros(1, 1, 6, 6)
    result = Lrp(rule="epsilon-plus-flat")(net, black, target=0)
    assert (result.values != 0).all()  # z⁺ gives a black pixel nothing, flat does
    assert Lrp(rule="epsilon-plus")(net, black, target=0).values.count_nonzero() == 0
    changed = Lrp(rule="epsilon-plus", first="flat")(net, black, target=0)
    assert torch.equal(changed.values, result.values)


def test_a_final_softmax_is_left_out_and_said():
    torch.manual_seed(1)
    module = settled(NETS["skips"]())
    ends = nn.Sequential(copy.deepcopy(module), nn.Softmax(1))
    pixels = torch.rand(2, 1, 6, 6)
    expected = Lrp()(Classifier(module, input_size=6, channels=1), pixels, target=1)
    result = Lrp()(Classifier(ends, input_size=6, channels=1), pixels, target=1)
    torch.testing.assert_close(result.values, expected.values)
    assert any("before the network's final softmax" in note for note in result.notes)


def test_attention_is_refused_with_what_would_work():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.attention = nn.Conv2d(1, 8, 4, stride=4), nn.MultiheadAttention(8, 2)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).permute(2, 0, 1)
            return self.fc(self.attention(tokens, tokens, tokens)[0].mean(0))

    net, pixels = Classifier(Attending().eval(), input_size=12, channels=1), pictures(1)
    with pytest.raises(
        ModelError, match=r"no rule that holds for attention, .* \(in attention\)\. convsight\.gradcam"
    ):
        Lrp()(net, pixels, target=1)
    assert Lrp()(net, pixels, target=("patches", 2)).values.any()  # in front of it all is well
    for works in (cs.integrated_gradients, cs.occlusion):  # what the sentence promises
        assert works(net, pixels, target=1).values.any()


@pytest.mark.parametrize(
    "operation, named",
    [
        (lambda x: torch.cumprod(x, 2), "the operation cumprod"),
        (lambda x: torch.softmax(x, 1), "a softmax between layers, softmax"),
        (lambda x: x @ x.transpose(2, 3), "a product of two feature maps, matmul"),
        (lambda x: F.conv2d(x[:, :1], x[:1, :1, :3, :3]), "a convolution with filters made from the picture"),
        (lambda x: torch.std(x, (2, 3)), "the operation std"),
    ],
)
def test_an_operation_without_a_rule_is_refused_by_name(operation, named):
    class Strange(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.operation = nn.Conv2d(1, 3, 3), operation

        def forward(self, x: Tensor) -> Tensor:
            return self.operation(self.conv(x)).reshape(len(x), -1)[:, :3] * 2

    net = Classifier(Strange().eval(), input_size=12, channels=1)
    with pytest.raises(ModelError, match=named):
        Lrp()(net, pictures(1), target=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_cannot_be_seen_is_refused_instead_of_a_plain_gradient():
    script = torch.jit.trace(Plain().eval(), torch.rand(1, 1, 12, 12))
    with pytest.raises(
        ModelError, match="needs a rule for every operation, and some of this network cannot be seen"
    ):
        Lrp()(Classifier(script, input_size=12, channels=1), pictures(1), target=1)


def test_products_and_lone_normalisations_follow_stated_rules_and_are_said():
    class Products(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.norm = (
                nn.Linear(16, 3, bias=False),
                nn.Linear(16, 3, bias=False),
                nn.LayerNorm(16),
            )

        def forward(self, x: Tensor) -> Tensor:
            x = self.norm(x.flatten(1))
            return self.a(x) * self.b(x) / x.norm(dim=1, keepdim=True)

    torch.manual_seed(0)
    module, pixels = Products().double().eval(), pictures(1, size=4)
    net = Classifier(module, input_size=4, channels=1)
    result = Lrp(rule="epsilon", epsilon=1e-9)(net, pixels, target=1)
    with torch.no_grad():
        x = module.norm(pixels.double().flatten(1))
        halves = [m.weight[1] * x / m(x)[0, 1] * net.scores(pixels)[0, 1] / 2 for m in (module.a, module.b)]
    torch.testing.assert_close(
        result.values.flatten().double(), (halves[0] + halves[1])[0], rtol=1e-4, atol=1e-5
    )
    assert any("layer normalisation with no weighted layer in front" in note for note in result.notes)
    assert any("each gets half" in note for note in result.notes)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize("decompose", [False, True], ids=["as it is", "decomposed"])
def test_an_exported_program_gives_the_same_map(decompose):
    torch.manual_seed(1)
    module, pixels = settled(Plain()).float(), pictures(2)
    program = torch.export.export(module, (torch.rand(2, 1, 12, 12),))
    program = program.run_decompositions() if decompose else program
    expected = Lrp()(Classifier(module, input_size=12, channels=1), pixels, target=1)
    found = Lrp()(Classifier(program.module(check_guards=False), input_size=12, channels=1), pixels, target=1)
    torch.testing.assert_close(found.values, expected.values, rtol=1e-4, atol=1e-6)


def test_half_precision_is_shared_out_in_single():
    torch.manual_seed(1)
    module = settled(NETS["skips"]())
    pixels = torch.rand(2, 1, 6, 6)
    whole = Lrp()(Classifier(module.float(), input_size=6, channels=1), pixels, target=1).values
    half = Lrp()(
        Classifier(copy.deepcopy(module).bfloat16(), input_size=6, channels=1), pixels, target=1
    ).values
    assert np.corrcoef(whole.flatten(), half.flatten())[0, 1] > 0.99
