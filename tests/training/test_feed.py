"""Does every picture reach the network once an epoch, in the form the network takes?"""

from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.training.checkpoint import Standing
from convsight.training.feed import batches, prepared
from convsight.training.job import Job, mean_and_std
from convsight.training.precision import Precision
from convsight.training.recipes import recipe

FLOAT32 = Precision("float32", "float32", "it was asked for")


def processes(rank: int = 0, of: int = 1) -> Any:
    """What the feed asks of Fabric."""
    return SimpleNamespace(global_rank=rank, world_size=of, to_device=lambda x: x)


def job(n: int = 40, batch_size: int = 8, **changes: Any) -> Job:
    pixels = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 2, 2).contiguous()
    split = Split(MemoryStore(pixels), torch.arange(n), tuple(map(str, range(n))))
    data = Dataset("numbered", split.classes, split, split, split)
    chosen = recipe("fast", **{"batch_size": batch_size, "flip": "", "opening": 1.0, **changes})
    return Job(data, nn.Identity(), chosen, 0, torch.zeros(3), torch.ones(3), Path(), {}, FLOAT32)


def labels(work: Job, standing: Standing, fabric: Any) -> list[list[int]]:
    unseen = torch.full((len(work.data.train),), torch.inf)
    return [batch.targets.tolist() for batch in batches(work, fabric, standing, torch.Generator(), unseen)]


def test_every_picture_comes_once_in_the_first_epoch_and_the_last_in_an_order_of_its_own():
    first, second = (labels(job(), Standing(epoch=e), processes()) for e in (0, job().recipe.epochs - 1))
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(40))
    assert first != second


def test_an_opening_shows_some_of_the_pictures_once():
    shown = list(chain(*labels(job(opening=0.6), Standing(), processes())))
    assert len(shown) == 24 == len(set(shown))


def test_pixels_and_labels_belong_together():
    for batch in batches(job(), processes(), Standing(), torch.Generator(), torch.zeros(40)):
        torch.testing.assert_close(batch.pixels[:, 0, 0, 0] * 255, batch.targets.float())
        assert torch.equal(batch.chosen, batch.targets)


def test_an_epoch_goes_on_from_the_step_where_it_stood():
    assert labels(job(), Standing(step=3), processes()) == labels(job(), Standing(), processes())[3:]


def test_two_processes_share_every_batch_and_never_a_picture():
    whole = labels(job(), Standing(), processes())
    left, right = (labels(job(), Standing(), processes(rank, 2)) for rank in (0, 1))
    for both, a, b in zip(whole, left, right, strict=True):
        assert len(a) == len(b) == 4
        assert sorted(a + b) == sorted(both)


def test_what_does_not_fill_a_batch_waits_for_another_epoch():
    assert [len(b) for b in labels(job(n=43), Standing(), processes())] == [8] * 5


def test_the_network_gets_pixels_of_mean_zero_and_deviation_one():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (300, 3, 5, 5), generator=generator, dtype=torch.uint8)
    pixels[:, 1] //= 4
    work = job()
    mean, std = mean_and_std(Split(MemoryStore(pixels), torch.zeros(300, dtype=torch.int64)))
    torch.testing.assert_close(mean, (pixels / 255).mean((0, 2, 3)))
    torch.testing.assert_close(std, (pixels / 255).std((0, 2, 3), correction=0))
    ready = prepared(
        pixels, Job(work.data, work.network, work.recipe, 0, mean, std, Path(), {}, FLOAT32), processes()
    )
    assert ready.mean((0, 2, 3)).abs().max() < 1e-4
    assert ready.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-3)
    assert ready.is_contiguous(memory_format=torch.channels_last)
