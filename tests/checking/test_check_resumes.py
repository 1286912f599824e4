"""A check that was killed in the middle of its pass goes on from its last shard, and finds the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import convsight as cs
from convsight.features import kept
from convsight.results.stored import Results

SHARD = 16  # pictures
NETWORK = """
import os, signal, torch
from pathlib import Path
from torch import nn
class Mortal(nn.Module):
    folder = None
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    def forward(self, x):
        if Mortal.folder and len(list(Path(Mortal.folder).glob("*/*.safetensors"))) >= 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.body(x)
build = Mortal
INPUT_SIZE, CHANNELS = 28, 1
"""
KILLED = """
import sys
from pathlib import Path
import convsight as cs
from convsight.features import kept
from convsight.results.stored import Results
folder = Path(sys.argv[1])
kept.SHARD = int(sys.argv[2])
net = cs.load(f"{folder / 'mortal.py'}:build")
type(net.module).folder = folder
data = cs.dataset("drawn-garments", n_train=60, n_validation=10, n_test=20)
cs.check(data, net, results=Results(folder / "checks"))
"""


def test_a_killed_check_goes_on_and_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mortal.py").write_text(NETWORK)
    code = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), str(SHARD)]
    assert subprocess.run(code, capture_output=True).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("check-features-*")
    assert len(list(left.glob("*.safetensors"))) == 3, "the fourth shard was in the making"

    monkeypatch.setattr(kept, "SHARD", SHARD)
    made: list[str] = []
    write = kept.write_atomic
    monkeypatch.setattr(kept, "write_atomic", lambda path, body: (made.append(path.name), write(path, body)))
    data = cs.dataset("drawn-garments", n_train=60, n_validation=10, n_test=20)
    net = cs.load(f"{tmp_path / 'mortal.py'}:build")
    found = cs.check(data, net, results=Results(tmp_path / "checks"))
    rest = [
        "train-00003-of-00004.safetensors",
        "validation-00000-of-00001.safetensors",
        "test-00000-of-00002.safetensors",
        "test-00001-of-00002.safetensors",
    ]
    # the features that were missing, then, as these are far from the drawings, what the earlier layer says of them all
    assert made == [*rest, *[f"train-{shard:05d}-of-00004.safetensors" for shard in range(3)], *rest]
    assert not list(tmp_path.glob("check-features-*")), "what is not needed any more is taken away"
    whole = cs.check(data, net)
    assert found.rows == whole.rows and found.notes == whole.notes


def test_a_stopped_check_without_a_network_keeps_its_patches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "SHARD", SHARD)
    data = cs.dataset("drawn-garments", n_train=30, n_validation=10, n_test=10)
    made: list[str] = []
    write = kept.write_atomic

    def write_two(path: Path, body: bytes) -> None:
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(path.name)
        write(path, body)

    monkeypatch.setattr(kept, "write_atomic", write_two)
    with pytest.raises(KeyboardInterrupt):
        cs.check(data, results=Results(tmp_path / "checks"))
    assert made == ["patches.safetensors", "train-00000-of-00002.safetensors"]

    monkeypatch.setattr(kept, "write_atomic", lambda path, body: (made.append(path.name), write(path, body)))
    found = cs.check(data, results=Results(tmp_path / "checks"))
    assert made[2:] == [
        "train-00001-of-00002.safetensors",
        "validation-00000-of-00001.safetensors",
        "test-00000-of-00001.safetensors",
    ]
    whole = cs.check(data)
    assert found.rows == whole.rows and found.notes == whole.notes
