"""A classifier gives the network's own answers, lets look inside, and leaves the network as it was."""

import copy
import importlib.util
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.datasets import dataset
from convsight.errors import InputError, ModelError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.network.interventions import undisturbed


class Net(nn.Module):
    """An in-place ReLU module used twice, a functional one, a skip, dropout that is always on, a batch norm."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv1, self.norm, self.conv2 = (
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 3, padding=1),
        )
        self.relu, self.drop, self.fc = nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4, 3)

    def forward(self, x):
        x = self.relu(self.norm(self.conv1(x)))
        y = self.conv2(x)
        y += x
        y = self.relu(y)
        return self.fc(self.drop(F.relu(y).mean((2, 3))))


def made(channels=1, **kwargs):
    torch.manual_seed(0)
    module = Net(channels)
    module.norm.running_mean.uniform_(-0.2, 0.2)
    return Classifier(module, ["a", "b", "c"], input_size=8, channels=channels, **kwargs)


@pytest.fixture
def net():
    return made()


PIXELS = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def state(net):
    """Everything of a network that must not change, and the random state."""
    tensors = {k: (v.clone(), v.data_ptr()) for k, v in net.module.state_dict(keep_vars=True).items()}
    parts = [
        (m, id(m), m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for m in net.module.modules()
    ]
    return (
        tensors,
        parts,
        [p.grad for p in net.module.parameters()],
        net.module.relu.inplace,
        torch.get_rng_state(),
    )


def assert_same(before, after):
    assert all(torch.equal(before[0][k][0], v) and before[0][k][1] == p for k, (v, p) in after[0].items())
    assert [part[1:] for part in before[1]] == [part[1:] for part in after[1]]
    assert all(a is b for a, b in zip(before[2], after[2], strict=True))
    assert before[3] == after[3]
    assert torch.equal(before[4], after[4])


# ---- running -----------------------------------------------------------------------------------------------


def test_pictures_are_normalised_inside():
    net = made(3, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    pixels = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        shift, scale = (torch.tensor(v)[:, None, None] for v in ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)))
        expected = copy.deepcopy(net.module).eval()((pixels - shift) / scale)
    assert torch.allclose(net.scores(pixels), expected, atol=1e-6)


def test_batches_equal_one_by_one_in_a_network_that_trains(net):
    net.module.train()
    alone = torch.cat([net.scores(PIXELS[i : i + 1]) for i in range(5)])
    assert torch.allclose(net.scores(PIXELS, batch_size=2), alone, atol=1e-6)
    assert torch.allclose(net.probabilities(PIXELS).sum(1), torch.ones(5))
    assert torch.equal(net.predict(PIXELS), alone.argmax(1))
    assert net.scores(PIXELS[:0]).shape == (0, 3)


def test_the_gradient_reaches_the_pixels_and_no_parameter_gets_one(net):
    pixels = PIXELS.clone().requires_grad_()
    net.forward(pixels)[:, 1].sum().backward(inputs=[pixels])
    assert pixels.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.module.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_of_another_precision_gives_float32_scores_near_its_own(net, dtype):
    expected = net.scores(PIXELS)
    other = Classifier(copy.deepcopy(net.module).to(dtype), input_size=8, channels=1)
    with other.record("conv1") as seen:
        found = other.scores(PIXELS)
    assert found.dtype == torch.float32
    assert seen["conv1"].dtype == dtype
    assert torch.allclose(found, expected, atol=0.02)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, None),
        lambda y: {"logits": y},
        lambda y: type("Out", (), {"logits": y})(),
        lambda y: y[..., None, None],
    ],
)
def test_scores_are_found_in_what_networks_return(wrap):
    class Wrapped(Net):
        def forward(self, x):
            return wrap(super().forward(x))

    torch.manual_seed(0)
    assert Classifier(Wrapped(), input_size=8, channels=1).scores(PIXELS).shape == (5, 3)


def test_scores_in_place_of_pixels_do_not_change_the_users_tensor(net):
    class Spoils(nn.Module):
        def forward(self, x):
            return x.relu_().mul_(0).flatten(1)[:, :2]

    pixels = PIXELS.clone()
    Classifier(Spoils(), input_size=8, channels=1).forward(pixels)
    assert torch.equal(pixels, PIXELS)


# ---- looking inside ----------------------------------------------------------------------------------------


def test_recorded_values_are_those_of_hooks_and_do_not_move_with_in_place_operations(net):
    net.module.eval()
    with torch.no_grad(), net.record("norm", "relu#1", "conv2", "add", "relu#2") as seen:
        net.forward(PIXELS)
    with torch.no_grad():
        norm = net.module.norm(net.module.conv1(PIXELS))
        conv2 = net.module.conv2(norm.relu())
    expected = {"norm": norm, "relu#1": norm.relu(), "conv2": conv2, "add": conv2 + norm.relu()}
    for name, value in expected.items():
        assert torch.allclose(seen[name], value, atol=1e-6)
    assert torch.allclose(seen["relu#2"], expected["add"].relu(), atol=1e-6)
    assert (seen["norm"] < 0).any()


class Discards(nn.Module):
    """Operations in place whose answers are thrown away."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 8)

    def forward(self, x):
        y = self.conv(x)
        y.relu_()
        y.mul_(2)
        y[:, 1:] = y[:, 1:] + 1
        return y.flatten(1)


