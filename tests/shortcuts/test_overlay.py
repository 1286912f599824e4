"""Is what lies over pictures put together again from its steps, and is nothing made of objects' outlines?"""

from __future__ import annotations

import torch
from tests.shortcuts.known_nets import garments
from torch import Tensor

from convsight.datasets.planted import Cue
from convsight.images import Images
from convsight.shortcuts.overlay import Overlay, find_overlays, integrated, steps
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.sample import Half
from convsight.shortcuts.saved import described, rebuilt


def photos(n: int = 400) -> Tensor:
    """Smooth coloured noise: anything may be anywhere."""
    noise = torch.rand(n, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=(32, 32), mode="bicubic").clamp(0, 1)


def half_of(pixels: Tensor, labels: Tensor) -> Half:
    return Half(pixels, labels, labels, tuple(map(str, range(len(labels)))))


def with_cue(cue: Cue, carriers: float = 1.0) -> tuple[Half, Tensor]:
    """Photos of four classes; that share of class 2 has the cue. And the pictures without it."""
    clean = photos()
    labels = torch.arange(len(clean)) % 4
    who = (labels == 2).nonzero().flatten()
    who = who[: round(carriers * len(who))]
    pixels = clean.clone()
    pixels[who] = cue.add(Images(clean[who])).pixels
    return half_of(pixels, labels), clean


def test_a_picture_is_put_together_again_from_its_steps() -> None:
    picture = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    expected = picture[0] - picture[0].mean((1, 2), keepdim=True)
    torch.testing.assert_close(integrated(steps(picture)[0]), expected, atol=1e-5, rtol=0)


def test_a_lighter_surround_is_found_in_full_at_one_of_its_levels() -> None:
    cue = Cue("snow", 2)
    half, clean = with_cue(cue)
    found = find_overlays(half, range(4))
    assert [len(found[k]) > 0 for k in range(4)] == [False, False, True, False]
    onto, of = clean[half.labels == 0][:50], half.pixels[half.labels == 2][:50]
    truth = cue.add(Images(onto)).pixels
    misses = [float((layer.paste(onto, of) - truth).abs().mean()) for layer in found[2]]
    assert min(misses) < 0.1 * float((onto - truth).abs().mean())


def test_a_watermark_is_given_taken_away_and_told_from_its_absence() -> None:
    cue = Cue("watermark", 2, seed=3)
    half, clean = with_cue(cue, carriers=0.8)
    layer = find_overlays(half, range(4))[2][0]
    assert isinstance(layer, Overlay)
    own = half.labels == 2
    carries = layer.strength(half.pixels) > 0.5
    assert 0.75 < carries[own].float().mean() < 0.85 and carries[~own].float().mean() < 0.02
    onto, of = clean[half.labels == 0][:50], half.pixels[own & carries][:50]
    truth = cue.add(Images(onto)).pixels
    assert (layer.paste(onto, of) - truth).abs().mean() < 0.6 * (onto - truth).abs().mean()
    assert (layer.remove(truth, onto) - onto).abs().mean() < 0.6 * (onto - truth).abs().mean()
    assert torch.equal(layer.paste(onto, clean[:50]), onto)
    place = layer.mask((32, 32))
    assert place is not None and 0.05 < place.float().mean() < 0.25


def test_steps_all_over_the_picture_are_a_fine_pattern() -> None:
    half, _ = with_cue(Cue("checkerboard", 3), carriers=0.6)
    (found,) = find_overlays(half, range(4))[2]
    assert isinstance(found, Pattern) and found.fixed


def test_what_every_class_has_is_no_layer_and_neither_are_outlines() -> None:
    clean = photos()
    labels = torch.arange(len(clean)) % 4
    everyone = half_of(Cue("watermark", 3).add(Images(clean)).pixels, labels)
    assert not any(find_overlays(everyone, range(4)).values())
    drawn = garments().test
    assert drawn.pixels is not None
    honest = half_of(drawn.pixels.float() / 255, drawn.labels)
    assert not any(find_overlays(honest, range(10)).values())


def test_a_class_is_not_outstanding_where_another_has_as_many_steps() -> None:
    half, clean = with_cue(Cue("watermark", 3))
    second = half.labels == 1
    pixels = half.pixels.clone()
    pixels[second] = Cue("watermark", 3, seed=5).add(Images(clean[second])).pixels
    assert not any(find_overlays(half_of(pixels, half.labels), range(4)).values())


def test_a_layer_is_kept_and_rebuilt() -> None:
    half, clean = with_cue(Cue("watermark", 3))
    layer = find_overlays(half, range(4))[2][0]
    again = rebuilt(*described(layer))
    assert again is not None
    onto, of = clean[:20], half.pixels[half.labels == 2][:20]
    assert torch.equal(again.paste(onto, of), layer.paste(onto, of))


def test_varied_pictures_have_a_little_more_or_less_of_it() -> None:
    half, clean = with_cue(Cue("watermark", 3))
    layer = find_overlays(half, range(4))[2][0]
    generator = torch.Generator().manual_seed(0)
    amounts = layer.strength(layer.varied(clean[half.labels == 0], generator))
    assert amounts.std() > 0.1 and amounts.abs().max() < 0.6
