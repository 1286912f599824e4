"""Networks from torchvision, timm, Python files, exported programs and weight files."""

import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import DataNotFound, InputError, ModelError

FILE = """
import torch
from torch import nn
CLASSES = ("circle", "square")
MEAN = torch.tensor([0.25])
STD = torch.tensor([0.5])
INPUT_SIZE = 8

def small():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))

def from_file(path):
    net = small()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net

def wrong():
    return 3

def broken():
    raise KeyError("no such key")
"""


class Views(nn.Module):
    """Writes its batch size into a reshape, as many networks do."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).view(x.size(0), -1))


@pytest.fixture
def python_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_a_python_file_brings_its_classes_normalisation_and_size(python_file):
    net = cs.load(f"{python_file}:small")
    assert net.classes == ("circle", "square")
    assert (net.input_size, net.channels, net.mean.item(), net.std.item()) == ((8, 8), 1, 0.25, 0.5)


def test_a_function_that_takes_the_weights_path_gets_it(python_file, tmp_path):
    net = cs.load(f"{python_file}:small")
    torch.save(net.module.state_dict(), tmp_path / "w.pth")
    again = cs.load(f"{python_file}:from_file", weights=tmp_path / "w.pth")
    assert again.weights_hash == net.weights_hash


def test_weights_wear_prefixes_and_wrappers_of_training_scripts(python_file, tmp_path):
    net = cs.load(f"{python_file}:small")
    wrapped = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in net.module.state_dict().items()}}
    torch.save(wrapped, tmp_path / "w.pt")
    assert cs.load(f"{python_file}:small", weights=tmp_path / "w.pt").weights_hash == net.weights_hash


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smal", "did you mean small"),
        ("wrong", "it returned a int"),
        ("broken", "KeyError"),
        ("from_file", "--weights"),
    ],
)
def test_a_wrong_function_is_named_with_what_would_work(python_file, name, words):
    with pytest.raises(ModelError, match=re.escape(words)):
        cs.load(f"{python_file}:{name}")


def test_weights_that_do_not_fit_are_listed(python_file, tmp_path):
    save_file({"0.weight": torch.zeros(2, 1, 5, 5), "extra": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"3 missing .*1 not in the network \(extra\).*0\.weight is 2×1×5×5"):
        cs.load(f"{python_file}:small", weights=tmp_path / "w.safetensors")


def test_a_pickled_network_is_refused_without_running_it(python_file, tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(ModelError, match="could run code"):
        cs.load(f"{python_file}:small", weights=tmp_path / "whole.pth")


def test_a_damaged_weights_file_is_named(python_file, tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ModelError, match="w.safetensors is no readable"):
        cs.load(f"{python_file}:small", weights=tmp_path / "w.safetensors")
    with pytest.raises(DataNotFound, match="no weights file"):
        cs.load(f"{python_file}:small", weights=tmp_path / "absent.pth")


@pytest.mark.parametrize(
    "module", [Views(), nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))]
)
def test_an_exported_program_with_a_fixed_batch_takes_any_number_of_pictures(module, tmp_path):
    module.eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 1, 8, 8),)), tmp_path / "m.pt2")
    net = cs.load(tmp_path / "m.pt2")
    pictures = torch.rand(5, 1, 8, 8)
    assert net.input_size == (8, 8) and len(net.classes) == 3
    with torch.no_grad():
        torch.testing.assert_close(net.scores(pictures), module(pictures))


def test_an_exported_program_with_a_free_batch_is_taken_as_it_is(tmp_path):
    module = Views().eval()
    free = ({0: torch.export.Dim("n")},)
    torch.export.save(
        torch.export.export(module, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=free), tmp_path / "m.pt2"
    )
    assert cs.load(tmp_path / "m.pt2").scores(torch.rand(5, 1, 8, 8)).shape == (5, 3)


def test_torchvision_brings_its_own_classes_and_normalisation():
    net = cs.load("torchvision:squeezenet1_1", weights="random")
    assert net.classes[:2] == ("tench", "goldfish")
    assert net.input_size == (224, 224) and net.crop == 224 / 256
    assert net.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_a_fine_tuned_head_of_another_size_is_recognised(tmp_path):
    models = import_torchvision().models
    torch.save(models.resnet18(num_classes=7).state_dict(), tmp_path / "r.pth")
    assert len(cs.load("torchvision:resnet18", weights=tmp_path / "r.pth").classes) == 7


def test_timm_brings_its_metadata():
    net = cs.load("timm:resnet10t", weights="random")
    assert net.input_size == (176, 176) and net.crop == 0.875 and net.classes[0] == "tench"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("torchvision:resnet19", "did you mean resnet18"),
        ("timm:resnet10x", "did you mean"),
        ("vgg99", "did you mean vgg19"),
        ("vgg16", "weights='random'"),
        ("absent.py:f", "no Python file"),
        ("absent.pt2", "no exported program"),
    ],
)
def test_a_wrong_source_is_answered_with_what_would_work(source, words):
    with pytest.raises((ModelError, DataNotFound), match=re.escape(words)):
        cs.load(source)


def test_weights_alone_ask_for_their_network():
    with pytest.raises(InputError, match="weights without their network"):
        cs.load("some.pth")


def test_published_weights_that_cannot_be_fetched_say_where_to_get_them(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("name not known")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(ModelError, match=r"squeezenet1_0-b66bff10\.pth where there is a network"):
        cs.load("torchvision:squeezenet1_0")


def test_an_unknown_option_is_answered(python_file):
    with pytest.raises(InputError, match="did you mean classes"):
        cs.load(f"{python_file}:small", clases=["a", "b"])


def test_what_is_given_overrides_what_the_source_says(python_file):
    net = cs.load(f"{python_file}:small", classes=["a", "b"], mean=0.1)
    assert net.classes == ("a", "b") and net.mean.item() == pytest.approx(0.1)


def test_real_weights_name_their_classes_and_normalisation(shared_models):
    net = cs.load(
        f"{shared_models}/cifar_resnet.py:load", weights=shared_models / "cifar10_resnet20.safetensors"
    )
    assert net.classes[2] == "bird" and net.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    two = cs.load("lesson-2", weights=shared_models / "fashion_net_two_fc.safetensors")
    assert two.classes[9] == "Ankle boot" and two.input_size == (28, 28)
    mobile = shared_models / "mobilenet_v2_imagenet.safetensors"
    assert cs.load("torchvision:mobilenet_v2", weights=mobile).input_size == (224, 224)


def test_the_command_line_takes_imagenets_names():
    from convsight.cli.inputs import class_names

    assert class_names("imagenet") == "imagenet" and class_names("cat,dog") == ["cat", "dog"]
    net = cs.load("torchvision:squeezenet1_1", weights="random", classes=class_names("imagenet"))
    assert net.classes[281] == "tabby"