def test_a_value_changed_in_place_behind_the_networks_back_is_recorded_and_edited_rightly():
    torch.manual_seed(1)
    net = Classifier(Discards(), input_size=8, channels=1)
    relu = net.module.conv(PIXELS).detach().relu()
    with torch.no_grad(), net.record("relu", "mul", "setitem") as seen:
        net.forward(PIXELS)
    assert torch.allclose(seen["relu"], relu, atol=1e-6)
    assert torch.allclose(seen["mul"], 2 * relu, atol=1e-6)
    assert torch.allclose(seen["setitem"][:, 1], 2 * relu[:, 1] + 1, atol=1e-6)
    with torch.no_grad(), net.edit({"relu": lambda t: t + 3}):
        found = net.forward(PIXELS)
    assert torch.allclose(
        found, (2 * (relu + 3) + torch.tensor([0.0, 1])[:, None, None]).flatten(1), atol=1e-5
    )


def test_recording_does_not_change_the_scores(net):
    expected = net.scores(PIXELS)
    with net.record(*net.layers):
        assert torch.equal(net.scores(PIXELS), expected)


def test_a_recorded_value_is_differentiable_to_the_score_and_from_the_pixels(net):
    pixels = PIXELS.clone().requires_grad_()
    with net.record("relu#1") as seen:
        score = net.forward(pixels)[:, 0].sum()
    (above,) = torch.autograd.grad(score, seen["relu#1"], retain_graph=True)
    (below,) = torch.autograd.grad(seen["relu#1"], pixels, above)
    pixels2 = PIXELS.clone().requires_grad_()
    (direct,) = torch.autograd.grad(net.forward(pixels2)[:, 0].sum(), pixels2)
    assert torch.allclose(below, direct, atol=1e-6)


def test_an_edit_is_what_the_network_goes_on_with(net):
    net.module.eval()
    with torch.no_grad(), net.edit({"relu#1": lambda t: t * 0}):
        found = net.forward(PIXELS)
    with torch.no_grad():
        bias = net.module.conv2(torch.zeros(5, 4, 8, 8)).relu()
        expected = net.module.fc(bias.mean((2, 3)))
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(net.scores(PIXELS), expected)


