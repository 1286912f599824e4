"""Where a probe misses many pictures, all layers learn longer and faster, and that is said and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.test_pretrained import NETWORK, bar_data

from convsight.run import Run
from convsight.training import RECIPES, train
from convsight.training.far import for_far_pictures

FINETUNE = RECIPES["finetune"]


def test_a_probe_that_misses_many_pictures_asks_for_more_of_all_layers() -> None:
    recipe, said = for_far_pictures(FINETUNE, {"validation_accuracy": 0.72}, set())
    assert recipe.epochs == FINETUNE.far_epochs > FINETUNE.epochs
    assert recipe.norms == "train" and recipe.first_rate > FINETUNE.first_rate
    assert "72%" in said and f"epochs {recipe.epochs}" in said


@pytest.mark.parametrize("row", [{"validation_accuracy": 0.92}, {"validation_loss": 0.3}])
def test_near_pictures_and_numbers_change_nothing(row: dict[str, float]) -> None:
    assert for_far_pictures(FINETUNE, row, set()) == (FINETUNE, "")


def test_what_the_user_set_and_small_batches_stay() -> None:
    recipe, said = for_far_pictures(FINETUNE, {"validation_accuracy": 0.5}, {"epochs", "norms", "first_rate"})
    assert (recipe, said) == (FINETUNE, "")
    few = replace(FINETUNE, batch_size=8, epochs=100)
    assert for_far_pictures(few, {"validation_accuracy": 0.5}, set())[0].norms == "frozen"
    assert for_far_pictures(few, {"validation_accuracy": 0.5}, set())[0].epochs == 100


def test_a_training_goes_by_it_says_it_and_opens_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK)
    data, said = bar_data(n=64, tested=20), []
    by_lot = torch.Generator().manual_seed(0)
    for split in data.splits.values():  # labels that no features tell
        split.labels.copy_(torch.randint(0, 2, split.labels.shape, generator=by_lot))
    recipe = replace(FINETUNE, epochs=1, far_epochs=2, min_steps=0, patience=None)
    given = {"network": f"{tmp_path / 'mine.py'}:build", "out": tmp_path / "run"}
    run = train(data, recipe, say=said.append, **given)
    assert [row["epoch"] for row in run.log] == [0, 1, 2]
    assert any("far from these pictures" in sentence for sentence in said)
    opened = Run.open(run.path)
    assert opened.recipe["epochs"] == 2 and opened.config["recipe"]["epochs"] == 1
    again = train(data, recipe, resume=True, **given)
    assert again.metrics == run.metrics, "a second sitting asks for the same, and finds it done"
