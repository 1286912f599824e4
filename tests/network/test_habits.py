"""What a network does out of the ordinary is found out, said, and its answers stay right."""

import copy

import pytest
import torch
import torch.nn.functional as F
from tests.oracles.by_hand import hidden
from torch import nn

import convsight as cs
from convsight.errors import InputError, ModelError
from convsight.network.class_names import class_names

PIXELS = torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(1))


def small():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 3)
        ).eval()


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.dark, self.bright = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 5, padding=2)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        z = F.relu(self.stem(x))
        z = F.relu(self.bright(z)) if x.mean() > 0.6 else F.relu(self.dark(z))
        return self.fc(z.mean((2, 3)))


def test_a_network_that_decides_answers_each_picture_as_if_alone():
    module = Branches().eval()
    net = cs.Classifier(module, input_size=20)
    assert net.habits.decides and any("depends on the picture" in note for note in net.notes)
    mixed = torch.cat([PIXELS * 0.5, PIXELS * 0.3 + 0.7])
    alone = torch.cat([module(one) for one in mixed.split(1)]).detach()
    assert torch.equal(net.scores(mixed), alone)
    found = cs.occlusion(net, mixed[4:5] * 0.7, target=1, patch=10, stride=5, fill="black")
    wanted = hidden(lambda x: module(x)[:, 1], mixed[4:5] * 0.7, 10, 5)
    torch.testing.assert_close(found.values.double(), wanted, atol=1e-5, rtol=1e-4)


def test_layers_are_those_that_the_picture_passes():
    net = cs.Classifier(Branches().eval(), input_size=20)
    dark, bright = PIXELS[:1] * 0.5, PIXELS[:1] * 0.3 + 0.7
    assert cs.gradcam(net, bright, target=1, layer="bright").values.shape == (1, 20, 20)
    with pytest.raises(InputError, match="no layer 'bright'"):
        cs.gradcam(net, dark, target=1, layer="bright")
    with pytest.raises(InputError, match="does not pass layer 'bright'"):
        cs.gradcam(net, torch.cat([bright, dark]), target=1, layer="bright")


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small()

    def forward(self, x):
        return F.dropout(self.net(x), 0.5, training=True)


@pytest.mark.parametrize("seed", range(5))
def test_randomness_in_evaluation_is_noted_with_its_size(seed):
    torch.manual_seed(seed)
    net = cs.Classifier(Noisy(), input_size=20)
    assert net.habits.random
    assert any("random" in note for note in cs.saliency(net, PIXELS, target=0).notes)
    assert not cs.Classifier(small(), input_size=20).habits.random


class BatchCentred(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = small()

    def forward(self, x):
        return self.net(x - x.mean() * x.std())


def test_a_network_that_looks_at_the_whole_batch_is_run_one_by_one():
    module = BatchCentred().eval()
    net = cs.Classifier(module, input_size=20)
    assert net.habits.one_by_one and any("other pictures" in note for note in net.notes)
    with net.record("net.0") as seen:
        scores = net.forward(PIXELS).detach()
    assert torch.equal(scores, torch.cat([module(one) for one in PIXELS.split(1)]).detach())
    assert seen["net.0"].shape == (3, 6, 20, 20)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*quantized tensor creation:UserWarning")
def test_dynamic_int8_is_named_and_its_occlusion_is_that_of_one_picture_at_a_time():
    module = torch.ao.quantization.quantize_dynamic(small(), {nn.Linear}, dtype=torch.qint8)
    net = cs.Classifier(module, input_size=20)
    assert any("quantised (dynamic" in note for note in net.notes)
    found = cs.occlusion(net, PIXELS[:1], target=1, patch=5, stride=5, fill="black")
    wanted = hidden(lambda x: torch.cat([module(one) for one in x.split(1)])[:, 1], PIXELS[:1], 5, 5)
    torch.testing.assert_close(found.values.double(), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_static_int8_is_hidden_exactly_and_refuses_what_needs_gradients_or_layers():
    torch.manual_seed(0)
    quantization = torch.ao.quantization
    stubs = quantization.QuantStub(), quantization.DeQuantStub()
    module = nn.Sequential(
        stubs[0], nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2592, 4), stubs[1]
    )
    module.eval().qconfig = quantization.get_default_qconfig(torch.backends.quantized.supported_engines[-1])
    observed = quantization.prepare(module)
    observed(PIXELS)
    static = quantization.convert(observed)
    net = cs.Classifier(static, input_size=20)
    assert "static" in net.notes[0] and "whole numbers cannot be seen" in net.notes[1]
    assert torch.equal(net.scores(PIXELS), static(PIXELS))
    found = cs.occlusion(net, PIXELS, target=1, patch=5, stride=5, fill="black")
    wanted = hidden(lambda x: static(x)[:, 1], PIXELS, 5, 5)
    torch.testing.assert_close(found.values.double(), wanted, atol=1e-6, rtol=1e-5)
    for technique in (cs.saliency, cs.integrated_gradients, cs.smoothgrad):
        with pytest.raises(ModelError, match="no gradient flows.*occlusion needs no gradient"):
            technique(net, PIXELS, target=1)
    with pytest.raises(ModelError, match="whole numbers.*before it was quantised"):
        cs.gradcam(net, PIXELS, target=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.optim.swa_utils.AveragedModel, torch.compile])