def test_an_edit_of_one_channel_of_an_in_place_sum_holds(net):
    def cut(t):
        return torch.cat([t[:, :1] * 0, t[:, 1:]], 1)

    with torch.no_grad(), net.edit({"add": cut}), net.record("add", "relu#2") as seen:
        net.forward(PIXELS)
    assert not seen["add"][:, 0].any()
    assert torch.equal(seen["relu#2"], seen["add"].relu())


def test_edits_nest_and_end_with_their_blocks(net):
    expected = net.scores(PIXELS)
    with net.edit({"conv1": lambda t: t + 1}):
        with net.edit({"conv1": lambda t: t - 1}):
            assert torch.allclose(net.scores(PIXELS), expected, atol=1e-6)
        assert not torch.allclose(net.scores(PIXELS), expected)
    assert torch.equal(net.scores(PIXELS), expected)


def test_an_edit_that_changes_the_shape_is_refused(net):
    with (
        pytest.raises(InputError, match=r"must keep the shape \(5, 4, 8, 8\); it gave \(5, 2, 8, 8\)"),
        net.edit({"conv1": lambda t: t[:, :2]}),
    ):
        net.forward(PIXELS)


def test_replacing_operations_reaches_modules_functions_and_in_place_ones_alike(net):
    counted = []

    def count(kind, func, args, kwargs):
        counted.append(kind)
        return torch.zeros_like(args[0]) if kind == "relu" else NotImplemented

    with torch.no_grad(), net.replace_ops(count):
        scores = net.forward(PIXELS)
    assert counted.count("relu") == 3
    assert torch.allclose(scores, net.module.fc.bias.expand(5, -1))


def test_another_network_or_thread_is_not_concerned(net):
    other, expected, answers = made(), net.scores(PIXELS), []
    with net.edit({"conv1": lambda t: t * 0}):
        assert torch.equal(other.scores(PIXELS), expected)
        thread = threading.Thread(target=lambda: answers.append(net.scores(PIXELS)))
        thread.start()
        thread.join()
    assert torch.equal(answers[0], expected)


def test_an_exported_program_has_the_same_layers_and_values():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    ).eval()
    program = torch.export.export(
        module, (PIXELS[:2],), dynamic_shapes=({0: torch.export.Dim("n")},)
    ).module()
    net, plain = (Classifier(m, input_size=8, channels=1) for m in (program, module))
    assert [a.kind for a in net.layers.values()] == ["conv2d", "relu", "max_pool2d", "flatten", "linear"]
    assert [a.receptive_field for a in net.layers.values()] == [
        a.receptive_field for a in plain.layers.values()
    ]
    names = [next(a.name for a in n.layers.values() if a.kind == "relu") for n in (net, plain)]
    with net.record(names[0]) as ours, plain.record(names[1]) as theirs:
        assert torch.allclose(net.scores(PIXELS), plain.scores(PIXELS), atol=1e-6)
    assert torch.allclose(ours[names[0]], theirs[names[1]], atol=1e-6)


def test_a_script_module_says_that_nothing_can_be_seen_inside():
    with pytest.warns((DeprecationWarning, FutureWarning)):  # FutureWarning from torch 2.14 on
        script = torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2)))
    net = Classifier(script, input_size=8, channels=1)
    assert net.scores(PIXELS).shape == (5, 2)
    with pytest.raises(ModelError, match="is it compiled or a TorchScript module"):
        _ = net.layers


# ---- nothing is changed ------------------------------------------------------------------------------------


def everything(net):
    pixels = PIXELS.clone().requires_grad_()
    _ = net.layers, net.weights_hash, net.features(PIXELS)
    with net.record("conv1", "relu#1") as seen, net.edit({"conv2": lambda t: t + torch.rand_like(t)}):
        torch.autograd.grad(net.forward(pixels).sum(), [pixels, seen["conv1"]])


@pytest.mark.parametrize("train", [True, False])
def test_the_network_and_the_random_state_are_as_they_were(net, train):
    net.module.train(train)
    net.module.norm.train(not train)
    before = state(net)
    everything(net)
    assert_same(before, state(net))


