"""Are flips, intervals and p-values what they say?"""

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shortcuts.known_nets import SANDAL, Corner, cornered, garments, glyph, marked, net_with
from tests.shortcuts.test_probes import corner_mask

import convsight as cs
from convsight.errors import DataError
from convsight.shortcuts.probes import Region
from convsight.shortcuts.sample import draw_sample
from convsight.shortcuts.screen import class_attribution, path_attribution, window_scores, windows
from convsight.shortcuts.transplant import Effect, binomial_tail, channels_last, holm, transplant


def effect(both: int, for_it: int, against: int, neither: int) -> Effect:
    flipped = [True] * (both + for_it) + [False] * (against + neither)
    control = [True] * both + [False] * for_it + [True] * against + [False] * neither
    return Effect(torch.tensor(flipped), torch.tensor(control))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.integers(0, 40))
def test_the_tail_is_that_of_scipys_exact_test(successes: int, more: int) -> None:
    n = successes + more
    exact = scipy.stats.binomtest(successes, n, 0.5, alternative="greater").pvalue if n else 1.0
    assert binomial_tail(successes, n) == pytest.approx(exact, abs=1e-12)


def test_rates_and_p_value_count_the_pictures() -> None:
    seen = effect(both=5, for_it=30, against=2, neither=63)
    assert (seen.flip_rate, seen.control_rate) == (pytest.approx(0.35), pytest.approx(0.07))
    assert seen.difference == pytest.approx(0.28)
    assert seen.p_value == pytest.approx(scipy.stats.binomtest(30, 32, 0.5, alternative="greater").pvalue)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator, inside = torch.Generator().manual_seed(0), 0
    for seed in range(200):
        flipped = torch.rand(150, generator=generator) < 0.4
        control = torch.rand(150, generator=generator) < 0.1
        low, high = Effect(flipped, control).interval(seed, rounds=500)
        inside += low <= 0.3 <= high
    assert 180 <= inside <= 199  # 95% of 200 is 190


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_a_known_corner_turns_every_picture_and_no_control() -> None:
    net, data = net_with(Corner(glyph())), garments()
    onto = data.test.take((data.test.labels != SANDAL).nonzero().flatten()[:50])[:].pixels
    of = data.test.take((data.test.labels == SANDAL).nonzero().flatten())[:].pixels[:1].expand(50, -1, -1, -1)
    seen = transplant(net, Region(corner_mask()), SANDAL, onto, cornered(of), of)
    assert seen.flip_rate == 1.0 and seen.control_rate <= 0.1


def test_path_attributions_sum_to_the_change_of_the_log_odds() -> None:
    from convsight.shortcuts.screen import log_odds

    net, data = net_with(None), garments()
    onto, of = data.test[:6].pixels, data.test[6:12].pixels
    maps = path_attribution(net, SANDAL, onto, of, steps=64)
    with torch.no_grad():
        change = log_odds(net.forward(of), SANDAL) - log_odds(net.forward(onto), SANDAL)
    assert torch.allclose(maps.sum((1, 2)), change, rtol=0.1, atol=0.5)


def test_the_window_over_the_cue_scores_highest() -> None:
    data = marked(cornered, share=1.0)
    net = net_with(Corner(glyph()))
    half = draw_sample(net, data.test).explore
    maps, _, control = class_attribution(net, half, SANDAL, 32, torch.Generator().manual_seed(0))
    found = windows((28, 28))
    best = found[int(window_scores(found, maps.mean(0) - control.mean(0)).argmax())]
    top, left, height, width = best
    assert top <= 3 < top + height and left <= 24 < left + width


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**16))
def test_window_scores_are_plain_sums(seed: int) -> None:
    values = torch.randn(12, 17, generator=torch.Generator().manual_seed(seed))
    found = windows((12, 17))
    plain = torch.stack([values[r : r + h, c : c + w].sum() for r, c, h, w in found])
    assert torch.allclose(window_scores(found, values), plain, atol=1e-4)


def test_the_halves_share_no_picture_and_hold_every_class() -> None:
    sample = draw_sample(net_with(None), garments().test, per_class=30)
    assert not set(sample.explore.ids) & set(sample.confirm.ids)
    for half in (sample.explore, sample.confirm):
        assert torch.bincount(half.labels).tolist() == [15] * 10


def test_recipients_are_other_classes_pictures_that_are_not_taken_for_the_target() -> None:
    half = draw_sample(net_with(None), garments().test).explore
    chosen = half.recipients(SANDAL, 100, torch.Generator().manual_seed(0))
    assert (half.labels[chosen] != SANDAL).all() and (half.predicted[chosen] != SANDAL).all()
    assert len(set(chosen.tolist())) == len(chosen)


def test_too_few_pictures_are_refused_in_words() -> None:
    with pytest.raises(DataError, match="too few pictures to audit: 0 of 10 classes"):
        draw_sample(net_with(None), garments().test.take(range(40)))


def test_pictures_with_channels_side_by_side_are_the_same_to_a_network():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(200, 2)
    )
    net = cs.Classifier(module.eval(), classes=["a", "b"], input_size=12, channels=3)
    pictures = torch.rand(5, 3, 12, 12)
    beside = channels_last(pictures)
    assert torch.equal(beside, pictures) and beside.stride(1) == 1
    assert torch.allclose(net.scores(beside), net.scores(pictures), atol=1e-5)
