"""Weights are found in checkpoints as trainers write them, and what was chosen or left out is said."""

import argparse
import pathlib
import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import ModelError

CODE = """
from torch import nn
def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""
PIXELS = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def network(seed=5):
    space = {}
    exec(CODE, space)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return space["build"]().eval()


def loaded(tmp_path, content, name="last.ckpt", asked=""):
    (tmp_path / "mine.py").write_text(CODE)
    if name.endswith("safetensors"):
        save_file(content, tmp_path / name)
    else:
        torch.save(content, tmp_path / name)
    return cs.load(f"{tmp_path}/mine.py:build", weights=f"{tmp_path}/{name}{asked}", input_size=16)


def worn(prefix, seed=5):
    return {prefix + name: tensor for name, tensor in network(seed).state_dict().items()}


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "net.",
        "model.",
        "backbone.",
        "module.",
        "_orig_mod.",
        "model._orig_mod.",
        "module._orig_mod.model.",
        "a.b.c.",
    ],
)
@pytest.mark.parametrize("place", [(), ("state_dict",), ("checkpoint", "model")])
def test_any_prefix_and_any_place_give_the_same_scores(tmp_path, prefix, place):
    content = worn(prefix)
    for name in reversed(place):
        content = {"epoch": 3, name: content, "optimizer": {"state": {}, "param_groups": []}}
    net = loaded(tmp_path, content)
    with torch.no_grad():
        assert torch.equal(net.scores(PIXELS), network()(PIXELS))
    assert net.notes == ()


def test_losses_metrics_and_counters_are_left_out_with_a_note(tmp_path):
    more = {
        "criterion.weight": torch.ones(2),
        "val_acc.tp": torch.zeros(1),
        "model.total_ops": torch.zeros(1),
    }
    net = loaded(tmp_path, {"state_dict": {**worn("model."), **more}})
    assert torch.equal(net.scores(PIXELS), network()(PIXELS).detach())
    assert "Left out of last.ckpt" in net.notes[0] and "criterion.weight" in net.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": worn("", 5), "state_dict_ema": worn("", 6)},
        {"model": worn("module.", 5), "model_ema": worn("module.", 6)},
        {"model": worn("", 5), "ema": worn("", 6)},
        {"state_dict": {**worn("model.", 5), **worn("ema.module.", 6)}},
        {"state_dict": {**worn("net.", 5), **worn("ema_model.", 6)}} | {"hyper_parameters": {"lr": 1}},
    ],
)
def test_averaged_weights_are_taken_and_both_are_named(tmp_path, content):
    net = loaded(tmp_path, content)
    if "ema_model.0.weight" not in content.get("state_dict", {}):
        assert torch.equal(net.scores(PIXELS), network(6)(PIXELS).detach())
    assert "averaged weights" in net.notes[0] and "#" in net.notes[0]
    other = re.search(r"'last\.ckpt#(.*?)'", net.notes[0])[1]
    assert torch.equal(
        loaded(tmp_path, content, asked=f"#{other}").scores(PIXELS), network(5)(PIXELS).detach()
    )


def test_a_name_that_is_not_in_the_file_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(ModelError, match="called 'teacher'.*state_dict"):
        loaded(tmp_path, {"state_dict": worn("model."), "model_ema": worn("")}, asked="#teacher")


def test_hyper_parameters_of_any_class_are_not_read(tmp_path):
    hyper = argparse.Namespace(lr=1e-3, out=pathlib.PurePosixPath("x"))
    net = loaded(tmp_path, {"state_dict": worn("model."), "hyper_parameters": hyper})
    assert torch.equal(net.scores(PIXELS), network()(PIXELS).detach())


class Harmful:
    def __reduce__(self):
        return (pathlib.Path.write_text, (pathlib.Path("harm.txt"), "was run"))


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="could run code"):
        loaded(tmp_path, {"state_dict": worn("model."), "callbacks": Harmful()})
    assert not (tmp_path / "harm.txt").exists()


def test_a_wrapper_that_only_the_network_has_is_no_obstacle(tmp_path):
    torch.save(worn(""), tmp_path / "w.pth")
    inner = nn.Module()
    inner.backbone, inner.forward = network(9), lambda x: inner.backbone(x)
    net = cs.load(inner, weights=tmp_path / "w.pth", input_size=16)
    assert torch.equal(net.scores(PIXELS), network()(PIXELS).detach())


def test_weights_of_a_larger_network_are_not_taken_for_those_of_a_part(tmp_path):
    larger = {**worn("backbone."), "backbone2.weight": torch.zeros(500, 20)}
    with pytest.raises(ModelError, match="most of the file does not"):
        loaded(tmp_path, larger)


def resnet(**given):
    return import_torchvision().models.resnet18(**given).eval()


def test_a_head_behind_a_dropout_is_built(tmp_path):
    trained = resnet()
    trained.fc = nn.Sequential(nn.Dropout(0.3), nn.Linear(512, 3))
    torch.save({"state_dict": {f"net.{k}": v for k, v in trained.state_dict().items()}}, tmp_path / "w.ckpt")
    net = cs.load("torchvision:resnet18", weights=tmp_path / "w.ckpt", input_size=32)
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(net.scores(pixels), trained.eval()(net.normalise(pixels)))
    assert any("fc" in note and "dropout" in note for note in net.notes)


@pytest.mark.parametrize("source", ["torchvision:resnet18", "timm:resnet18"])
def test_a_stem_of_one_channel_is_built(tmp_path, source):
    trained = resnet(num_classes=3)
    trained.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    torch.save(trained.eval().state_dict(), tmp_path / "w.pth")
    net = cs.load(source, weights=tmp_path / "w.pth", input_size=32)
    pixels = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(net.scores(pixels), trained(net.normalise(pixels)))
    assert net.channels == 1 and any("averages" in note for note in net.notes)


def test_a_head_of_several_layers_asks_for_a_python_file(tmp_path):
    trained = resnet()
    trained.fc = nn.Sequential(nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 3))
    torch.save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"(?s)fc\.0 8×512, fc\.2 3×8.*mine\.py:build"):
        cs.load("torchvision:resnet18", weights=tmp_path / "w.pth", input_size=32)
