"""Exact Shapley values are those of all orders, and sampled ones keep what their intervals promise."""

import itertools
import math
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convsight.coalitions import regression
from convsight.coalitions.certainty import certain_words, first_certain
from convsight.coalitions.exact import every, shapley_values
from convsight.coalitions.interactions import windows
from convsight.coalitions.regression import Estimate, estimate
from convsight.coalitions.solving import Solving
from convsight.errors import InputError


@dataclass(eq=False)
class TableGame:
    """A game whose every value is in a table, fill by fill (d 2^r t); it counts what is asked."""

    table: Tensor
    budget: int = 0
    passes: int = 0
    known: list = field(default_factory=list)

    @property
    def fills(self) -> range:
        return range(len(self.table))

    @property
    def size(self) -> int:
        return int(math.log2(self.table.shape[1]))

    @property
    def near(self) -> Tensor:
        """As if the regions lay in a row."""
        return windows(torch.arange(self.size)[None])

    def values(self, coalitions: Tensor, fills: Tensor) -> Tensor:
        self.passes += len(coalitions)
        return self.table[fills, (coalitions.long() << torch.arange(self.size)).sum(1)]

    def ends(self) -> tuple[Tensor, Tensor]:
        if not self.known:
            self.passes += len(self.table) + 1
            self.know_ends(self.table[:, 0].mean(0), self.table[0, -1])
        return self.known[0], self.known[1]

    def know_ends(self, none: Tensor, all_: Tensor) -> None:
        self.known = [none, all_]


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def saturating(regions: int, seed: int) -> Tensor:
    """A table of a score that saturates, with interactions of two and of three neighbours."""
    shown, weights = every(regions).double(), noise(regions, seed=seed)
    pairs = (shown[:, 1:] * shown[:, :-1]) @ noise(regions - 1, seed=seed + 1)
    threes = (shown[:, 2:] * shown[:, 1:-1] * shown[:, :-2]) @ noise(regions - 2, seed=seed + 2)
    table = 3 * torch.tanh(shown @ weights / 2) + pairs + threes + 0.05 * noise(2**regions, seed=seed + 3)
    return table[None, :, None]


def solved(table: Tensor, budget: int, precision: float = 0.0, seed: int = 0) -> Solving:
    work = Solving(TableGame(table), budget, precision, seed)  # type: ignore[arg-type]
    while not work.done:
        work.step()
    return work


# ---- exact -------------------------------------------------------------------------------------------------


def over_all_orders(values: Tensor, regions: int) -> Tensor:
    total = torch.zeros(regions, dtype=torch.float64)
    for order in itertools.permutations(range(regions)):
        shown = 0
        for region in order:
            total[region] += values[shown | 1 << region] - values[shown]
            shown |= 1 << region
    return total / math.factorial(regions)


def test_exact_values_are_the_mean_over_all_orders() -> None:
    values = noise(32, 2, seed=0)
    for target in (0, 1):
        right = over_all_orders(values[:, target], 5)
        assert torch.allclose(shapley_values(values)[:, target], right, atol=1e-12)


def test_a_linear_game_gives_its_weights_and_a_product_equal_shares() -> None:
    shown, weights = every(6).double(), noise(6, seed=1)
    assert torch.allclose(shapley_values((shown @ weights)[:, None])[:, 0], weights)
    product = shown.prod(1)[:, None]
    assert torch.allclose(shapley_values(product)[:, 0], torch.full((6,), 1 / 6, dtype=torch.float64))


