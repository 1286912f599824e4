"""A story with a network from elsewhere shows it each picture once, at one size, for the check and for the probe."""

from __future__ import annotations

from pathlib import Path

import pytest

import convsight as cs
from convsight.features import kept
from convsight.features.kept import FOLDER
from convsight.picture import write_picture
from convsight.report import story as told
from convsight.training.opening import opened
from convsight.training.start import start_from

NETWORK = """
import torch
from torch import nn
MEAN, STD, INPUT_SIZE = (0.5,) * 3, (0.5,) * 3, 224
def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 8, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)
    )
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures of 40 pixels, far smaller than the network's 224."""
    folder = tmp_path_factory.mktemp("photos")
    drawn = cs.dataset("drawn-garments-colour", n_train=120, n_validation=10, n_test=10, size=40).train
    for kind in (3, 8, 9):
        (folder / drawn.classes[kind]).mkdir()
        for i, picture in enumerate(drawn[(drawn.labels == kind).nonzero()[:8, 0]].pixels):
            write_picture(folder / drawn.classes[kind] / f"{i}.png", (picture * 255).byte())
    (folder / "mine.py").write_text(NETWORK)
    return folder


def test_check_and_probe_share_one_pass(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, made = f"{photos / 'mine.py'}:build", []
    write = kept.write_atomic
    monkeypatch.setattr(kept, "write_atomic", lambda path, body: (made.append(path), write(path, body)))
    start = start_from(network, None)
    pictures = opened(photos, {}, start)[0]
    assert pictures.size == (128, 128), "small pictures are not enlarged to all of 224"
    found = told._checked(photos, pictures, start, tmp_path, 0)
    assert any("at 128×128 pixels" in note for note in found.notes)
    cs.train(photos, "probe", network=network, out=tmp_path, size=128)
    shards = [path for path in made if path.name != kept.ANSWERS and path.parent.name == FOLDER]
    assert len(shards) == len(set(shards)) == len(list((tmp_path / FOLDER).glob("*-of-*")))
    assert not (tmp_path / FOLDER / kept.LEVELS).exists(), "what the check alone needed is gone"


def test_a_check_by_itself_shows_small_pictures_at_their_size_too(photos: Path) -> None:
    found = cs.check(photos, cs.load(f"{photos / 'mine.py'}:build"))
    assert any("at 128×128 pixels" in note for note in found.notes)
