"""A training that begins with a network of timm or of Hugging Face: tiny ones with random weights, nothing is fetched."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from tests.training.test_pretrained import TO_THE_END, bar_data

import convsight as cs
from convsight.bring.torchvision_shim import import_torchvision
from convsight.run import Run
from convsight.training import Recipe, train
from convsight.training.evaluate import test as measure

import_torchvision()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `save_pretrained` writes of a small ResNet of transformers, which answers with an object, not a tensor."""
    transformers = importlib.import_module("transformers")
    torch.manual_seed(3)
    config = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 24], depths=[1, 1], layer_type="basic",
        id2label={0: "cat", 1: "dog", 2: "owl"},
    )  # fmt: skip
    into = tmp_path_factory.mktemp("hub")
    transformers.AutoModelForImageClassification.from_config(config).save_pretrained(into)
    (into / "preprocessor_config.json").write_text(
        '{"size": {"shortest_edge": 32}, "image_mean": [0.4, 0.4, 0.4], "image_std": [0.3, 0.3, 0.3]}'
    )
    return f"hf:{into}"


def is_measured_again(run: Run) -> None:
    """The run opens by name, in another object, and its network answers the test pictures as was measured."""
    net = Run.open(run.path).classifier
    assert net.classes == ("upright", "lying")
    assert measure(net, bar_data().test, flip=False)["right"] == run.metrics["test"]["right"]


@pytest.mark.parametrize("recipe", ["probe", TO_THE_END], ids=["probe", "finetune"])
def test_a_network_of_hugging_face_gets_a_head_for_these_classes(
    folder: str, recipe: str | Recipe, tmp_path: Path
) -> None:
    epochs = None if recipe == "probe" else 1
    run = train(bar_data(), recipe, network=folder, epochs=epochs, out=tmp_path / "r")
    assert run.config["network"]["output"] == "logits" and run.config["mean"] == pytest.approx([0.4] * 3)
    before, after = cs.load(folder).module.state_dict(), run.classifier.module.state_dict()
    stem = "resnet.embedder.embedder.convolution.weight"
    assert torch.equal(before[stem], after[stem]) == (recipe == "probe")
    assert run.metrics["test"]["accuracy"] > 0.6
    is_measured_again(run)


def test_a_network_of_timm_gets_a_head_for_these_classes(tmp_path: Path) -> None:
    options = {"network": "timm:test_resnet", "weights": "random", "size": 64}
    run = train(bar_data(), "probe", **options, out=tmp_path / "r")
    assert run.config["network"]["source"] == "timm:test_resnet"
    assert run.config["network"]["weights"] == "random"
    assert run.config["size"] == [64, 64] and run.config["mean"] == [0.5] * 3
    assert run.metrics["test"]["accuracy"] > 0.6
    is_measured_again(run)
