"""An exported file answers like the run, without convsight, and its card says what was measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from tests.training.test_pretrained import NETWORK, bar_data

import convsight as cs
from convsight.cli import main
from convsight.errors import InputError
from convsight.exporting import export, usage
from convsight.report.card import model_card
from convsight.run import METRICS, Run
from convsight.storage import write_json
from convsight.training import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("exported")
    (folder / "mine.py").write_text(NETWORK)
    return train(bar_data(60, 60), "probe", network=f"{folder / 'mine.py'}:build", out=folder / "bars")


@pytest.fixture(scope="module")
def pixels(run: Run) -> torch.Tensor:
    return run.dataset.test[:7].pixels


def test_onnx_answers_like_the_run_for_any_number_of_pictures(
    run: Run, pixels: torch.Tensor, tmp_path: Path
) -> None:
    session = onnxruntime.InferenceSession(run.export(tmp_path / "net.onnx"))
    for n in (1, 7):
        (scores,) = session.run(["scores"], {"pixels": pixels[:n].numpy()})
        np.testing.assert_allclose(scores, run.classifier.scores(pixels[:n]).numpy(), atol=1e-4, rtol=1e-4)
    assert cs.load(str(tmp_path / "net.onnx")).classes == ("upright", "lying")


def test_a_program_answers_like_the_run_and_knows_its_classes(
    run: Run, pixels: torch.Tensor, tmp_path: Path
) -> None:
    path = run.export(tmp_path / "net.pt2")
    program = torch.export.load(path).module(check_guards=False)
    for n in (1, 7):
        torch.testing.assert_close(
            program(pixels[:n]).detach(), run.classifier.scores(pixels[:n]), atol=1e-4, rtol=1e-4
        )
    again = cs.load(str(path))
    assert again.classes == ("upright", "lying")
    torch.testing.assert_close(again.scores(pixels), run.classifier.scores(pixels), atol=1e-4, rtol=1e-4)


def test_weights_carry_what_prepares_their_pictures(run: Run, tmp_path: Path) -> None:
    path = run.export(tmp_path / "net.safetensors")
    with safe_open(path, "pt") as file:
        header = file.metadata()
        assert torch.equal(file.get_tensor("8.weight"), run.classifier.module.state_dict()["8.weight"])
    assert header["input"] == "3x32x32" and header["classes"] == '["upright", "lying"]'
    assert header["mean"] == "[0.4, 0.4, 0.4]"


def test_the_network_is_as_it_was(run: Run, tmp_path: Path) -> None:
    net = run.classifier
    before, modes = net.weights_hash, [m.training for m in net.module.modules()]
    for suffix in (".pt2", ".safetensors"):
        export(net, tmp_path / f"n{suffix}")
    assert net.weights_hash == before and [m.training for m in net.module.modules()] == modes


@pytest.mark.parametrize("suffix", [".onnx", ".pt2", ".safetensors"])
def test_the_usage_text_runs_and_names_the_class(run: Run, tmp_path: Path, suffix: str) -> None:
    run.export(tmp_path / f"net{suffix}")
    picture = run.dataset.test[:1]
    array = (picture.pixels[0].permute(1, 2, 0) * 255).round().byte().numpy()
    wide = np.full((32, 96, 3), 255, np.uint8)  # the middle is what the run would see of it
    wide[:, 32:64] = array
    Image.fromarray(wide).save(tmp_path / "picture.png")
    code = usage(run.classifier, f"net{suffix}", suffix, run.config["network"]["source"])
    code = code.replace("picture.jpg", "picture.png") + "print(scores[0].tolist())\n"
    assert len(code.strip().splitlines()) <= 11
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(root / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = run.classifier.classes[int(run.classifier.predict(picture)[0])]
    name, scores = done.stdout.splitlines()
    assert name == expected
    torch.testing.assert_close(
        torch.tensor(json.loads(scores)), run.classifier.scores(picture)[0], atol=1e-3, rtol=1e-3
    )


def test_the_command_writes_file_card_and_usage(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run.path), "-o", str(tmp_path / "net.onnx")]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime.InferenceSession('net.onnx')" in said
    card = (tmp_path / "net.card.md").read_text()
    assert card.startswith("---\nlibrary_name: convsight\npipeline_tag: image-classification\n")
    test = run.metrics["test"]
    assert f"value: {test['accuracy']:.4f}" in card
    for row in test["per_class"]:
        assert f"| {row['class']} | {row['n']} |" in card
    assert "Not audited" in card and "cross" not in card.split("## How good")[0]
    assert str(run.path.parent) not in card, "no folder of this machine"
    assert f"{run.metrics['cross_validation']['accuracy']:.2%}" in card


def test_the_card_says_whose_the_figure_of_all_pictures_is(run: Run, tmp_path: Path) -> None:
    assert "by such a probe" in model_card(run) and "says more than the few test pictures" in model_card(run)
    tuned = Path(shutil.copytree(run.path, tmp_path / "tuned"))
    metrics = json.loads((tuned / METRICS).read_text())
    metrics["training"]["epochs"] = 3  # as if all layers had learned on
    write_json(tuned / METRICS, metrics)
    card = model_card(Run(tuned, module=run.classifier.module, data=run.dataset))
    assert "by the probe that it started from" in card and "says more than" not in card


def test_what_cannot_be_written_is_said(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"exported as \.onnx, \.pt2, \.safetensors, not as 'net\.h5'"):
        run.export(tmp_path / "net.h5")
    with pytest.raises(InputError, match=r"are for \.onnx files"):
        run.export(tmp_path / "net.pt2", half=True)
