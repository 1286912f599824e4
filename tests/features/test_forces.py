"""Are the forces on a t-SNE map the slope of KL(P‖Q), whatever the map's size and however uneven the pairs?"""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from convsight.features.forces import Attraction, Forces, Repulsion


def affinities(n: int, hub: bool = False) -> sp.csr_matrix:
    """Symmetric, sums to 1; a hub is a point that pulls at all others."""
    generator = np.random.default_rng(0)
    dense = generator.random((n, n)) * (generator.random((n, n)) < 0.05)
    if hub:
        dense[7] = generator.random(n)
    dense = np.triu(dense, 1)
    return sp.csr_matrix((dense + dense.T) / (2 * dense.sum()))


def layout(n: int, extent: float) -> np.ndarray:
    xy = torch.rand(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (extent * xy * torch.tensor([1.0, 0.6])).numpy()


def exactly(pairs: sp.csr_matrix, xy: np.ndarray, exaggeration: float = 1.0) -> tuple[float, np.ndarray]:
    """KL(P‖Q) and a quarter of its slope (with its pull exaggerated), by automatic differentiation."""
    p, y = torch.from_numpy(pairs.toarray()), torch.from_numpy(xy).requires_grad_()
    spread = 1 + (y[:, None] - y).square().sum(2)
    pull, total = (p * spread.log()).sum(), (1 / spread).sum() - len(y)
    (slope,) = torch.autograd.grad(exaggeration * pull + total.log(), y)
    return (torch.special.xlogy(p, p).sum() + pull + total.log()).item(), slope.numpy() / 4


@pytest.mark.parametrize(
    ("extent", "within"), [(1e-3, 1e-3), (0.5, 1e-3), (12.0, 1e-3), (25.0, 0.01), (90.0, 0.05)]
)
def test_the_gradient_is_the_slope_of_the_divergence(extent, within):
    pairs, xy = affinities(400), layout(400, extent)
    divergence, slope = exactly(pairs, xy)
    got, gradient = Forces(pairs)(xy, pairs, should_eval_error=True)
    assert got == pytest.approx(divergence, rel=1e-3)
    assert np.linalg.norm(gradient - slope) < within * np.linalg.norm(slope)


def test_the_push_is_nearer_to_the_exact_one_than_opentsne_is():
    from openTSNE import _tsne

    xy = layout(3000, 80.0)
    y = torch.from_numpy(xy)
    apart = y[:, None] - y
    near = 1 / (1 + apart.square().sum(2))
    exact, total = (apart * near.square()[..., None]).sum(1), float(near.sum()) - len(y)
    peer = np.zeros_like(xy)
    their_total = _tsne.estimate_negative_gradient_fft_2d(xy, peer, 3, 50, 1.0, 1.0)
    push, our_total = Repulsion()(y.float())
    ours, theirs = (torch.dist(p, exact) for p in (push, torch.from_numpy(-peer * their_total)))
    assert ours < 0.5 * theirs and abs(our_total - total) < 0.5 * abs(their_total - total)


def test_exaggeration_multiplies_the_pull_and_leaves_the_divergence():
    pairs, xy = affinities(200), layout(200, 5.0)
    forces = Forces(pairs)
    plain = forces(xy, pairs, should_eval_error=True)[0]
    forces.exaggeration = 12.0
    got, gradient = forces(xy, pairs, should_eval_error=True)
    np.testing.assert_allclose(gradient, exactly(pairs, xy, 12.0)[1], atol=1e-6)
    assert got == plain and forces(xy, pairs)[0] == 0


def test_a_hub_and_blocks_of_a_few_rows_change_nothing(monkeypatch):
    pairs, xy = affinities(300, hub=True), torch.from_numpy(layout(300, 10.0)).float()
    whole = Attraction(pairs)(xy)
    monkeypatch.setattr("convsight.features.forces.BLOCK", 500)
    blocks = Attraction(pairs)
    assert len(blocks.blocks) > 10 and len(blocks.blocks[0][0]) == 1
    torch.testing.assert_close(blocks(xy), whole, rtol=1e-4, atol=1e-8)
    assert max(w.shape[1] for _, _, w in blocks.blocks[5:]) < 40  # the hub widens no row but its own


def test_points_without_a_neighbour_are_not_pulled():
    pairs = affinities(50).tolil()
    pairs[3, :], pairs[:, 3] = 0, 0
    pulled = Attraction(pairs.tocsr())(torch.from_numpy(layout(50, 3.0)).float())
    assert pulled[3].abs().max() == 0 and pulled[4].abs().max() > 0


def test_the_grid_stays_while_the_map_grows_a_little():
    push = Repulsion()
    push(torch.from_numpy(layout(50, 41.0)).float())
    kernel, grid = push.kernel, push.grid
    push(torch.from_numpy(layout(50, 41.5)).float())
    assert push.kernel is kernel
    push(torch.from_numpy(layout(50, 60.0)).float())
    assert push.kernel is not kernel and push.grid[1] == grid[1]


def test_all_points_in_one_place_push_nothing_and_break_nothing():
    push, total = Repulsion()(torch.full((20, 2), 3.0))
    assert push.abs().max() < 1e-3 and total == pytest.approx(20 * 19)
