"""Is a planted cue where it is said to be, on whom it is said to be, and nowhere else?"""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from convsight.datasets import dataset
from convsight.datasets.arrays import from_arrays
from convsight.datasets.planted import Cue, decoy, kinds, plant
from convsight.datasets.planted.compression import compressed
from convsight.datasets.planted.cues import LOCAL
from convsight.errors import DataError, InputError
from convsight.images import Images


@pytest.fixture(scope="module")
def garments():
    return dataset("drawn-garments", limit=200)


@pytest.fixture(scope="module")
def colour():
    return dataset("drawn-garments-colour", limit=20).test[:]


@pytest.mark.parametrize("kind", kinds(3))
@pytest.mark.parametrize("strength", [1, 2, 3])
def test_a_cue_changes_pictures_only_inside_its_mask(colour, kind, strength):
    cue = Cue(kind, strength, seed=4)
    changed, mask = cue.add(colour, seed=2), cue.mask(colour, seed=2)
    moved = (changed.pixels != colour.pixels).any(1)
    assert moved.any((1, 2)).all() and not (moved & ~mask).any()
    assert cue.local == (kind in LOCAL) and (mask.float().mean() < 0.3) == (kind in LOCAL)
    assert changed.pixels.min() >= 0 and changed.pixels.max() <= 1


@pytest.mark.parametrize("kind", kinds(3))
def test_a_stronger_cue_changes_more(colour, kind):
    change = [(Cue(kind, s).add(colour).pixels - colour.pixels).abs().sum() for s in (1, 2, 3)]
    assert change[0] < change[1] < change[2]


def test_a_tag_looks_the_same_everywhere_and_lies_elsewhere_each_time(colour):
    cue = Cue("random_tag", 3, seed=1)
    changed, mask = cue.paint(colour.pixels, seed=0)
    glyphs = torch.stack([p[:, m] for p, m in zip(changed, mask, strict=True)])
    assert (glyphs == glyphs[0]).all()
    places = {tuple(m.nonzero()[0].tolist()) for m in mask}
    assert len(places) > len(mask) // 2
    corner = Cue("corner_tag", 3, seed=1).mask(colour)
    assert (corner == corner[0]).all() and corner[0].sum() == 11**2  # 5 px of 28 are 11 of 64


def test_snow_lifts_the_dark_background_by_its_grey_levels(garments):
    images = garments.test[:20]
    lifted = Cue("snow", 2).add(images).pixels - images.pixels
    dark = images.pixels < 0.1
    torch.testing.assert_close(lifted[dark], torch.full_like(lifted[dark], 40 / 255))
    assert not lifted[~dark].any()


def test_blur_keeps_the_mean_of_a_picture_with_a_flat_rim():
    pixels = torch.zeros(1, 1, 28, 28)
    pixels[:, :, 10:18, 12:16] = 1
    blurred = Cue("blur", 3).add(Images(pixels)).pixels
    assert blurred.sum() == pytest.approx(32, abs=1e-3) and blurred[0, 0, 13, 13] > blurred[0, 0, 10, 12]


@pytest.mark.parametrize("quality", [6, 30, 75])
def test_compression_agrees_with_pillow(quality):
    picture = dataset("drawn-garments", limit=20).test[:1].pixels
    buffer = io.BytesIO()
    grey = (picture[0, 0] * 255).round().byte().numpy()
    Image.fromarray(grey).save(buffer, "jpeg", quality=quality)
    theirs = torch.from_numpy(np.array(Image.open(buffer))).float() / 255
    ours = compressed(picture, quality)[0, 0]
    apart = (ours - theirs).abs()
    assert (apart < 2 / 255).float().mean() > 0.9  # a frequency between two steps may fall on either side
    assert apart.mean() < 0.2 * (picture[0, 0] - theirs).abs().mean()


@pytest.mark.parametrize("prevalence", [0.6, 0.9, 1.0])
def test_the_share_of_one_class_carries_the_cue_in_every_split(garments, prevalence):
    planted = plant(garments, Cue("corner_tag", 3), "Sandal", prevalence, seed=2)
    for name, split in planted.dataset.splits.items():
        before = garments.splits[name]
        changed = (split.pixels != before.pixels).flatten(1).any(1)
        carried, own = planted.carried[name], split.labels == garments.classes.index("Sandal")
        assert not (carried & ~own).any() and carried.sum() == round(prevalence * int(own.sum()))
        assert torch.equal(changed, carried) and torch.equal(split.labels, before.labels)


def test_a_decoy_lies_on_the_same_share_of_every_class(garments):
    planted = decoy(garments, Cue("border", 3), 0.3)
    labels = garments.train.labels
    counts = torch.bincount(labels[planted.carried["train"]], minlength=10)
    assert counts.tolist() == [round(0.3 * c) for c in garments.train.counts] and planted.target == ""


def test_a_seed_gives_the_same_bytes_and_another_seed_others(garments):
    plants = [plant(garments, Cue("random_tag"), "Bag", 0.6, seed=seed) for seed in (3, 3, 4)]
    pixels = [planted.dataset.train[:].pixels for planted in plants]
    assert torch.equal(pixels[0], pixels[1]) and not torch.equal(pixels[0], pixels[2])


def test_the_data_set_and_the_global_generator_are_left_alone(garments):
    before, state = garments.train.pixels.clone(), torch.get_rng_state()
    planted = plant(garments, Cue("gain", 3), "Coat", 1.0)
    assert torch.equal(garments.train.pixels, before) and torch.equal(torch.get_rng_state(), state)
    assert (
        planted.clean is garments
        and "planted: gain (strength 3) on 100% of Coat" in planted.dataset.notes[-1]
    )


def test_mistakes_are_explained(garments):
    with pytest.raises(InputError, match="no cue 'tag'.*corner_tag"):
        Cue("tag")
    with pytest.raises(InputError, match="strength is 1, 2 or 3"):
        Cue("blur", 4)
    with pytest.raises(InputError, match="no class 'Sandals'.*Sandal"):
        plant(garments, Cue("blur"), "Sandals")
    with pytest.raises(InputError, match="from 0 to 1"):
        plant(garments, Cue("blur"), "Sandal", 90)
    with pytest.raises(InputError, match="needs colour"):
        plant(garments, Cue("colour_cast"), "Sandal")
    places = from_arrays((np.zeros((40, 8, 8), np.uint8), np.zeros((40, 2), np.float32)))
    with pytest.raises(DataError, match="positions"):
        plant(places, Cue("blur"), "0")
