"""Does training on swapped pictures unlearn a planted shortcut, and is the old run left as it was?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest
import torch
from tests.shortcuts.known_scenes import scenes

import convsight as cs
from convsight.datasets import dataset
from convsight.datasets.planted import Cue, Planted, plant
from convsight.errors import InputError
from convsight.imaging.blur import blurred
from convsight.shortcuts.exposure import Gain
from convsight.shortcuts.fix import Fixed, fix
from convsight.shortcuts.patch import Patch
from convsight.shortcuts.probes import Region, Sharpness, smoothness
from convsight.shortcuts.reliance import groups
from convsight.shortcuts.surroundings import Surroundings
from convsight.shortcuts.swap import drawn, exchange, swapped


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(dataset("drawn-garments", limit=600), Cue("corner_tag", 3, seed=1), "Shirt", 1.0)


@pytest.fixture(scope="module")
def region(planted: Planted) -> Region:
    return Region(planted.mask(planted.clean.test[:1])[0])


@pytest.fixture(scope="module")
def old(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    out = tmp_path_factory.mktemp("fix") / "tagged"
    knobs = {"network": "lesson-1", "lr": 5e-3, "epochs": 12}
    return cs.train(planted.dataset, "quick", out=out, seed=2, device="cpu", **knobs)


@pytest.fixture(scope="module")
def fixed(old: cs.Run, region: Region) -> Iterator[Fixed]:
    before = {file.name: file.read_bytes() for file in old.path.iterdir()}
    yield fix(old, probe=region, target="Shirt", audit=False, device="cpu")
    assert {file.name: file.read_bytes() for file in old.path.iterdir()} == before


def test_the_true_cue_no_longer_decides(old: cs.Run, fixed: Fixed, planted: Planted):
    clean, k = planted.clean.test[:], planted.clean.classes.index("Shirt")
    before, after = (groups(run.classifier, clean, planted.add(clean), k).worst for run in (old, fixed.run))
    assert before < 0.3 and after > before + 0.4


def test_what_is_reported_is_what_the_pasted_region_does(old: cs.Run, fixed: Fixed, planted: Planted):
    images, k = planted.clean.test[:], planted.clean.classes.index("Shirt")
    true = groups(fixed.run.classifier, images, planted.add(images), k)
    assert asdict(true) == pytest.approx(
        asdict(fixed.after), abs=0.05
    )  # pasted corners instead of the true tag
    assert fixed.before.worst < 0.3 and fixed.after.worst > 0.6
    assert f"{fixed.before.worst:.0%} before, {fixed.after.worst:.0%} after" in fixed.sentence


def test_the_new_run_opens_by_itself_and_holds_before_and_after(fixed: Fixed, old: cs.Run, planted: Planted):
    run = cs.Run.open(fixed.run.path)
    assert run.path == old.path.with_name("tagged-fixed")
    images = planted.clean.test[:20]
    assert torch.equal(run.classifier.scores(images), fixed.run.classifier.scores(images))
    kept = run.metrics["fix"]
    assert kept["before"]["worst"] == fixed.before.worst and kept["after"]["worst"] == fixed.after.worst
    assert run.config["data"] == old.config["data"] and run.config["network"] == old.config["network"]
    whole = {"epochs": 0, "opening": 1.0}  # every picture, swapped, in each epoch
    assert {**run.config["recipe"], **whole} == {**old.config["recipe"], **whole}


def test_a_run_is_never_written_over(old: cs.Run, fixed: Fixed, region: Region):
    with pytest.raises(InputError, match="Choose another out="):
        fix(old, probe=region, target="Shirt", audit=False)
    with pytest.raises(InputError, match="Choose another out="):
        fix(old, probe=region, target="Shirt", out=old.path, audit=False)


def test_mistakes_are_explained(old: cs.Run, region: Region):
    with pytest.raises(InputError, match="no class"):
        fix(old, probe=region, target="Shirts")
    with pytest.raises(InputError, match="share must be above 0"):
        fix(old, probe=region, target="Shirt", share=0)


def test_swapped_pictures_are_those_of_the_split_outside_the_region(planted: Planted, region: Region):
    data = planted.dataset
    swaps = swapped(data, region, 6, share=1.0, seed=3)
    index = torch.arange(200)
    before, after = data.train[index].pixels, swaps.train[index].pixels
    assert torch.equal(before[:, :, ~region.where], after[:, :, ~region.where])
    assert torch.equal(swaps.train.labels, data.train.labels) and swaps.test is data.test
    tag = planted.add(planted.clean.test[:1]).pixels[:, :, region.where]
    cued = (after[:, :, region.where] - tag).abs() < 1 / 255
    assert 0.4 < cued.flatten(1).all(1).float().mean() < 0.6  # half the donors are of the class, all tagged
    again = swaps.train[index].pixels
    assert not torch.equal(again, after)  # drawn anew


def test_the_share_says_how_many_are_changed(planted: Planted):
    for share in (0.25, 1.0):
        swaps = swapped(planted.dataset, Gain(), 6, share=share, seed=0)
        before, after = planted.dataset.train[:].pixels, swaps.train[:].pixels
        changed = (before != after).flatten(1).any(1).float().mean()
        assert abs(float(changed) - share) < 0.07


def test_what_cannot_be_taken_away_is_given_to_all(planted: Planted):
    @dataclass(frozen=True, eq=False)
    class Darkening(Gain):
        def paste(self, onto, of):
            return onto * 0.5

        def remove(self, onto, of):
            return None

    swaps = swapped(planted.dataset, Darkening(), 6, share=1.0)
    before, after = planted.dataset.train[:].pixels, swaps.train[:].pixels
    torch.testing.assert_close(after, before * 0.5, atol=0.6 / 255, rtol=0)


def test_the_region_of_other_classes_takes_the_cue_away(planted: Planted, region: Region):
    pixels, own = planted.dataset.test[:].pixels, planted.dataset.test.labels == 6
    generator = torch.Generator().manual_seed(0)
    of = [pixels[drawn(members, len(pixels), generator)] for members in (own, ~own)]
    aspect = exchange(region, pixels[own], pixels[~own])
    given, taken = aspect.given(pixels, of[0]), aspect.taken(pixels, of[1])
    tag = planted.add(planted.clean.test[:1]).pixels[0, 0][region.where]
    assert taken is not None and (given[:, 0, region.where] - tag).abs().max() < 1 / 255
    assert ((taken[:, 0, region.where] - tag).abs().amax(1) > 0.1).all()


def test_who_has_the_cue_is_not_given_it_twice(planted: Planted, region: Region):
    pixels, labels = planted.dataset.test[:].pixels, planted.dataset.test.labels

    @dataclass(frozen=True, eq=False)
    class Lifting(Region):
        def paste(self, onto, of):
            return onto + 0.1

    template = planted.add(planted.clean.test[:1]).pixels[0]
    aspect = exchange(Lifting(region.where, template), pixels[labels == 6], pixels[labels != 6])
    given = aspect.given(pixels, pixels)
    assert torch.equal(given[labels == 6], pixels[labels == 6])
    assert (given[labels != 6] > pixels[labels != 6]).any()


def test_a_patch_lands_elsewhere_in_every_batch():
    patch = Patch(torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0)))
    onto, of = torch.zeros(6, 1, 28, 28), torch.ones(6, 1, 28, 28)
    generator = torch.Generator().manual_seed(1)
    first, second = (patch.anew(generator).paste(onto, of) for _ in range(2))
    assert torch.equal(patch.paste(onto, of), patch.paste(onto, of)) and not torch.equal(first, second)


def test_blur_is_lessened_where_it_cannot_be_taken_away():
    sharp = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    probe = Sharpness(1.0, 0.0)
    soft = blurred(sharp, 1.0)
    lessened = probe.lessened(soft, torch.Generator().manual_seed(0))
    assert smoothness(lessened).mean() < smoothness(soft).mean()
    assert (lessened - sharp).square().mean() < (soft - sharp).square().mean()


@pytest.fixture(scope="module")
def fitted_head(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    """A head fitted to the features of another network, whose pictures' surroundings say the class."""
    folder = tmp_path_factory.mktemp("head")
    other = cs.train(scenes(), "quick", network="lesson-1", epochs=1, out=folder / "other", device="cpu")
    return cs.train(scenes(), "probe", network=str(other.path), out=folder / "head", device="cpu")


