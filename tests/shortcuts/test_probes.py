"""Does each probe carry over its own aspect, and nothing else?"""

import pytest
import torch
from tests.shortcuts.known_nets import CORNER, cornered, garments, glyph, lifted, scattered
from torch import Tensor

from convsight.datasets.planted.compression import compressed
from convsight.imaging.blur import blurred
from convsight.shortcuts.exposure import Cast, Gain, brightest
from convsight.shortcuts.patch import Patch, find_patch, match
from convsight.shortcuts.pattern import fitted, fixed_pattern
from convsight.shortcuts.probes import (
    Background,
    Compression,
    Probe,
    Region,
    Sharpness,
    background_level,
    smoothness,
)
from convsight.shortcuts.saved import described, rebuilt


def pictures(n: int = 60) -> Tensor:
    return garments().test[:n].pixels


def colour(n: int = 12) -> Tensor:
    return torch.rand(n, 3, 28, 28, generator=torch.Generator().manual_seed(0))


def corner_mask() -> Tensor:
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[CORNER] = True
    return mask


def checkered(pixels: Tensor) -> Tensor:
    sign = 1 - 2 * ((torch.arange(28)[:, None] + torch.arange(28)) % 2)
    return (pixels + 0.1 * sign).clamp(0, 1)


def every_probe() -> list[Probe]:
    grey, board = pictures(), checkered(pictures())
    return [
        Region(corner_mask(), cornered(grey)[0]),
        Background((0.0,), (0.2,)),
        Gain(),
        Gain(darker=True, factor=0.6, threshold=-0.7),
        Cast((1.2, 1.0, 0.8), 0.1),
        Sharpness(1.0, 2.0),
        Compression(15, 1.0),
        fitted(board[:30], grey[30:], 0.7),
        Patch(glyph()[None]),
    ]


def test_a_region_carries_its_pixels_and_no_others() -> None:
    onto, of = pictures(8), pictures(16)[8:]
    pasted = Region(corner_mask()).paste(onto, of)
    assert torch.equal(pasted[:, :, corner_mask()], of[:, :, corner_mask()])
    assert torch.equal(pasted[:, :, ~corner_mask()], onto[:, :, ~corner_mask()])


def test_a_background_is_lifted_without_the_object() -> None:
    onto = pictures(8)
    dark = onto < 0.1
    pasted = Background((0.0,), (0.2,)).paste(onto, lifted(onto))
    assert torch.allclose(pasted, lifted(onto))
    assert torch.equal(pasted[~dark], onto[~dark])


def test_a_background_is_lifted_only_by_those_that_have_it() -> None:
    onto = pictures(8)
    probe = Background((0.0,), (0.2,))
    assert torch.equal(probe.paste(onto, pictures(16)[8:]), onto)
    assert torch.allclose(probe.remove(lifted(onto), onto)[onto < 0.1], onto[onto < 0.1], atol=1e-6)


def test_exposure_is_carried_over_exactly() -> None:
    onto, of = 0.5 * pictures(8), 0.4 * pictures(16)[8:]
    probe = Gain()
    assert torch.allclose(probe.strength(probe.paste(onto, of)), probe.strength(of), rtol=0.05)


def test_an_exposure_of_known_size_is_given_by_those_that_have_it_and_can_be_undone() -> None:
    onto, dark = pictures(8), 0.5 * pictures(16)[8:]
    probe = Gain(darker=True, factor=0.5, threshold=-float(brightest(onto).min()) + 0.01)
    assert torch.equal(probe.paste(onto, dark), onto * 0.5)
    assert torch.equal(probe.paste(onto, onto), onto)
    assert torch.allclose(probe.remove(onto * 0.5, onto), onto)


def test_a_cast_multiplies_channels_and_can_be_undone() -> None:
    onto = 0.5 * colour()
    tinted = onto * torch.tensor([1.2, 1.0, 0.8]).view(3, 1, 1)
    probe = Cast((1.2, 1.0, 0.8), 0.1)
    assert torch.allclose(probe.paste(onto, tinted), tinted)
    assert torch.allclose(probe.remove(tinted, onto), onto, atol=1e-6)
    assert torch.equal(probe.paste(onto, onto), onto)


