"""Folders that `save_pretrained` wrote: any image classifier, with its classes, size and normalisation."""

import json
import sys

import huggingface_hub
import pytest
import torch

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.errors import DataNotFound, MissingExtra, ModelError

import_torchvision()
transformers = pytest.importorskip("transformers")
NAMES = {0: "cat", 1: "dog", 2: "owl"}
SMALL = {
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
    "vit": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 8},
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "mobilenet_v2": {"depth_multiplier": 0.25, "image_size": 32},
}  # fmt: skip


def saved(folder, kind, processor=None, **given):
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, id2label=NAMES, **{**SMALL[kind], **given})
    module = transformers.AutoModelForImageClassification.from_config(config).eval()
    module.save_pretrained(folder)
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return module


PROCESSOR = {
    "do_resize": True, "size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32},
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4],
}  # fmt: skip


@pytest.mark.parametrize("kind", SMALL)
def test_a_folder_gives_its_own_scores_classes_and_normalisation(tmp_path, kind):
    module = saved(tmp_path, kind, PROCESSOR)
    net = cs.load(f"hf:{tmp_path}")
    assert net.classes == ("cat", "dog", "owl")
    assert net.input_size == (32, 32) and net.crop == pytest.approx(0.8)
    pixels = torch.rand(2, 3, 32, 32)
    inside = (pixels - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(
        3, 1, 1
    )
    with torch.no_grad():
        torch.testing.assert_close(net.scores(pixels), module(inside).logits)


def test_saliency_and_occlusion_are_those_of_the_logits(tmp_path):
    module = saved(tmp_path, "resnet")
    net, pixels = cs.load(f"hf:{tmp_path}", input_size=32), torch.rand(1, 3, 32, 32)
    leaf = pixels.clone().requires_grad_()
    gradient = torch.autograd.grad(module(leaf).logits[:, 1].sum(), leaf)[0]
    torch.testing.assert_close(cs.saliency(net, pixels, target="dog").per_channel, gradient)
    hidden = pixels.clone()
    hidden[:, :, :16, :16] = 0
    fall = cs.occlusion(net, pixels, target="dog", patch=16, stride=16, fill="black").scores[0, 0, 0]
    assert fall == pytest.approx(float(module(hidden).logits[0, 1].detach()), abs=1e-5)


@pytest.mark.parametrize(
    ("processor", "size", "crop"),
    [
        ({"size": {"height": 48, "width": 32}, "do_center_crop": False}, (48, 32), 1.0),
        ({"size": 32}, (32, 32), 1.0),
        ({"size": {"shortest_edge": 64}, "crop_pct": 0.875}, (64, 64), 0.875),
        ({"size": {"shortest_edge": 36}, "crop_size": 32}, (32, 32), 32 / 36),
    ],
)
def test_the_size_is_read_however_the_processor_writes_it(tmp_path, processor, size, crop):
    saved(tmp_path, "resnet", processor)
    net = cs.load(f"hf:{tmp_path}")
    assert net.input_size == size and net.crop == pytest.approx(crop)
    assert net.mean is None


def test_a_folder_without_a_processor_says_what_was_guessed(tmp_path):
    saved(tmp_path, "resnet")
    assert any("224×224 was taken" in note for note in cs.load(f"hf:{tmp_path}").notes)


def test_weights_of_another_file_go_in(tmp_path):
    saved(tmp_path / "a", "vit")
    other = transformers.AutoModelForImageClassification.from_config(
        transformers.AutoConfig.from_pretrained(tmp_path / "a")
    ).eval()
    torch.save({"state_dict": {f"model.{k}": v for k, v in other.state_dict().items()}}, tmp_path / "w.ckpt")
    net, pixels = cs.load(f"hf:{tmp_path}/a", weights=tmp_path / "w.ckpt"), torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(net.scores(pixels), other(pixels).logits.detach())


def test_a_folder_may_be_given_as_it_is(tmp_path):
    saved(tmp_path, "resnet", PROCESSOR)
    assert cs.load(tmp_path).classes == ("cat", "dog", "owl")


def test_what_is_not_there_is_said_with_the_way_out(tmp_path, monkeypatch):
    with pytest.raises(DataNotFound, match="no folder"):
        cs.load(f"hf:{tmp_path}/absent")
    tmp_path.joinpath("empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json and model\.safetensors"):
        cs.load(f"hf:{tmp_path}/empty")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="Without a network"):
        cs.load("hf:nobody/nothing")


@pytest.mark.parametrize("name", ["hf:nobody/nothing", "timm:resnet10t"])
def test_nobody_waits_for_a_hub_that_cannot_be_reached(name, tmp_path, monkeypatch):
    class Unreachable:
        def head(self, *_, **__):
            raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))  # nothing was fetched before
    monkeypatch.setattr("huggingface_hub.get_session", Unreachable)
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
    with pytest.raises(ModelError, match=r"weights FILE|load\('hf:FOLDER'\)"):
        cs.load(name)
    assert not huggingface_hub.constants.HF_HUB_OFFLINE, "the client is as it was"


def test_without_transformers_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"convsight\[hf\]"):
        cs.load("hf:nobody/nothing")
