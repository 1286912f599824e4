"""Are waves that lie over a class's pictures found, known to within a little, and told from everything else?"""

from __future__ import annotations

import pytest
import torch
from tests.shortcuts.known_nets import garments
from tests.shortcuts.test_overlay import half_of, photos, with_cue
from torch import Tensor

from convsight.datasets.planted import Cue
from convsight.images import Images
from convsight.shortcuts import grating, search
from convsight.shortcuts.candidates import PARTS, Candidate, _gain, _stamps
from convsight.shortcuts.exposure import Gain, brightest
from convsight.shortcuts.grating import Grating, find_gratings, fitted
from convsight.shortcuts.overlay import Overlay, find_overlays
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.probes import Region
from convsight.shortcuts.sample import Half
from convsight.shortcuts.saved import described, rebuilt
from convsight.shortcuts.transplant import Effect


def drawn(cue: Cue | None, share: float = 1.0, target: int = 3) -> tuple[Half, Tensor]:
    """Drawn garments on black; that share of one class has the cue. And the pictures without it."""
    data = garments().train
    assert data.pixels is not None
    clean = data.pixels[:800].float() / 255
    labels, pixels = data.labels[:800], clean.clone()
    who = (labels == target).nonzero().flatten()
    who = who[: round(share * len(who))]
    if cue is not None:
        pixels[who] = cue.add(Images(clean[who])).pixels
    return half_of(pixels, labels), clean


@pytest.mark.parametrize("strength", [1, 3])
@pytest.mark.parametrize("kind", ["texture", "checkerboard"])
@pytest.mark.parametrize("seed", [0, 4])
def test_waves_on_photos_are_known_to_a_tenth(kind: str, strength: int, seed: int) -> None:
    cue = Cue(kind, strength, seed)
    half, clean = with_cue(cue, carriers=0.8)
    found = find_gratings(half, range(4))
    assert list(found) == [2] and found[2][1], "one class, and nothing but waves"
    waves, own = found[2][0], half.labels == 2
    carries = waves.strength(half.pixels) > 0.5
    assert 0.75 < carries[own].float().mean() < 0.85 and carries[~own].float().mean() < 0.02
    onto, of = clean[half.labels == 0][:50], half.pixels[own & carries][:50]
    truth = cue.add(Images(onto)).pixels
    assert (waves.paste(onto, of) - truth).abs().mean() < 0.15 * (onto - truth).abs().mean()
    assert (waves.remove(truth, onto) - onto).abs().mean() < 0.2 * (onto - truth).abs().mean()
    assert torch.equal(waves.paste(onto, clean[:50]), onto), "those that have none give none"


def test_what_black_cuts_off_is_laid_on_in_full() -> None:
    cue = Cue("checkerboard", 3)
    half, clean = drawn(cue)
    waves, _ = find_gratings(half, range(10))[3]
    onto, of = clean[half.labels != 3][:80], half.pixels[half.labels == 3][:80]
    pasted, truth = waves.paste(onto, of), cue.add(Images(onto)).pixels
    assert (pasted - truth).abs().mean() < 0.15 * (truth - onto).abs().mean()
    dark = onto == 0
    assert pasted[dark].mean() == pytest.approx(float(truth[dark].mean()), rel=0.1)
    once = grating._as_seen(of, onto, of, [(0.5, 0.5)])
    assert once.seen < 0.7, "the fine structure of a wave on black is half of it"


def test_a_wave_between_two_of_the_spectrum_is_in_step_everywhere() -> None:
    y, x = torch.arange(32)[:, None], torch.arange(32)
    wave = 0.2 * torch.sin(2 * torch.pi * (0.2171 * y + 0.1537 * x))
    clean = photos()
    labels = torch.arange(len(clean)) % 4
    pixels = torch.where((labels == 1)[:, None, None, None], (clean * (1 + wave)).clamp(0, 1), clean)
    waves, _ = find_gratings(half_of(pixels, labels), range(4))[1]
    fine = waves.times.mean(0)
    assert torch.cosine_similarity(fine.flatten(), wave.flatten(), 0) > 0.99
    assert torch.cosine_similarity(fine[-8:, -8:].flatten(), wave[-8:, -8:].flatten(), 0) > 0.97


def test_honest_classes_and_decoys_have_none() -> None:
    assert not find_gratings(drawn(None)[0], range(10))
    clean = photos()
    everyone = half_of(Cue("texture", 3).add(Images(clean)).pixels, torch.arange(len(clean)) % 4)
    assert not find_gratings(everyone, range(4))