def test_wrappers_are_taken_off_and_named(wrap):
    module = small()
    net = cs.Classifier(wrap(module), input_size=20)
    assert "wrapper" in net.notes[0] and next(iter(net.layers)) == "0"
    assert torch.equal(net.scores(PIXELS), module(PIXELS).detach())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_part_that_was_compiled_is_seen_as_it_is_written():
    module = nn.Sequential(torch.compile(small()[:2]), *small()[2:]).eval()
    net = cs.Classifier(module, input_size=20)
    assert net.habits.visible and [layer.kind for layer in net.layers.values()][:2] == ["conv2d", "relu"]
    assert cs.gradcam(net, PIXELS, target=0).values.shape == (3, 20, 20)


def test_a_network_without_numbers_is_refused_in_words():
    with torch.device("meta"):
        module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ModelError, match="'meta' device.*to_empty"):
        cs.Classifier(module, input_size=2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_network_does_all_that_needs_no_layer(tmp_path):
    module = small()
    torch.jit.script(module).save(tmp_path / "m.pt")
    net, eager = cs.load(tmp_path / "m.pt", input_size=20), cs.Classifier(module, input_size=20)
    assert torch.equal(net.scores(PIXELS), eager.scores(PIXELS))
    for technique in (cs.saliency, cs.integrated_gradients, cs.smoothgrad, cs.gradient_x_input, cs.occlusion):
        torch.testing.assert_close(
            technique(net, PIXELS, target=1).values,
            technique(eager, PIXELS, target=1).values,
            atol=1e-5,
            rtol=1e-3,
        )
    with pytest.raises(ModelError, match="Techniques that need no layer"):
        net.features(PIXELS)


def test_class_names_come_from_a_dictionary_a_file_or_imagenet(tmp_path):
    assert class_names({2: "c", 0: "a", 1: "b"}) == ("a", "b", "c")
    assert class_names({str(i): f"n{i}" for i in range(12)})[10:] == ("n10", "n11")
    (tmp_path / "names.txt").write_text("\ufeffcat\ndog\n\n", encoding="utf-8")
    (tmp_path / "config.json").write_text('{"id2label": {"1": "dog", "0": "cat"}}')
    assert class_names(tmp_path / "names.txt") == class_names(tmp_path / "config.json") == ("cat", "dog")
    names = class_names("imagenet")
    assert (len(names), names[1], names[281]) == (1000, "goldfish", "tabby")
    with pytest.raises(ModelError, match="one word 'imagnet'.*imagenet-22k"):
        class_names("imagnet")


def test_a_thousand_outputs_without_names_are_offered_imagenets():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 1000))
    assert any('classes="imagenet"' in note for note in cs.Classifier(module, input_size=2).notes)
    named = cs.Classifier(module, classes="imagenet", input_size=2)
    assert named.classes[1] == "goldfish" and named.notes == ()


def test_a_copy_answers_the_same():
    net = cs.Classifier(small(), input_size=20)
    assert torch.equal(copy.deepcopy(net.module)(PIXELS), net.scores(PIXELS))


class HeadsAsPictures(nn.Module):
    """Pools each head by a convolution as if heads were pictures, as MViT does."""

    def __init__(self):
        super().__init__()
        self.stem, self.pool, self.fc = nn.Conv2d(3, 8, 3), nn.Conv2d(2, 2, 3), nn.Linear(8, 3)

    def forward(self, x):
        maps = self.pool(self.stem(x).relu().unflatten(1, (4, 2)).flatten(0, 1))
        return self.fc(maps.unflatten(0, (len(x), 4)).flatten(1, 2).mean((2, 3)))


def test_heads_that_are_convolved_as_pictures_are_no_feature_maps():
    module = HeadsAsPictures().eval()
    net = cs.Classifier(module, input_size=20)
    assert net.layers["stem"].is_map and not net.layers["pool"].is_map
    found = cs.occlusion(net, PIXELS[:2], target=1, patch=10, stride=5, fill="black")
    wanted = hidden(lambda x: module(x)[:, 1], PIXELS[:2], 10, 5)
    torch.testing.assert_close(found.values.double(), wanted, atol=1e-5, rtol=1e-4)
