"""Are the drawn garments deterministic, balanced, varied and told apart?"""

from __future__ import annotations

import pytest
import torch

from convsight.datasets import dataset
from convsight.datasets.drawn import draw, drawn_garments
from convsight.datasets.shapes import Random, ellipse, limb, only, profile, union
from convsight.errors import InputError


@pytest.fixture(scope="module")
def garments():
    return drawn_garments(n_train=1500, n_validation=100, n_test=500)


@pytest.mark.parametrize(("colour", "shape"), [(False, (1, 28, 28)), (True, (3, 64, 64))])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(colour, shape):
    pixels, labels = draw(20, shape[1], colour=colour, seed=5)
    again, same_labels = draw(20, shape[1], colour=colour, seed=5)
    other, _ = draw(20, shape[1], colour=colour, seed=6)
    assert pixels.shape == (20, *shape) and pixels.dtype == torch.uint8
    assert torch.equal(pixels, again) and torch.equal(labels, same_labels)
    assert not torch.equal(pixels, other)
    assert torch.bincount(labels).tolist() == [2] * 10


def test_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    draw(10, 28, colour=True, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_splits_and_seeds_share_no_picture(garments):
    other = drawn_garments(n_train=100, n_validation=100, n_test=100, seed=1)
    splits = [*garments.splits.values(), *other.splits.values()]
    flat = torch.cat([split.pixels.flatten(1) for split in splits])
    assert len(flat.unique(dim=0)) == len(flat)


def test_garments_are_light_on_black_and_within_the_picture(garments):
    pixels = garments.train.pixels.float() / 255
    cover = (pixels > 0.1).float().mean((1, 2, 3))
    assert cover.min() > 0.01 and cover.max() < 0.85
    assert pixels[:, :, 0].mean() < 0.02 and pixels.amax((1, 2, 3)).min() > 0.2


def test_colour_pictures_fill_the_background():
    pixels, _ = draw(50, 64, colour=True, seed=0)
    corners = pixels[:, :, ::63, ::63].float().mean((1, 2, 3))
    assert corners.std() > 20 and pixels.float().std((1, 2, 3)).min() > 5


def test_nearest_neighbours_know_the_classes_but_not_all_of_them(garments):
    train, test = (s.pixels.flatten(1).float() for s in (garments.train, garments.test))
    nearest = torch.cdist(test, train).argmin(1)
    right = garments.train.labels[nearest] == garments.test.labels
    assert 0.6 < right.float().mean() < 0.95  # chance is 0.1; all right would teach nothing


def test_limit_and_sizes_are_followed():
    assert [len(s) for s in dataset("drawn-garments", limit=30).splits.values()] == [30, 30, 30]
    small = dataset("drawn-garments-colour", limit=20, size_px=20)
    assert small.size == (20, 20) and small.channels == 3
    assert len(dataset("drawn-garments", limit=3).train) == 3
    with pytest.raises(InputError, match="need 10 pictures a split or more, not 5 for test"):
        drawn_garments(n_test=5)


def test_shapes_are_positive_inside_and_measure_distance():
    axis = torch.linspace(-1, 1, 41)
    y, x = (grid[None] for grid in torch.meshgrid(axis, axis, indexing="ij"))
    disc = ellipse(x, y, 0.0, 0.0, 0.5, 0.5)
    assert torch.allclose(disc, 0.5 - (x**2 + y**2).sqrt(), atol=1e-6)
    assert torch.allclose(limb(x, y, (0.0, 0.0), (0.0, 0.0), 0.5, 0.5), disc, atol=1e-4)
    bar = limb(x, y, (-0.5, 0.0), (0.5, 0.0), 0.2, 0.2)
    assert torch.allclose(bar[0, :, 20], 0.2 - axis.abs(), atol=1e-6)
    trapeze = profile(x, y, [-0.5, 0.5], [0.2, 0.6])
    assert trapeze[0, 20, 20] == pytest.approx(0.4) and trapeze[0, 20, 30] == pytest.approx(-0.1, abs=1e-6)
    assert torch.equal(union(disc, bar), torch.maximum(disc, bar))
    assert (only(torch.zeros(1, 1, 1), disc) == -1).all()


def test_random_numbers_stay_in_their_range():
    r = Random(2000, torch.Generator().manual_seed(0))
    numbers = r(-0.5, 2.0)
    assert numbers.shape == (2000, 1, 1) and numbers.min() >= -0.5 and numbers.max() < 2
    assert abs(r.chance(0.3).mean() - 0.3) < 0.05