@given(st.integers(0, 10_000), st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_laws_of_additivity_symmetry_dummy_and_efficiency(seed: int, factor: float) -> None:
    one, two = noise(32, seed=seed), noise(32, seed=seed + 1)
    of = lambda v: shapley_values(v[:, None])[:, 0]  # noqa: E731
    assert torch.allclose(of(one + factor * two), of(one) + factor * of(two), atol=1e-9)
    assert torch.allclose(of(one).sum(), one[-1] - one[0], atol=1e-9)
    numbers = torch.arange(32)
    swapped = numbers & ~3 | (numbers & 1) << 1 | (numbers & 2) >> 1
    assert torch.allclose(of(one[swapped])[[1, 0, 2, 3, 4]], of(one), atol=1e-9)
    dummy = one[numbers & ~4]
    assert abs(float(of(dummy)[2])) < 1e-9


# ---- sampled -----------------------------------------------------------------------------------------------


def test_a_linear_game_is_known_after_the_first_stage() -> None:
    weights = noise(12, seed=2)
    work = Solving(TableGame((every(12).double() @ weights)[None, :, None]), 400, 0.1, 0)  # type: ignore[arg-type]
    work.step()
    assert work.estimate is not None
    assert torch.allclose(work.estimate.values[:, 0], weights, atol=1e-6)
    assert float(work.estimate.half.max()) < 1e-6


def test_sampled_values_add_up_and_approach_the_exact_ones() -> None:
    table = saturating(11, 5)
    right, errors = shapley_values(table[0]), []
    for budget in (150, 400, 1200):
        found = solved(table, budget).estimate
        assert found is not None
        assert float((found.values.sum(0) - (table[0, -1] - table[0, 0])).abs().max()) < 1e-6
        errors.append(float((found.values - right).abs().mean()))
    assert errors[2] < errors[1] < errors[0] and errors[2] < 0.03


def squared_errors(regions: int, budget: int) -> float:
    """The sum over eight games of the mean squared errors of their values."""
    total = 0.0
    for seed in range(8):
        table = saturating(regions, 100 * seed)
        found = solved(table, budget, seed=seed).estimate
        assert found is not None
        total += float((found.values - shapley_values(table[0])).square().mean())
    return total


def test_interactions_of_three_halve_the_variance_of_the_additive_regression(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = squared_errors(11, 400)
    monkeypatch.setattr(regression, "RIDGES", ())
    assert ours < 0.5 * squared_errors(11, 400)


def test_neighbours_that_interact_are_found_with_less_where_they_are_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_a_row = squared_errors(13, 200)
    monkeypatch.setattr(TableGame, "near", property(lambda self: torch.ones(1, self.size).double()))
    assert in_a_row < 0.5 * squared_errors(13, 200)


@pytest.mark.parametrize(("budget", "precision"), [(150, 0.0), (300, 0.0), (1500, 0.2)])
def test_intervals_hold_the_exact_value_in_95_of_100_cases(budget: int, precision: float) -> None:
    held = []
    for seed in range(30):
        table = saturating(12, 1000 + 10 * seed)
        found = solved(table, budget, precision, seed).estimate
        assert found is not None
        held.append((found.values - shapley_values(table[0])).abs() <= found.half)
    assert 0.92 <= float(torch.stack(held).double().mean()) <= 0.98


def test_several_fills_are_averaged() -> None:
    table = torch.cat([saturating(11, 7), saturating(11, 8)])
    table[:, -1] = table[0, -1]  # with every region shown there is nothing left of a fill
    exact = solved(table, 10_000)
    assert exact.exact and exact.estimate is not None
    right = shapley_values(table.mean(0))
    assert torch.allclose(exact.estimate.values, right)
    sampled = solved(table, 1000).estimate
    assert sampled is not None
    assert float(((sampled.values - right).abs() <= sampled.half).double().mean()) > 0.8
    assert float((sampled.values - right).abs().mean()) < 0.2


def test_blocks_of_pairs_give_nearly_what_all_together_give(monkeypatch: pytest.MonkeyPatch) -> None:
    table = saturating(11, 9)
    work = solved(table, 900)
    pairs = work._sampling.pairs()
    together = estimate(pairs, work.rise, work.game.near)
    monkeypatch.setattr(regression, "BLOCK", 200)
    apart = estimate(pairs, work.rise, work.game.near)
    assert not torch.equal(apart.values, together.values)
    assert float((apart.values - together.values).abs().max()) < 2 * float(apart.half.max())
    assert torch.allclose(apart.values.sum(0), together.values.sum(0), atol=1e-6)


def test_it_ends_when_it_is_narrow_enough_or_at_the_budget() -> None:
    table = saturating(12, 11)
    narrow = solved(table, 4000, 0.3)
    assert narrow.estimate is not None and "no 95% interval is wider than asked" in narrow.ended
    assert float(narrow.estimate.half.max()) <= 0.3 * float(narrow.estimate.values.abs().max())
    spent = solved(table, 333, 0.0)
    assert spent.ended == "stopped by the budget of 333 passes" and 330 <= spent.game.passes <= 333


def test_a_budget_too_small_for_the_regions_says_what_would_do() -> None:
    with pytest.raises(InputError, match="passes=50 are too few for 12 regions; give 74 or more"):
        solved(saturating(12, 1), 50)
    solved(saturating(12, 1), 74)


# ---- what is certain ---------------------------------------------------------------------------------------


def found(values: list[float], errors: list[float]) -> Estimate:
    spread = torch.tensor(errors, dtype=torch.float64).square().diag()[None]
    return Estimate(torch.tensor(values, dtype=torch.float64)[:, None], spread, 1000)


def test_the_first_regions_are_certain_in_order_or_as_a_group() -> None:
    clear = found([1.0, 9.0, 5.0, 1.1, 0.9], [0.1] * 5)
    assert first_certain(clear, 0) == (2, 2)
    assert certain_words(clear, 0, 500).startswith(
        "The first two are certain, in this order; the rest could be in"
    )
    group = found([5.0, 4.9, 4.8, 1.0, 0.9], [0.2] * 5)
    assert first_certain(group, 0) == (0, 3)
    assert "The first three are certain as a group" in certain_words(group, 0, 500)
    assert certain_words(found([1.0, 0.9, 0.8], [1.0] * 3), 0, 50).startswith(
        "No order of the regions is certain yet."
    )
    assert certain_words(found([1.0, 2.0], [0.0] * 2), 0, 4) == "All values are exact."


def test_what_is_not_certain_is_told_with_the_passes_that_it_would_need() -> None:
    # The difference of 0.1 has a 95% interval of 1.96 · 0.2 · √2 = 0.555: (5.55)² times the passes.
    words = certain_words(found([5.0, 1.1, 1.0], [0.2] * 3), 0, 1000)
    assert words.endswith(
        "Ranks 2 and 3 are 1.1 and 1, a difference of 0.1 ± 0.555: about 30,000 passes would tell them apart."
    )
    tie = certain_words(found([5.0, 1.0, 1.0], [0.2] * 3), 0, 1000)
    assert tie.endswith("a difference of 0 ± 0.555: more than 1,000,000 passes would tell them apart.")
    several = certain_words(found([5.0, 4.44, 4.43, 4.42], [0.2] * 4), 0, 1000)
    assert several.startswith("No order") and several.endswith("the ranks after them are too near as well.")


def test_several_close_rivals_need_a_wider_gap_than_one() -> None:
    gap = 2.0 * 0.1 * math.sqrt(2)  # two standard errors of a difference: outside of its 95% interval
    assert first_certain(found([gap, 0.0, -9.0, -9.5], [0.1] * 4), 0)[0] >= 1
    assert first_certain(found([gap, 0.0, -0.01, -0.02], [0.1] * 4), 0) == (0, 0)


def test_a_first_group_that_is_called_certain_is_the_right_one() -> None:
    said = wrong = 0
    for seed in range(20):
        table = saturating(12, 2000 + 10 * seed)
        right = shapley_values(table[0])[:, 0].argsort(descending=True)
        work = Solving(TableGame(table), 200, 0.0, seed)  # type: ignore[arg-type]
        while not work.done:
            work.step()
            assert work.estimate is not None
            k = first_certain(work.estimate, 0)[1]
            mine = work.estimate.values[:, 0].argsort(descending=True)
            said, wrong = said + (k > 0), wrong + (set(mine[:k].tolist()) != set(right[:k].tolist()))
    assert said >= 60 and wrong <= 0.05 * said


def test_errors_that_go_together_leave_an_order_certain() -> None:
    together = Estimate(
        torch.tensor([[2.0], [1.0]], dtype=torch.float64),
        torch.tensor([[[1.0, 0.999], [0.999, 1.0]]], dtype=torch.float64), 1000,
    )  # fmt: skip
    assert first_certain(together, 0) == (1, 1)
