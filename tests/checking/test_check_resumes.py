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

SHARD, PICTURES = 16, 90
NETWORK = """
import os, signal, torch
from torch import nn
class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
        self.asked, self.die_at = 0, 0
    def forward(self, x):
        self.asked += len(x) if len(x) > 2 else 0  # following the network asks about one or two
        if self.die_at and self.asked >= self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.body(x)
build = Counted
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
net = cs.load(f"{folder / 'counted.py'}:build")
net.module.asked, net.module.die_at = 0, 50
data = cs.dataset("drawn-garments", n_train=60, n_validation=10, n_test=20)
cs.check(data, net, results=Results(folder / "checks"))
"""


def test_a_killed_check_goes_on_and_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counted.py").write_text(NETWORK)
    code = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), str(SHARD)]
    assert subprocess.run(code, capture_output=True).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("check-features-*")
    done = len(list(left.glob("*.safetensors")))
    assert done == 3, "the fourth shard was in the making"

    monkeypatch.setattr(kept, "SHARD", SHARD)
    data = cs.dataset("drawn-garments", n_train=60, n_validation=10, n_test=20)
    net = cs.load(f"{tmp_path / 'counted.py'}:build")
    found = cs.check(data, net, results=Results(tmp_path / "checks"))
    assert net.module.asked == PICTURES - done * SHARD
    assert not list(tmp_path.glob("check-features-*")), "what is not needed any more is taken away"
    whole = cs.check(data, net)
    assert found.rows == whole.rows and found.notes == whole.notes