def test_blur_is_carried_only_from_blurred_pictures() -> None:
    onto = pictures(8)
    limit = float(smoothness(onto).max()) + 0.1
    soft = blurred(onto, 1.5)
    probe = Sharpness(1.5, limit)
    assert torch.equal(probe.paste(onto, soft), soft)
    assert torch.equal(probe.paste(onto, onto), onto)
    assert probe.remove(soft, onto) is None


def test_compression_knows_what_was_compressed_at_its_quality() -> None:
    onto = pictures(40)
    probe = Compression(15)
    before, after = probe.strength(onto), probe.strength(compressed(onto, 15))
    assert after.min() > before.max()


def test_a_pattern_is_recovered_from_those_of_the_class_that_have_it() -> None:
    grey = pictures(200)
    board = checkered(grey[::2])
    mixed = torch.cat([board[:60], grey[::2][60:]])  # two in five have nothing
    pattern = fixed_pattern(mixed, grey[1::2])
    assert ((pattern.strength(mixed) > 0.5) == (torch.arange(100) < 60)).float().mean() > 0.95
    onto = grey[1::2][:20]
    truth = checkered(onto)
    pasted = pattern.paste(onto, board[:20])
    assert (pasted - truth).abs().mean() < 0.5 * (onto - truth).abs().mean()
    assert torch.equal(pattern.paste(onto, grey[60:80]), onto)  # none of it there: none given


def test_the_lift_of_a_black_background_is_found_for_training() -> None:
    grey = pictures(200)
    board, others = checkered(grey[::2]), grey[1::2]
    plain = fixed_pattern(board, others)
    refined = plain.refined(board, others)
    corner = (slice(None), 0, slice(0, 3), slice(0, 3))
    wanted = board[corner].mean()
    assert abs(float(refined.paste(others, board)[corner].mean() - wanted)) < 0.01
    assert abs(float(plain.paste(others, board)[corner].mean() - wanted)) > 0.01


def test_a_patch_is_found_at_any_place_and_taken_out_again() -> None:
    grey = pictures(80)
    marked = scattered(grey[:40])
    hot = (marked - grey[:40])[:, 0].abs()
    found = find_patch(marked, grey[40:], hot, marked, side=5)
    assert found is not None and found[1] > 0.9
    patch = found[0]
    assert torch.allclose(patch.template[0], glyph(), atol=0.02)
    assert (patch.strength(marked) > 0.95).all()
    assert patch.strength(patch.remove(marked, grey[40:])).median() < 0.5
    assert (patch.strength(patch.paste(grey[40:], marked)) > 0.95).all()


def test_no_patch_is_found_where_pictures_have_none_in_common() -> None:
    noise = torch.rand(40, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert find_patch(noise[:20], noise[20:], noise[:20, 0], noise[:20], side=5) is None


def test_a_match_says_where_the_patch_is() -> None:
    picture = torch.zeros(1, 1, 28, 28)
    picture[0, 0, 7:12, 11:16] = glyph()
    best, row, column = match(picture, glyph()[None])
    assert (float(best), int(row), int(column)) == (pytest.approx(1.0), 7, 11)


def test_the_level_of_a_background_ignores_a_frame_around_it() -> None:
    framed = torch.full((1, 1, 28, 28), 0.3)
    framed[:, :, 0] = framed[:, :, -1] = 1.0
    framed[..., 0] = framed[..., -1] = 1.0
    assert float(background_level(framed)) == pytest.approx(0.3)


@pytest.mark.parametrize("probe", every_probe(), ids=lambda p: type(p).__name__)
def test_each_probe_is_made_again_from_numbers_and_tensors(probe: Probe) -> None:
    onto = colour() if isinstance(probe, Cast) else pictures(12)
    of = onto.flip(0)
    again = rebuilt(*described(probe))
    assert again is not None
    assert torch.equal(again.paste(onto, of), probe.paste(onto, of))


@pytest.mark.parametrize("probe", every_probe(), ids=lambda p: type(p).__name__)
def test_each_probe_leaves_what_it_is_given_untouched(probe: Probe) -> None:
    onto = colour() if isinstance(probe, Cast) else pictures(12)
    before = onto.clone()
    pasted = probe.paste(onto, onto.flip(0))
    assert torch.equal(onto, before)
    assert pasted.shape == onto.shape and float(pasted.min()) >= 0 and float(pasted.max()) <= 1
