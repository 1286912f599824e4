"""The means of the maps of earlier layers, which layers these are, and pictures that only these layers tell apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import convsight as cs
from convsight.architectures import build
from convsight.checking import findings_of
from convsight.checking.mislabelled import judge_by
from convsight.checking.subject import CheckedPictures
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.features.levels import level_layers, level_vectors
from convsight.features.selection import Selection
from convsight.network.classifier import Classifier
from convsight.results.stored import Results

N, WRONG = 200, 10


def blind() -> Classifier:
    """Its first layer sees red and green apart, its second only how bright both are together."""
    first, second = nn.Conv2d(3, 2, 1, stride=2, bias=False), nn.Conv2d(2, 3, 1, stride=2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.eye(2, 3).view(2, 3, 1, 1))
        second.weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 2.0], [0.5, 0.5]]).view(3, 2, 1, 1))
    body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(*body, nn.Linear(3, 5)).eval()
    return Classifier(net, input_size=16, channels=3, name="blind")


def tinted(classes: tuple[str, str] = ("plum", "lime")) -> tuple[Dataset, set[str]]:
    """Noise with more red, or with more green in it, equally bright; some labels are wrong, and which."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(60, 120, (N, 3, 16, 16), generator=random, dtype=torch.uint8)
    true = torch.arange(N) % 2
    pixels[torch.arange(N), true] += 60
    wrong = torch.randperm(N, generator=random)[:WRONG]
    labels = true.clone()
    labels[wrong] = 1 - labels[wrong]
    ids = [f"{i}.png" for i in range(N)]
    all_of_them = Split(MemoryStore(pixels), labels, classes, ids)
    none = all_of_them.take([])
    return Dataset("tinted", classes, all_of_them, none, none), {ids[i] for i in wrong.tolist()}


def test_the_levels_are_the_last_maps_of_each_size_and_the_vector() -> None:
    net = Classifier(build("lesson-2", 10, 1, (28, 28)), input_size=28, channels=1)
    assert level_layers(net) == ("relu#2", "pool#2", "drop")  # 11 and 5 pixels wide, then 50 numbers
    assert level_layers(blind()) == ("1", "5"), "the mean of the last maps is the vector itself"


def test_the_vectors_are_the_means_of_the_maps_side_by_side() -> None:
    net, random = blind(), torch.Generator().manual_seed(1)
    images = cs.Images(torch.rand(3, 3, 16, 16, generator=random))
    with torch.no_grad():
        maps = net.module[:2](images.pixels)
        by_hand = torch.cat([maps.mean((2, 3)), net.module[:6](images.pixels)], 1)
        other = net.module[:2](images.pixels.flip(3)).mean((2, 3))
    assert torch.allclose(level_vectors(net)(images), by_hand, atol=1e-6)
    both = level_vectors(net, mirrored=True)(images)
    assert torch.allclose(both[:, :2], (maps.mean((2, 3)) + other) / 2, atol=1e-6)
    assert not torch.allclose(both[:, :2], by_hand[:, :2], atol=1e-4)  # every second pixel: sides differ


def test_a_check_asks_earlier_layers_where_the_last_is_blind_and_says_so(tmp_path: Path) -> None:
    data, wrong = tinted()
    found = cs.check(data, blind(), sure=0, keep=tmp_path / "kept", results=Results(tmp_path / "results"))
    assert "1 earlier layer" in found.notes[0]
    doubted = {f.id for f in findings_of(found) if f.problem == "mislabelled"}
    assert doubted <= wrong and len(doubted) >= 0.8 * WRONG
    left = {path.name for path in (tmp_path / "kept").iterdir()}
    assert "levels" not in left and any(name.startswith("train") for name in left)
    again = cs.check(data, blind(), sure=0)  # without a folder, in memory
    assert again.rows == found.rows


def test_classes_called_by_a_side_are_not_mirrored() -> None:
    for classes, alike in ((("plum", "lime"), True), (("left", "right"), False)):
        data = tinted(classes)[0]
        subject = CheckedPictures(data, Selection.of(data), blind(), 0)
        assert subject.sides_alike == alike
        assert ("both sides" in subject.levels_in_words) == alike
        expected = level_vectors(blind(), mirrored=alike)(data.train[:4])
        assert torch.allclose(subject.levels[:4], expected, atol=1e-6)


def test_many_classes_are_judged_by_the_last_layer_alone_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("convsight.checking.table.MOST_SCORES", 2 * N - 1)
    found = cs.check(tinted()[0], blind())
    assert "earlier layer" not in found.notes[0]
    assert any("were not asked: 200 pictures of 2 classes" in note for note in found.notes)


def test_later_kinds_of_features_are_made_only_where_the_first_are_far() -> None:
    labels = torch.arange(60) % 2
    telling = labels[:, None] + 0.01 * torch.arange(60.0)[:, None].remainder(7)
    noise = torch.randn(60, 1, generator=torch.Generator().manual_seed(0))
    made: list[str] = []

    def kind(name: str, values: Tensor) -> tuple[str, Callable[[], Tensor]]:
        return name, lambda: made.append(name) or values

    assert judge_by([kind("good", telling), kind("never", noise)], labels, 2).by == "good"
    assert judge_by([kind("weak", noise), kind("better", telling)], labels, 2).by == "better"
    assert judge_by([kind("weak", noise), kind("weaker", noise * 0)], labels, 2).by == "weak"
    assert made == ["good", "weak", "better", "weak", "weaker"]
