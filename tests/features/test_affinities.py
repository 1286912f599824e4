"""Are the probabilities of a t-SNE map those that openTSNE makes from all neighbours at once?"""

import numpy as np
import pytest
import torch
from openTSNE.affinity import PerplexityBasedNN

from convsight.features.affinities import ExactAffinities


def values(n: int) -> torch.Tensor:
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_pairs_are_opentsnes_whatever_is_asked_at_a_time(dtype, monkeypatch):
    monkeypatch.setattr("convsight.features.exact.AT_ONCE", 70)
    expected = PerplexityBasedNN(values(300).double().numpy(), perplexity=20, method="exact").P.toarray()
    ours = ExactAffinities(values(300), 20, 1, dtype).P
    assert ours.dtype == dtype and ours.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(ours.toarray(), expected, atol=1e-4 * expected.max())
    assert abs(ours - ours.T).max() == 0


def test_new_points_have_the_affinities_that_opentsne_gives_them_and_need_no_pairs():
    peer = PerplexityBasedNN(values(300).double().numpy(), perplexity=20, method="exact")
    ours = ExactAffinities(values(300), 20, 1, np.float32)
    ours.drop_pairs()
    assert ours.P.shape == (300, 300) and ours.P.nnz == 0
    new = values(300)[:9] + 0.1
    expected = peer.to_new(new.double().numpy(), perplexity=5).toarray()
    np.testing.assert_allclose(ours.to_new(new.numpy(), perplexity=5).toarray(), expected, atol=1e-4)
