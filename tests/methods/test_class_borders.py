"""Do borders find the classes that overlap, and the pictures between them?"""

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.features.classes import borders, centroids
from convsight.images import Images


def line() -> tuple[torch.Tensor, torch.Tensor]:
    """Class 0 at 0 … 4, class 1 at 3 … 7 (overlapping), class 2 far away at 100 … 104."""
    values = torch.cat([torch.arange(5.0), torch.arange(3.0, 8.0), torch.arange(100.0, 105.0)])[:, None]
    return values, torch.tensor([0] * 5 + [1] * 5 + [2] * 5)


def test_centres_and_spreads_are_means_and_standard_deviations():
    values, labels = line()
    found = centroids(values, labels)
    torch.testing.assert_close(found.centres.flatten(), torch.tensor([2.0, 5.0, 102.0]))
    torch.testing.assert_close(found.spread, values[:5].std(correction=0).expand(3))
    torch.testing.assert_close(found.distances[0], torch.tensor([2.0, 5.0, 102.0]))


def test_the_overlapping_pair_comes_first_with_the_pictures_between():
    values, labels = line()
    first, *others = borders(centroids(values, labels), labels, show=4)
    assert (first.first, first.second) == (0, 1) and all(p.strays == 0 for p in others)
    assert first.strays == pytest.approx(2 / 10)  # 4 lies nearer to 5 than to 2, and 3 nearer to 2
    assert first.gap == pytest.approx(3 / 2**0.5, rel=1e-5)
    # The plane midway is at 3.5: 3 and 4 of either class are half a unit from it.
    assert set(first.between) == {3, 4, 5, 6}


@pytest.fixture(scope="module")
def identity() -> cs.Classifier:
    """A network whose features are the pixels of a 2×2 picture."""
    linear = nn.Linear(4, 4)
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
    module = nn.Sequential(nn.Flatten(), linear, nn.Linear(4, 3))
    return cs.Classifier(module, classes=("a", "b", "c"), input_size=2, channels=1)


def toy(labels: list[int], seed: int = 0) -> Dataset:
    centres = torch.tensor([[10, 10, 10, 10], [60, 60, 10, 10], [240, 240, 240, 240]])
    noise = torch.randint(0, 10, (len(labels), 4), generator=torch.Generator().manual_seed(seed))
    pixels = (centres[torch.tensor(labels)] + noise).to(torch.uint8).view(-1, 1, 2, 2)
    split = Split(
        MemoryStore(pixels), torch.tensor(labels), ("a", "b", "c"), [f"t/{i}" for i in range(len(labels))]
    )
    return Dataset("toy", ("a", "b", "c"), split, split.take([]), split)


def test_the_table_names_the_classes_that_lie_side_by_side(identity):
    data = toy([0, 1, 2] * 8)
    found = cs.class_borders(identity, data, pairs=2, show=4)
    assert {found.rows[0][0], found.rows[0][1]} == {"a", "b"} and len(found.rows) == 3
    features = Images(data.test[:].pixels).pixels.flatten(1)
    means = torch.stack([features[data.test.labels == k].mean(0) for k in range(3)])
    spread = [
        (features[data.test.labels == k] - means[k]).norm(dim=1).square().mean().sqrt() for k in range(3)
    ]
    gap = float((means[0] - means[1]).norm() / (spread[0] + spread[1]) * 2)
    assert found.rows[0][2] == pytest.approx(gap, abs=2e-3)
    assert "100.0% of the 24 test pictures" in found.notes[0] and found.draw().ndim == 3


def test_classes_without_pictures_and_uneven_rows_are_drawn(identity):
    found = cs.class_borders(identity, toy([0, 0, 0, 0, 1]), show=6)
    assert len(found.rows) == 1 and found.draw().ndim == 3


def test_one_class_has_no_borders(identity):
    with pytest.raises(InputError, match="two classes or more"):
        cs.class_borders(identity, toy([1, 1, 1]))
