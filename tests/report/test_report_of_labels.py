"""The report of a network that says several labels: made whole, with a gallery row for each label."""

from pathlib import Path

import pytest
import torch

import convsight as cs
from convsight.report.chapters import _full, _of_class


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    labels = (torch.arange(96)[:, None] // torch.tensor([1, 2, 4]) % 2).long()
    pixels = torch.rand(96, 3, 16, 16, generator=torch.Generator().manual_seed(0)) / 2
    for k in range(3):  # each label lights up one channel
        pixels[:, k] += labels[:, k, None, None] / 2
    data = cs.dataset((pixels, labels), classes=["red", "green", "blue"])
    return cs.train(data, "quick", out=tmp_path_factory.mktemp("runs") / "labels", epochs=1)


def test_the_whole_report_is_made(run: cs.Run) -> None:
    page = Path(run.report()).read_text("utf-8")
    assert "Training pictures" in page and "mean average precision" in page


def test_a_gallery_row_holds_the_pictures_that_have_its_label() -> None:
    labels = torch.tensor([[1, 0], [1, 1], [0, 0]])
    assert _of_class(labels, 0).tolist() == [True, True, False]
    assert _of_class(labels, 1).tolist() == [False, True, False]
    assert _of_class(torch.tensor([1, 0, 1]), 1).tolist() == [True, False, True]
    assert _full(labels, 2, 1) and not _full(labels, 2, 2)
