"""`convsight fix` as a person uses it: after an audit, from the run's own files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import convsight as cs
from convsight.cli import main
from convsight.datasets import dataset
from convsight.datasets.arrays import from_arrays
from convsight.datasets.planted import Cue, plant
from convsight.shortcuts.probes import Region
from convsight.shortcuts.saved import described, save_verdicts

CLASSES = ["Pullover", "Coat", "Shirt"]


@pytest.fixture(scope="module")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of three classes that reads a tag in the corner, its data in a file, and its audit."""
    folder = tmp_path_factory.mktemp("fix")
    garments = dataset("drawn-garments", limit=1000)
    arrays = {}
    for name, split in garments.splits.items():
        index = torch.isin(split.labels, torch.tensor([garments.classes.index(c) for c in CLASSES]))
        images = split[index.nonzero().flatten()]
        assert images.labels is not None
        labels = [CLASSES.index(garments.classes[k]) for k in images.labels.tolist()]
        arrays[name] = (images.pixels, np.array(labels))
    planted = plant(from_arrays(arrays, classes=CLASSES), Cue("corner_tag", 3, seed=2), "Shirt", 1.0)
    parts = {"train": "train", "validation": "val", "test": "test"}
    saved = {
        f"{axis}_{parts[name]}": value
        for name, split in planted.dataset.splits.items()
        for axis, value in (("x", split[:].pixels.numpy()), ("y", split.labels.numpy()))
    }
    saved["classes"] = np.array(CLASSES)
    np.savez(folder / "tagged.npz", allow_pickle=False, **saved)
    knobs = {"network": "lesson-1", "lr": 5e-3, "epochs": 20}
    cs.train(folder / "tagged.npz", "quick", out=folder / "run", device="cpu", **knobs)
    parameters, tensors = described(Region(planted.mask(planted.clean.test[:1])[0]))
    found = {"found": True, "target": "Shirt", "kind": "place", "sentence": "Shirt leans on a corner."}
    verdicts = [
        cs.Verdict(**found, parameters=parameters, tensors=tensors),
        cs.Verdict(found=False, sentence="Nothing else."),
    ]
    save_verdicts(folder / "run", verdicts, {"data": "tagged"})
    return folder / "run"


def test_the_fix_is_printed_as_json_and_kept_in_a_new_run(run_path: Path, capsys):
    out = run_path.with_name("mended")
    assert main(["fix", str(run_path), "--out", str(out), "--json", "--device", "cpu"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["run"] == str(out) and printed["claim"] == "Shirt leans on a corner."
    assert printed["before"]["worst"] < 0.6 and printed["after"]["worst"] > printed["before"]["worst"] + 0.2
    audited = json.loads((out / "audit.json").read_text())["verdicts"]
    found = [verdict["target"] for verdict in audited if verdict["found"]]
    assert printed["still_found"] == ("Shirt" in found)
    assert json.loads((out / "metrics.json").read_text())["fix"]["after"] == printed["after"]
    assert cs.Run.open(out).dataset.classes == tuple(CLASSES)


def test_a_person_reads_a_table(run_path: Path, capsys):
    out = run_path.with_name("table")
    words = ["fix", str(run_path), "--out", str(out), "--no-audit", "--epochs", "4", "--device", "cpu"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Shirt without it" in printed and "before" in printed and str(out) in printed.replace("\n", "")
    assert not (out / "audit.json").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--verdict", "2"], "verdict 2 of"),
        (["--verdict", "7"], "no verdict 7"),
        (["--share", "2"], "share must be above 0"),
    ],
)
def test_mistakes_are_explained(run_path: Path, capsys, words: list[str], told: str):
    assert main(["fix", str(run_path), *words]) == 2
    assert told in capsys.readouterr().err.replace("\n", " ")


def test_a_run_that_was_not_audited_is_sent_to_the_audit(run_path: Path, tmp_path: Path, capsys):
    for file in ("config.json", "metrics.json", "weights.safetensors"):
        (tmp_path / file).write_bytes((run_path / file).read_bytes())
    assert main(["fix", str(tmp_path)]) == 1
    assert "convsight audit" in capsys.readouterr().err