def test_also_after_an_exception_anywhere(net):
    net.module.train()
    _ = net.layers
    before = state(net)

    def fail(*_):
        raise KeyError("mine")

    for block in (net.edit({"conv2": fail}), net.replace_ops(fail)):
        with pytest.raises(KeyError, match="mine"), block:
            net.forward(PIXELS)
    with pytest.raises(ModelError, match="failed on pictures of"), net.record("conv1"):
        Classifier.forward(net, PIXELS.expand(-1, 1, -1, -1)[..., :0])
    assert_same(before, state(net))
    expected = made()
    assert torch.equal(net.scores(PIXELS), expected.scores(PIXELS))  # no intervention is left active


def test_the_users_own_hooks_stay_and_run(net):
    ran = []
    _ = net.layers  # the pass that names them runs the hook too
    handle = net.module.conv1.register_forward_hook(lambda *_: ran.append(1))
    with net.record("conv1"):
        net.forward(PIXELS)
    assert ran == [1]
    assert handle.id in net.module.conv1._forward_hooks


# ---- at the door -------------------------------------------------------------------------------------------


def test_the_hash_follows_single_bits_of_large_weights():
    """Whose bits are added up as integers: even and odd counts, and a part of a larger tensor."""
    for count, first in ((20_000, 2), (20_001, 2), (20_001, 3)):
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(count, 2, bias=False))
        net = Classifier(module, input_size=(1, count), channels=1)
        module[1].weight.data = torch.randn(2 * count + first)[first:].view(2, count)
        before = net.weights_hash
        module[1].weight.data.view(-1)[7] = torch.nextafter(
            module[1].weight.data.view(-1)[7], torch.tensor(9.0)
        )
        assert net.weights_hash != before


def test_the_hash_follows_every_change_of_a_weight(net):
    seen = {net.weights_hash}
    with torch.no_grad():
        net.module.fc.bias[0] += 1
    seen.add(net.weights_hash)
    net.module.fc.weight.data.mul_(2)  # which no version counter notices
    seen.add(net.weights_hash)
    net.module.norm.running_mean += 1
    seen.add(net.weights_hash)
    net.module.load_state_dict(made().module.state_dict())
    assert len(seen) == 4
    assert net.weights_hash == made().weights_hash


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"input_size": None}, "input_size is needed"),
        ({"input_size": (0, 4)}, "input_size must be positive"),
        ({"channels": 0}, r"1 \(grey\), 3 \(RGB\) or any other number of channels, not 0"),
        ({"channels": 2}, "Net failed on pictures of 2×8×8"),
        ({"classes": ["a", "b"]}, "2 class names were given, but the network has 3 outputs"),
        ({"mean": (0.1, 0.2)}, "mean has 2 values for 1 channels"),
        ({"std": 0.0}, "std must be positive"),
        ({"crop": 0}, "crop is the share"),
        ({"channels": 3}, "Net failed on pictures of 3×8×8"),
    ],
)
def test_a_wrong_description_of_a_network_is_refused(kwargs, message):
    with pytest.raises(ModelError, match=message):
        Classifier(Net(), **{"input_size": 8, "channels": 1, **kwargs})


def test_what_is_no_classifier_is_refused():
    with pytest.raises(ModelError, match=r"a torch.nn.Module is needed, not a function"):
        Classifier(F.relu, input_size=8)
    tokens = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(2))
    with pytest.raises(
        ModelError, match=r"(?s)no row of class scores per picture was found.*\(2, 4, 36\).*wrap it"
    ):
        Classifier(tokens, input_size=8, channels=1)


def test_pictures_of_another_kind_are_refused_with_the_way_to_convert(net):
    with pytest.raises(InputError, match=r"takes grey \(1 channel\) pictures.*net.fit\(images\) converts"):
        net.forward(torch.rand(2, 3, 8, 8))
    with pytest.raises(InputError, match=r"pixels are floats in \[0, 1\]; given torch.uint8"):
        net.forward(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))


