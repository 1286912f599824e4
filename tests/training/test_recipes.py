"""Do recipes suit the data they meet, and say what is wrong with a setting?"""

import pytest
import torch

from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.training.optimisers import OPTIMISERS
from convsight.training.recipes import LEARNING_RATES, RECIPES, recipe, suited


def data(train: int, side: int = 28, task: str = "classify", validation: int = 2) -> Dataset:
    def split(n: int) -> Split:
        labels = torch.zeros(n, 2) if task == "locate" else torch.zeros(n, dtype=torch.int64)
        return Split(MemoryStore(torch.zeros(n, 1, side, side, dtype=torch.uint8)), labels)

    return Dataset("some", ("a", "b"), split(train), split(validation), split(2), task=task)


def test_the_lessons_recipes_are_the_lessons():
    one, two = RECIPES["lesson-1"], RECIPES["lesson-2"]
    assert (one.optimizer, two.optimizer, two.momentum) == ("sgd", "momentum", 0.9)
    for each in (one, two):
        assert (each.epochs, each.batch_size, each.lr, each.schedule) == (30, 20, 0.001, "constant")
        assert not each.standardise and not each.augment.flip and not each.weight_decay


def test_few_pictures_get_more_epochs_and_then_shifts():
    few = suited(recipe("fast"), data(1280, side=64), epochs_given=False)
    assert few.epochs * (1280 // few.batch_size) >= few.min_steps
    assert few.augment.shift_px == 4
    many = suited(recipe("fast"), data(60000, side=1), epochs_given=False)
    assert (many.epochs, many.augment.shift_px) == (recipe("fast").epochs, 0)


def test_what_the_user_asks_for_stays():
    asked = suited(recipe("fast", epochs=3, shift_px=2), data(100), epochs_given=True)
    assert (asked.epochs, asked.augment.shift_px, asked.batch_size) == (3, 2, 100)
    assert recipe("fast", cutout_px=6).augment == recipe("fast", flip=None, cutout_px=6).augment


def test_positions_are_never_flipped_nor_scored_by_cross_entropy():
    placed = suited(recipe("fast", shift_px=2), data(100, task="locate"), epochs_given=False)
    assert (placed.augment.flip, placed.augment.shift_px, placed.loss) == ("", 0, "smooth-l1")
    with pytest.raises(InputError, match="is for positions"):
        suited(recipe("fast", loss="mse"), data(100), epochs_given=False)


def test_another_optimiser_brings_a_learning_rate_that_suits_it():
    assert set(LEARNING_RATES) == set(OPTIMISERS)
    assert recipe("fast", optimizer="adam").lr == 1e-3
    assert recipe("fast", optimizer="adam", lr=0.5).lr == 0.5
    assert recipe("lesson-2", network="fast").lr == 0.001


def test_a_network_without_batch_normalisation_is_not_given_muon_unless_asked():
    assert recipe("fast", network="vgg11").optimizer == "adamw"
    assert recipe("fast", network="vgg11", optimizer="muon").optimizer == "muon"
    assert recipe("fast", network="fast-wide").optimizer == "muon"


def test_patience_needs_pictures_to_watch():
    with pytest.raises(InputError, match=r"patience needs validation pictures.*validation=0\.1"):
        suited(recipe("fast", patience=2), data(10, validation=0), epochs_given=False)


def test_numbers_out_of_range_are_refused_with_the_range():
    with pytest.raises(InputError, match="momentum must be from 0 to 1, not 9"):
        recipe("lesson-2", momentum=9)
    with pytest.raises(InputError, match="a recipe has no 'lrate'"):
        recipe("fast", lrate=1)
