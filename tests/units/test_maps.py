"""Moran's I, correlation and η² against their definitions, scipy and numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from convsight.units.map_texture import correlation, eta_squared, morans_i


def moran_by_definition(x):
    """N/W Σ w (x_i − m)(x_j − m) / Σ (x_i − m)² with an explicit matrix of weights, 1 for a shared edge."""
    h, w = x.shape
    places = [(i, j) for i in range(h) for j in range(w)]
    weights = np.array([[float(abs(a - c) + abs(b - d) == 1) for c, d in places] for a, b in places])
    z = x.flatten() - x.mean()
    return len(z) / weights.sum() * (z @ weights @ z) / (z @ z)


@pytest.mark.parametrize("size", [(2, 2), (1, 5), (4, 3), (7, 6)])
def test_morans_i_is_its_definition(size):
    maps = torch.rand(3, 4, *size, generator=torch.Generator().manual_seed(0))
    found = morans_i(maps)
    for i in range(3):
        for c in range(4):
            assert float(found[i, c]) == pytest.approx(
                moran_by_definition(maps[i, c].double().numpy()), abs=1e-9
            )


def test_a_checkerboard_is_minus_one_a_ramp_near_one_and_noise_near_zero():
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    noise = torch.rand(20, 20, generator=torch.Generator().manual_seed(1))
    board, ramp, speckle = morans_i(torch.stack([(x + y) % 2, x + y, noise])[None])[0].tolist()
    assert board == pytest.approx(-1)
    assert ramp > 0.9
    assert abs(speckle) < 0.1


def test_a_map_without_variation_has_no_morans_i():
    assert morans_i(torch.full((1, 2, 3, 3), 0.1)).isnan().all()
    assert morans_i(torch.rand(1, 2, 1, 1)).isnan().all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(2, 5), st.integers(0, 1000), st.floats(-50, 50))
def test_eta_squared_is_that_of_a_one_way_anova(k, seed, shift):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, 40)])
    values = rng.normal(size=(len(labels), 2)) + 0.7 * labels[:, None] + shift
    counts, sums = np.bincount(labels), np.stack([values[labels == j].sum(0) for j in range(k)])
    found = eta_squared(*(torch.from_numpy(a.astype(float)) for a in (counts, sums, (values**2).sum(0))))
    f = stats.f_oneway(*[values[labels == j] for j in range(k)]).statistic
    between, within = k - 1, len(labels) - k
    assert found.numpy() == pytest.approx(f * between / (f * between + within), abs=1e-9)


def test_a_number_that_never_varies_is_explained_by_nothing():
    found = eta_squared(torch.tensor([3.0, 2.0]), torch.tensor([[3.0, 0], [2, 0]]), torch.tensor([5.0, 0]))
    assert found.tolist() == [0, 0]


def test_correlation_is_numpys_and_zero_for_a_constant():
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(2)).double()
    x[1] = 2 * x[0] + 3
    x[3] = 7.0
    found = correlation(x @ x.T, x.sum(1), 50)
    assert found[:3, :3].numpy() == pytest.approx(np.corrcoef(x[:3].numpy()), abs=1e-9)
    assert found[3].tolist() == [0, 0, 0, 0]