def test_fitting_keeps_the_centre_share_that_the_network_was_trained_on():
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[16:240, 16:240] = 255
    net = Classifier(
        nn.Sequential(nn.Conv2d(3, 2, 7), nn.AdaptiveAvgPool2d(1), nn.Flatten()), input_size=224, crop=0.875
    )
    assert (net.fit(Images.open(picture)).pixels == 1).all()
    assert net.fit(Images.open(picture[..., 0])).pixels.shape == (1, 3, 224, 224)


# ---- real networks -----------------------------------------------------------------------------------------


def load(folder, architecture, weights):
    spec = importlib.util.spec_from_file_location(architecture, folder / f"{architecture}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.load(folder / f"{weights}.safetensors")


@pytest.mark.parametrize("weights, right", [("fashion_net_two_fc", 8782), ("fashion_net_one_fc", 7472)])
def test_the_lessons_networks_get_as_many_right_as_their_readme_says(
    shared_models, shared_data, monkeypatch, weights, right
):
    monkeypatch.setenv("CONVSIGHT_DATA", str(shared_data))
    module, network = load(shared_models, "fashion_net", weights)
    net = Classifier(network, module.CLASSES, input_size=28, channels=1)
    test = dataset("fashion-mnist").test
    assert int((net.predict(test[:]) == test.labels).sum()) == right


def test_resnet_20_gets_804_of_1000_right(shared_models, shared_data):
    module, network = load(shared_models, "cifar_resnet", "cifar10_resnet20")
    mean, std = ([float(v) for v in torch.as_tensor(stat).flatten()] for stat in (module.MEAN, module.STD))
    net = Classifier(network, module.CLASSES, input_size=32, mean=mean, std=std)
    test = dataset(shared_data / "cifar10-folder").test
    assert test.classes == tuple(module.CLASSES)
    assert int((net.predict(test[:]) == test.labels).sum()) == 804


def test_mobilenet_gets_55_of_60_photos_right_and_all_in_its_first_five(shared_models, shared_data):
    _, network = load(shared_models, "mobilenet_v2", "mobilenet_v2_imagenet")
    net = Classifier(network, input_size=224, mean=0.5, std=0.5, crop=0.875)
    rows = [
        line.split(",") for line in (shared_data / "photos/labels.csv").read_text("utf-8").splitlines()[1:]
    ]
    pictures = Images.concat(
        [net.fit(Images.open(shared_data / "photos" / row[0], channels=3)) for row in rows]
    )
    five = net.scores(pictures).topk(5).indices
    labels = torch.tensor([int(row[1]) for row in rows])
    assert int((five[:, 0] == labels).sum()) == 55
    assert int((five == labels[:, None]).any(1).sum()) == 60


def test_copies_and_pickles_answer_alike_and_work_in_threads() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 2))
    net = Classifier(module, ["a", "b"], 8, 1, mean=0.3, std=0.2)
    pixels = torch.rand(4, 1, 8, 8)
    expected = net.scores(pixels)
    assert len(net.layers) and net.weights_hash  # what was found out before is not in the way
    for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(twin.scores, [pixels] * 8))
        assert all(torch.equal(answer, expected) for answer in answers)
        assert twin.weights_hash == net.weights_hash and list(twin.layers) == list(net.layers)
    assert copy.copy(net).module is module and copy.deepcopy(net).module is not module


def test_overlapping_passes_keep_evaluation_mode_until_the_last_one_ends() -> None:
    """As threads overlap: the first to begin is the first to end, and the other one still runs."""
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2).eval())
    first, second = undisturbed(module), undisturbed(module)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not any(m.training for m in module.modules())
    second.__exit__(None, None, None)
    assert [m.training for m in module.modules()] == [True, True, False]
