"""Does `duplicates` find planted copies and leaks, and nothing else?"""

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore

CLASSES = ("a", "b")


@pytest.fixture(scope="module")
def net() -> cs.Classifier:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 2))
    return cs.Classifier(module, classes=CLASSES, input_size=8, channels=1)


def pictures(n: int, seed: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def made(train: torch.Tensor, test: torch.Tensor) -> Dataset:
    def split(pixels: torch.Tensor, name: str) -> Split:
        return Split(
            MemoryStore(pixels),
            torch.arange(len(pixels)) % 2,
            CLASSES,
            [f"{name}/{i}" for i in range(len(pixels))],
        )

    return Dataset(
        "toy", CLASSES, split(train, "train"), split(pictures(6, 9), "validation"), split(test, "test")
    )


def test_copies_are_found_across_and_within_splits_leaks_first(net):
    train, test = pictures(50, 0), pictures(20, 1)
    train[31] = train[4]
    test[7] = (
        train[12].float() + 3 * torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(2))
    ).clamp(0, 255)
    found = cs.duplicates(net, made(train, test))
    assert [row[:2] for row in found.rows] == [("train/12", "test/7"), ("train/4", "train/31")]
    assert [row[-1] for row in found.rows] == ["leak train-test", "within train"]
    assert 1 < found.rows[0][2] < 6 and found.rows[1][2] == 0
    assert found.rows[1][3:5] == ("a", "b") and "2 pairs carry two different labels" in found.notes[0]
    assert torch.equal(found.parts[0].images[1], made(train, test).test[7].pixels[0])


def test_another_exposure_is_still_the_same_picture(net):
    train, test = pictures(50, 0), pictures(20, 1)
    test[3] = (train[20].float() * 0.6 + 40).round()
    rows = cs.duplicates(net, made(train, test)).rows
    assert [row[:2] for row in rows] == [("train/20", "test/3")]


def test_different_pictures_and_plain_ones_are_no_pairs(net):
    train = pictures(50, 0)
    train[10], train[11] = 255, 255
    assert cs.duplicates(net, made(train, pictures(20, 1))).rows == ()


def test_every_pair_is_named_once_among_several_copies(net):
    train = pictures(50, 0)
    train[1] = train[2] = train[3] = train[0]
    rows = cs.duplicates(net, made(train, pictures(20, 1))).rows
    names = [frozenset(row[:2]) for row in rows]
    assert len(names) == len(set(names)) == 6


def test_the_tolerance_decides(net):
    train, test = pictures(50, 0), pictures(20, 1)
    test[7] = (
        train[12].float() + 6 * torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(2))
    ).clamp(0, 255)
    found = [len(cs.duplicates(net, made(train, test), tolerance=t).rows) for t in (1.0, 12.0)]
    assert found == [0, 1]
