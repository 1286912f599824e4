"""Does `outliers` find the planted stranger and the planted wrong label?"""

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore


@pytest.fixture(scope="module")
def net() -> cs.Classifier:
    linear = nn.Linear(4, 4)
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
    module = nn.Sequential(nn.Flatten(), linear, nn.Linear(4, 2))
    return cs.Classifier(module, classes=("dark", "light"), input_size=2, channels=1)


def data() -> Dataset:
    """40 dark and 40 light pictures; number 7 is dark but called light, number 33 is like nothing else."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(80) % 2
    pixels = torch.where(labels[:, None] == 1, 200, 20) + torch.randint(0, 20, (80, 4), generator=generator)
    pixels[7] = pixels[6] + 1
    pixels[33] = torch.tensor([255, 0, 255, 0])
    split = Split(MemoryStore(pixels.to(torch.uint8).view(-1, 1, 2, 2)), labels, ("dark", "light"))
    return Dataset("toy", ("dark", "light"), split, split.take([]), split)


def test_the_stranger_comes_first_with_its_distance_ratio(net):
    found = cs.outliers(net, data(), k=5, show=8)
    images = data().test[:]
    assert torch.equal(found.images[0], images.pixels[33])
    rows = images.pixels.flatten(1).double()
    distances = torch.cdist(rows, rows).fill_diagonal_(torch.inf)
    reach = distances.topk(5, largest=False).values[:, -1]
    expected = (reach / reach.median()).sort(descending=True).values[:8]
    torch.testing.assert_close(found.values[:, 0].double(), expected, rtol=1e-5, atol=1e-5)
    assert (found.values[:, 0].diff() <= 0).all()


def test_the_wrong_label_is_named_with_what_its_neighbours_are_called(net):
    page = cs.outliers(net, data(), k=5, show=4).parts[0]
    shown = dict(zip(page.captions, page.images, strict=True))
    assert torch.equal(shown["light → dark"], data().test[7].pixels[0])
    assert "have no neighbour of their own label among 5" in page.notes[0]
    assert (page.values[:, 1].diff() >= 0).all()
