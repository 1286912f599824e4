"""Are the principal components those of scikit-learn, for tall and for wide matrices?"""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from convsight.errors import InputError
from convsight.features.projection import principal
from convsight.results import plot


@pytest.mark.parametrize(("n", "d"), [(400, 12), (20, 300), (30, 30)])
def test_directions_and_shares_are_scikit_learns(n, d):
    scales = torch.linspace(3, 0.2, d)
    values = torch.randn(n, d, generator=torch.Generator().manual_seed(0)) * scales + 5
    found, peer = principal(values, 3), PCA(3, svd_solver="full").fit(values.double().numpy())
    signs = np.sign(peer.components_[range(3), np.abs(peer.components_).argmax(1)])[:, None]
    np.testing.assert_allclose(found.directions.numpy(), peer.components_ * signs, atol=2e-4)
    np.testing.assert_allclose(found.shares.numpy(), peer.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(found.variances.numpy(), peer.explained_variance_, rtol=1e-4)
    placed = peer.transform(values.double().numpy()) * signs.T
    np.testing.assert_allclose(found.place(values).numpy(), placed, atol=2e-3)


def test_one_direction_holds_everything_on_a_line():
    found = principal(torch.arange(10.0)[:, None] * torch.tensor([[3.0, 4.0]]), 2)
    torch.testing.assert_close(found.directions[0], torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(found.shares, torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)


def test_equal_pictures_have_no_variance_and_no_nan():
    found = principal(torch.ones(6, 20), 2)
    assert found.shares.tolist() == [0, 0] and found.place(torch.ones(6, 20)).abs().max() == 0


def test_one_picture_has_no_directions():
    with pytest.raises(InputError, match="at least 2 pictures; given 1"):
        principal(torch.ones(1, 4), 2)


def test_the_name_of_a_few_placed_pictures_stands_at_one_of_them():
    far = np.array([[0.0, 0.0], [10.0, 0.0], [11.0, 1.0]])  # their median, (10, 0), is one; of two it is not
    assert plot.central(far).tolist() == [10.0, 0.0]
    assert plot.central(far[:2]).tolist() in far[:2].tolist()