def test_of_a_fitted_head_only_the_head_is_fixed(fitted_head: cs.Run):
    fixed = fix(fitted_head, probe=Surroundings(), target="ball", audit=False, device="cpu")
    old, new = (run.classifier.module.state_dict() for run in (fitted_head, fixed.run))
    head = fitted_head.config["network"]["head"]
    changed = {name for name, values in old.items() if not torch.equal(values, new[name])}
    assert changed and all(name.startswith(f"{head}.") for name in changed)
    assert (fixed.run.config["mean"], fixed.run.config["std"]) == (
        fitted_head.config["mean"],
        fitted_head.config["std"],
    )
    assert fixed.run.metrics["fix"]["after"]["worst"] == fixed.after.worst
    assert cs.Run.open(fixed.run.path).classifier.classes == fitted_head.classifier.classes


def test_a_finetuned_network_is_trained_on_from_its_head(fitted_head: cs.Run):
    tuned = cs.train(
        scenes(),
        "finetune",
        network=str(fitted_head.path),
        epochs=1,
        out=fitted_head.path.with_name("tuned"),
        device="cpu",
    )
    fixed = fix(tuned, probe=Surroundings(), target="ball", epochs=1, audit=False, device="cpu")
    old, new = (run.classifier.module.state_dict() for run in (tuned, fixed.run))
    first = next(name for name, values in old.items() if values.ndim == 4)
    assert not torch.equal(old[first], new[first])
    assert fixed.run.config["recipe"]["start"] == tuned.config["recipe"]["start"]
