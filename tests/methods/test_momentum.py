"""The lesson's sum of steps against torch.optim.SGD, finite differences and the landscape's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convsight.errors import InputError
from convsight.methods.momentum import Momentum, height, roll, slope, terms
from convsight.results.kinds import Pictures


def sgd_path(start: float, lr: float, beta: float, steps: int) -> torch.Tensor:
    x = torch.tensor([start], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([x], lr=lr, momentum=beta)
    places = [start]
    for _ in range(steps):
        x.grad = torch.tensor([slope(x.item())], dtype=torch.float64)
        optimiser.step()
        places.append(x.item())
    return torch.tensor(places, dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.99), st.floats(0.01, 0.2), st.floats(-3.8, 3.2))
def test_the_sum_of_weighted_steps_walks_the_path_of_torch_sgd(beta, lr, start):
    ours, theirs = roll(start, lr, beta, 30), sgd_path(start, lr, beta, 30)
    assert (ours - theirs).abs().max() < 1e-6


def test_the_default_path_equals_torch_sgd_to_the_last_digits():
    plain, rolling = Momentum().path()
    assert (plain - sgd_path(-3.6, 0.12, 0.0, 60)).abs().max() < 1e-12
    assert (rolling - sgd_path(-3.6, 0.12, 0.9, 60)).abs().max() < 1e-10


def test_the_slope_is_the_derivative_of_the_height():
    x = np.linspace(-4, 4, 81)
    assert np.abs((height(x + 1e-5) - height(x - 1e-5)) / 2e-5 - slope(x)).max() < 1e-8


def test_the_terms_are_the_steps_newest_first_times_powers_of_beta():
    assert terms([3.0, 5.0, 7.0], 0.5).tolist() == [7.0, 2.5, 0.75]


def test_plain_descent_stays_in_the_local_minimum_and_momentum_overshoots_the_global_one():
    x = np.linspace(-4, 3.4, 20001)
    local, best = x[x < 0][height(x[x < 0]).argmin()], x[height(x).argmin()]
    plain, rolling = Momentum().path()
    assert local < 0 < best and height(best) < height(local)
    assert abs(float(plain[-1]) - local) < 1e-2
    assert abs(float(rolling[-1]) - best) < 0.15
    assert float(rolling.max()) > best + 0.5


def test_without_momentum_both_balls_walk_alike():
    plain, rolling = Momentum(beta=0.0, steps=20).path()
    assert torch.equal(plain, rolling)


def test_the_pictures_are_frames_of_an_animation(tmp_path):
    result = Momentum(steps=12)()
    assert isinstance(result, Pictures) and result.fps == 6
    assert result.values is not None and result.values.shape == (2, 13)
    assert len(result.images) == 13
    assert not torch.equal(result.images[0], result.images[-1])
    gif = result.save(tmp_path / "ball.gif").read_bytes()
    assert gif.startswith(b"GIF89a")
    assert torch.equal(Momentum(steps=12)().images, result.images)


def test_the_ends_part_shows_from_which_beta_on_the_ball_gets_over():
    ends = Momentum()._ends()
    over = [beta for beta, y in zip(ends.series[0].x, ends.series[0].y, strict=True) if y < -0.9]
    stuck = [beta for beta in ends.series[0].x if beta not in over]
    assert 0.9 in over and {0.0, 0.5, 0.8} <= set(stuck)


@pytest.mark.parametrize("knobs", [{"beta": 1.0}, {"beta": -0.1}, {"lr": 0.0}, {"steps": 0}, {"start": 9.0}])
def test_knobs_out_of_range_are_refused(knobs):
    with pytest.raises(InputError, match="outside its range"):
        Momentum(**knobs)
