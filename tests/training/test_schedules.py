"""Do schedules have the values that their formulas give by hand?"""

import math

import pytest

from convsight.errors import InputError
from convsight.training.schedules import schedule


def test_constant_never_changes():
    rate = schedule("constant", 0.25)
    assert {rate(x / 7) for x in range(8)} == {1.0}


def test_triangular_rises_to_its_peak_and_falls_to_zero():
    rate = schedule("triangular", 0.25)
    assert [rate(x) for x in (0, 0.125, 0.25, 0.625, 1)] == [0, 0.5, 1, 0.5, 0]


def test_triangular_without_a_warm_up_starts_at_the_top():
    assert schedule("triangular", 0)(0) == 1


def test_cosine_is_half_a_cosine_after_its_warm_up():
    rate = schedule("cosine", 0.2)
    assert rate(0.1) == 0.5
    assert rate(0.2) == 1
    assert rate(0.4) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert rate(1) == pytest.approx(0)


def test_wrong_schedules_are_refused():
    with pytest.raises(InputError, match="did you mean triangular"):
        schedule("triangle", 0.25)
    with pytest.raises(InputError, match="share of the run"):
        schedule("cosine", 1.0)