@pytest.mark.parametrize("kind", ["watermark", "corner_tag"])
def test_what_has_many_waves_is_not_taken_for_a_grating_alone(kind: str) -> None:
    found = find_gratings(with_cue(Cue(kind, 3, seed=3))[0], range(4))
    assert all(not only for _, only in found.values())


def test_what_a_tenth_of_the_class_has_is_not_fitted() -> None:
    half, _ = with_cue(Cue("texture", 3), carriers=0.1)
    whole, _ = with_cue(Cue("texture", 3))
    own = half.labels == 2
    waves = grating._Spectrum.of(whole.pixels[own], whole.pixels[~own]).waves()
    assert fitted(whole.pixels[own], whole.pixels[~own], waves) is not None
    assert fitted(half.pixels[own], half.pixels[~own], waves) is None


def test_a_grating_is_kept_and_rebuilt() -> None:
    half, clean = with_cue(Cue("texture", 2))
    waves, _ = find_gratings(half, range(4))[2]
    again = rebuilt(*described(waves))
    assert isinstance(again, Grating)
    onto, of = clean[:20], half.pixels[half.labels == 2][:20]
    assert torch.equal(again.paste(onto, of), waves.paste(onto, of))


# ---- what else decides which description is taken ------------------------------------------------------------


def tried(probe, difference: float, margin: float = 0.0) -> search.Tried:
    half, _ = with_cue(Cue("texture", 2))
    flipped = torch.arange(100) < 100 * (difference + margin)
    index = torch.arange(100)
    effect = Effect(flipped, torch.zeros(100, dtype=torch.bool))
    return search.Tried(2, Candidate(probe, margin), half, effect, index, index, index)


def test_waves_that_do_enough_are_taken_before_what_is_fitted_to_each_pixel() -> None:
    half, _ = with_cue(Cue("texture", 2))
    waves, _ = find_gratings(half, range(4))[2]
    by_pixel = Pattern(
        0.1 * waves.add, 0.1 * waves.times, waves.base_add, waves.base_times, waves.weight, fixed=True
    )
    best = search.chosen([tried(waves, 0.85), tried(by_pixel, 0.95)])
    assert best is not None and best.candidate.probe is waves
    best = search.chosen([tried(waves, 0.5), tried(by_pixel, 0.95)])
    assert best is not None and best.candidate.probe is by_pixel


def test_a_place_that_does_little_of_what_a_layer_does_is_a_piece_of_it() -> None:
    half, _ = with_cue(Cue("watermark", 3, seed=3))
    layer = find_overlays(half, range(4))[2][0]
    assert isinstance(layer, Overlay)
    place = Region(layer.where, half.pixels[half.labels == 2].median(0).values)
    for share, wanted in ((0.25, layer), (0.6, place)):
        best = search.chosen([tried(layer, 0.9), tried(place, share * 0.9)])
        assert best is not None and best.candidate.probe is wanted


def test_white_parts_of_many_objects_are_no_stamp_and_a_tag_is_one() -> None:
    generator = torch.Generator().manual_seed(0)
    others = torch.zeros(200, 1, 28, 28)
    objects = (torch.rand(100, 1, 28, 28, generator=generator) > 0.3).float()  # white here and there
    objects[:, :, :16], objects[:, :, 22:] = 0, 0
    parts = list(_stamps(objects, others))
    assert parts and all(c.margin == PARTS for c in parts)
    tagged = others[:100].clone()
    tagged[:, :, 2:6, 2:6] = 1
    stamps = list(_stamps(tagged, others))
    assert stamps and all(c.margin == 0 for c in stamps)


@pytest.mark.parametrize("factor", [0.5, 0.7])
def test_exposure_is_told_by_the_brightest_pixels_whatever_the_object(factor: float) -> None:
    data = garments().train
    assert data.pixels is not None
    pixels = data.pixels[:800].float() / 255
    pixels = (pixels / brightest(pixels)[:, None, None, None]).clamp(0, 1)  # one lamp for all
    of, others = factor * pixels[data.labels[:800] == 8], pixels[data.labels[:800] == 1]
    probe = _gain(of, others)
    assert probe.darker and isinstance(rebuilt(*described(probe)), Gain)
    carriers = of[probe.strength(of) > probe.threshold]
    pasted = probe.paste(others[:50], carriers[torch.arange(50) % len(carriers)])
    ratio = (pasted.sum((1, 2, 3)) / others[:50].sum((1, 2, 3))).median()
    assert ratio == pytest.approx(factor, rel=0.12)
    assert not _gain(others, of).darker
