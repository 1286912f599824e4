"""Sets of any size: few pictures, rare classes, labels that a mirror would change; memory; variations of photos."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.training.test_pretrained import bars
from tests.training.test_recipes import data
from torch import nn

from convsight.datasets import Dataset
from convsight.errors import InputError, MissingExtra
from convsight.training import train
from convsight.training.augment import Augment
from convsight.training.feed import Batch, mixed
from convsight.training.harmless import harmless, makeable
from convsight.training.imbalance import weights_for
from convsight.training.layer_rates import layer_groups
from convsight.training.memory_need import pieces_for, remembered_bytes
from convsight.training.photo_augment import recoloured, resized_crops
from convsight.training.recipes import RECIPES, recipe, suited


def test_few_pictures_come_in_small_batches_and_stop_with_validation() -> None:
    few = suited(recipe("fast"), data(84, side=64, validation=12), epochs_given=False)
    assert (few.batch_size, few.epochs, few.patience, few.watch) == (16, 60, 20, "score")
    unseen = suited(recipe("fast"), data(84, side=64, validation=2), epochs_given=False)
    assert unseen.patience is None, "two pictures decide nothing"
    asked = suited(recipe("fast", batch_size=50), data(84), epochs_given=False)
    assert asked.batch_size == 50


def test_sgd_steps_shrink_with_the_batch_unless_the_rate_is_given() -> None:
    photos = data(64, side=64, validation=12)
    assert suited(recipe("fast"), photos, epochs_given=False).lr == pytest.approx(0.1 * 16 / 128)
    assert suited(recipe("fast", optimizer="momentum"), photos, epochs_given=False).lr == pytest.approx(
        0.02 * 16 / 128
    )
    assert suited(recipe("fast", optimizer="adamw"), photos, epochs_given=False).lr == 1e-3
    assert suited(recipe("fast", lr=0.03), photos, epochs_given=False).lr == 0.03
    assert suited(recipe("finetune"), photos, epochs_given=False).lr == RECIPES["finetune"].lr
    assert suited(recipe("fast"), data(9000, side=8), epochs_given=False).lr == 0.1


def test_a_training_on_few_large_pictures_does_not_throw_the_loss_about(tmp_path: Path) -> None:
    """With the rate of batches of 128 the loss rose from 0.7 to 5.7 in the third epoch; photos diverged at 14."""
    data = Dataset("bars", ("upright", "lying"), bars(40, 0, 3, 96), bars(12, 10, 3, 96), bars(20, 20, 3, 96))
    run = train(data, "fast", out=tmp_path / "r", until_loss=0.25)
    assert len(run.log) < 20, "it learns, too"
    assert max(row["loss"] for row in run.log) < 1.5


def test_few_pictures_are_finetuned_for_more_epochs() -> None:
    few = suited(recipe("finetune"), data(80, side=64), epochs_given=False)
    assert few.batch_size == 10 and few.epochs * (80 // few.batch_size) >= few.min_steps
    assert suited(recipe("finetune"), data(9000, side=8), epochs_given=False).epochs == 4


def test_classes_that_are_three_times_as_many_are_evened_out() -> None:
    labels = torch.tensor([0] * 60 + [1] * 20)
    weights = weights_for(labels, "classify", "auto")
    assert weights is not None and weights[labels == 0].sum() == pytest.approx(
        float(weights[labels == 1].sum())
    )
    assert weights_for(torch.tensor([0] * 50 + [1] * 20), "classify", "auto") is None
    assert weights_for(torch.tensor([0] * 50 + [1] * 20), "classify", "weights") is not None
    rare = weights_for(torch.tensor([0] * 500 + [1]), "classify", "weights")
    assert rare is not None and rare.max() == 10
    with pytest.raises(InputError, match="one class a picture, not for the task 'multilabel'"):
        weights_for(torch.ones(3, 2), "multilabel", "weights")


def test_what_would_change_the_label_is_left_out_and_said() -> None:
    photos = Augment(flip="random", crop=0.5, colour=0.2)
    assert harmless(photos, "classify", ["cat", "dog"]) == (photos, ())
    kept, told = harmless(photos, "classify", ["turn left", "turn right"])
    assert not kept.flip and kept.crop and "not mirrored" in told[0]
    assert not harmless(photos, "classify", list("0123456789"))[0].flip
    kept, told = harmless(photos, "classify", ["red_pepper", "green_pepper"])
    assert kept.flip and not kept.hues and "green, red" in told[0]
    assert not harmless(photos, "regress", [])[0].crop


def test_a_crop_of_everything_leaves_the_picture_as_it_is() -> None:
    pixels = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8)
    cut = resized_crops(pixels, 1.0, torch.Generator().manual_seed(0))
    assert cut.shape == pixels.shape and cut.dtype == torch.uint8


def test_crops_keep_their_share_of_the_picture() -> None:
    """On a ramp the span of grey levels across a crop says how wide it was."""
    ramp = torch.linspace(0, 1, 64).expand(200, 1, 64, 64).contiguous()
    tall = ramp.transpose(2, 3).contiguous()

    def spans(pixels: torch.Tensor, axis: int) -> torch.Tensor:
        cut = resized_crops(pixels, 0.5, torch.Generator().manual_seed(0)).mean(5 - axis)
        return (cut[:, 0, -1] - cut[:, 0, 0]).clamp(max=1)

    shares = spans(ramp, 3) * spans(tall, 2)
    assert shares.min() > 0.4 and shares.max() <= 1.0
    assert len(shares.round(decimals=2).unique()) > 20, "each picture has a crop of its own"


def test_light_varies_and_grey_stays_grey() -> None:
    grey = torch.full((6, 3, 8, 8), 100, dtype=torch.uint8)
    varied = recoloured(grey, 0.3, torch.Generator().manual_seed(0))
    assert (varied.float().std(1) < 1).all(), "saturation does nothing to grey"
    assert len(varied[:, 0, 0, 0].unique()) > 3
    five = recoloured(torch.full((2, 5, 8, 8), 0.5), 0.3, torch.Generator().manual_seed(0))
    assert five.shape == (2, 5, 8, 8) and not torch.equal(five[0], five[1])


def test_augmentation_repeats_itself_from_the_same_generator() -> None:
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    vary = Augment(flip="random", crop=0.4, colour=0.4)
    one, other = (vary(pixels, torch.zeros(3).bool(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, other) and not torch.equal(one, pixels)


def test_mixed_pictures_are_the_two_in_their_shares() -> None:
    pixels = torch.rand(6, 1, 4, 4)
    batch = Batch(torch.arange(6), pixels, torch.arange(6), torch.ones(6))
    out = mixed(batch, 0.4, torch.Generator().manual_seed(3))
    assert out.others is not None and 0 <= out.share <= 1
    expected = out.share * pixels + (1 - out.share) * pixels[out.others]
    torch.testing.assert_close(out.pixels, expected)


def test_rates_fall_from_the_head_to_the_first_layer() -> None:
    net = nn.Sequential(*(nn.Conv2d(2, 2, 3) for _ in range(12)))
    groups = layer_groups(net, 1.0, 0.1, 0.01)
    rates = {id(p): g["lr"] for g in groups for p in g["params"]}
    in_order = [rates[id(layer.weight)] for layer in net]
    assert in_order == sorted(in_order) and in_order[0] == pytest.approx(0.01) and in_order[-1] == 1
    assert all(g["weight_decay"] == (0.1 if g["params"][0].ndim > 1 else 0) for g in groups)
    assert sum(len(g["params"]) for g in groups) == 24


def test_memory_that_a_step_needs_is_counted() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 1, bias=False), nn.Sigmoid(), nn.Flatten(), nn.Linear(8 * 16 * 16, 1))
    need = remembered_bytes(net, torch.rand(2, 1, 16, 16))
    maps = 4 * 2 * 8 * 16 * 16  # the sigmoid's output, which its own backward and the linear layer's read
    assert need == pytest.approx(maps + 4 * 2 * 16 * 16, rel=0.05)


def test_a_batch_goes_through_whole_unless_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    from convsight.training import memory_need

    net, example = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU()), torch.rand(2, 1, 16, 16)
    assert pieces_for(net, example, 32, torch.device("cpu")) == 1
    need = remembered_bytes(net, example) * 16
    monkeypatch.setattr(memory_need, "free_bytes", lambda device: need)
    assert pieces_for(net, example, 32, torch.device("cpu")) == 2


def test_without_torchvision_photos_are_only_mirrored_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = Augment(flip="random", crop=0.5, colour=0.2)
    assert makeable(photos, asked=True) == (photos, ())
    monkeypatch.setattr("convsight.training.harmless.can_vary_photos", lambda: False)
    kept, told = makeable(photos, asked=False)
    assert (kept.flip, kept.crop, kept.colour) == ("random", 0, 0)
    assert "pip install 'convsight[vision]'" in told[0]
    with pytest.raises(MissingExtra, match=r"needs torchvision.*convsight\[vision\]"):
        makeable(photos, asked=True)
    assert makeable(Augment(flip="random"), asked=True) == (Augment(flip="random"), ())
