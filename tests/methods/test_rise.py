"""`cs.rise` is a slow loop over its masks, and its intervals hold what more masks say."""

import pytest
import torch
from tests.every_method.networks import STYLES

import convsight as cs
from convsight.coalitions.masks import random_masks
from convsight.errors import InputError


def picture() -> torch.Tensor:
    return torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(7))


def test_it_is_a_slow_loop_with_the_same_masks() -> None:
    net, given = STYLES["functional"](), picture()
    found = cs.rise(net, given, "b", passes=40, cells=5, shown=0.4)
    masks = random_masks(40, (28, 28), 5, 0.4, torch.Generator().manual_seed(0))
    scores = [net.probabilities(given * mask)[0, 1] for mask in masks]
    usual = sum(scores) / 40
    shares = torch.stack([(s - usual) * mask / 0.4 for s, mask in zip(scores, masks, strict=True)])
    assert torch.allclose(found.values[0], shares.mean(0), atol=1e-5)
    assert torch.allclose(found.half_width[0], 1.96 * shares.std(0) / 40**0.5, rtol=1e-3, atol=1e-6)


def test_masks_are_smooth_and_show_as_much_as_asked() -> None:
    masks = random_masks(600, (28, 20), 4, 0.3, torch.Generator().manual_seed(1))
    assert masks.shape == (600, 28, 20) and float(masks.min()) >= 0 and float(masks.max()) <= 1
    assert float(masks.mean()) == pytest.approx(0.3, abs=0.02)
    assert float((masks[:, 1:] - masks[:, :-1]).abs().max()) < 0.4
    assert not torch.equal(masks[0], masks[1])


def test_nineteen_of_twenty_intervals_hold_what_many_more_masks_say() -> None:
    net, given = STYLES["skip"](), picture()
    few = cs.rise(net, given, "a", passes=300, seed=1)
    many = cs.rise(net, given, "a", passes=8000, seed=2)
    inside = (few.values - many.values).abs() <= few.half_width * 1.05
    assert float(inside.float().mean()) > 0.85


def test_a_unit_is_a_target_and_too_many_cells_are_refused() -> None:
    net = STYLES["functional"]()
    found = cs.rise(net, picture(), ("conv2", 3), passes=30)
    assert found.unit == "score above its mean" and found.values.isfinite().all()
    with pytest.raises(InputError, match="cells=40 are more than the picture's 28 px a side"):
        cs.rise(net, picture(), "a", cells=40)
