"""`cs.lime` is scikit-learn's weighted ridge regression on the same coalitions."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from tests.every_method.networks import STYLES
from torch import nn

import convsight as cs
from convsight.coalitions.surrogate import nearness, surrogate


def picture() -> torch.Tensor:
    return torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(7))


def test_it_is_scikit_learns_ridge_on_the_same_coalitions() -> None:
    net, given = STYLES["functional"](), picture()
    found = cs.lime(net, given, "b", regions=3, passes=120, ridge=2.0, width=0.4)
    shown = torch.rand(120, 9, generator=torch.Generator().manual_seed(0)) < 0.5
    shown[0] = True
    hidden = torch.where(shown[:, found.regions[0]][:, None], given, torch.full_like(given, 0.5))
    distance = 1 - shown.double().mean(1).sqrt()
    weights = np.sqrt(np.exp(-((distance / 0.4) ** 2).numpy()))
    right = Ridge(alpha=2.0).fit(shown.numpy(), net.scores(hidden)[:, 1].numpy(), weights)
    assert np.allclose(found.region_values[0].numpy(), right.coef_, atol=1e-4)


def test_without_shrinking_a_linear_network_is_its_own_surrogate() -> None:
    torch.manual_seed(0)
    net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), ["a", "b", "c"], 28, 1)
    found = cs.lime(net, picture(), "b", regions=4, passes=200, ridge=0.0)
    exact = cs.shapley(net, picture(), "b", regions=4, passes=200)
    assert torch.allclose(found.region_values, exact.region_values, atol=1e-3)
    assert float(found.half_width.max()) < 1e-3 and "explains 100% of the score" in found.notes[0]


def test_its_intervals_hold_the_weights_of_many_coalitions() -> None:
    draws = torch.Generator().manual_seed(3)
    weights = torch.randn(8, generator=draws).double()

    def score(shown: torch.Tensor) -> torch.Tensor:
        return torch.tanh(shown.double() @ weights)

    def fit(passes: int):
        shown = torch.rand(passes, 8, generator=draws) < 0.5
        return surrogate(shown, score(shown), nearness(shown, 0.25), 1e-6)

    right = fit(100_000)
    held = [((f := fit(150)).weights - right.weights).abs() <= f.half for _ in range(60)]
    assert float(torch.stack(held).double().mean()) == pytest.approx(0.95, abs=0.03)
    assert 0 < right.explained < 1
