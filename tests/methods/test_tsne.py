"""Is the t-SNE map the one openTSNE makes by hand, seeded, watched and honest?"""

import numpy as np
import pytest
import torch
from torch import nn

import convsight as cs
from convsight.errors import InputError
from convsight.features.embedding import tsne
from convsight.progress import listening


@pytest.fixture(scope="module")
def data():
    return cs.dataset("drawn-garments", n_train=40, n_test=120)


@pytest.fixture(scope="module")
def net(data):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.ReLU(), nn.Linear(20, 10))
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1)


def clusters(n: int = 150) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    return torch.randn(n, 12, generator=generator) + 8 * torch.randn(3, 12, generator=generator)[
        labels
    ], labels


def test_the_map_is_opentsne_by_hand_from_the_same_start():
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN

    from convsight.features.embedding import _start

    values, _ = clusters()
    affinities = PerplexityBasedNN(values.double().numpy(), perplexity=20, method="exact")
    by_hand = TSNEEmbedding(_start(values, 2, 0), affinities, negative_gradient_method="bh", random_state=0)
    by_hand = by_hand.optimize(20, exaggeration=12, momentum=0.8)
    ours = tsne(values, perplexity=20, iterations=60).xy.numpy()
    by_hand = np.array(by_hand.optimize(40, momentum=0.8))
    by_hand -= (by_hand.max(0) + by_hand.min(0)) / 2
    np.testing.assert_allclose(ours, by_hand, atol=1e-2)


def test_clusters_stay_together_and_apart():
    values, labels = clusters()
    xy = tsne(values, iterations=300).xy
    nearest = torch.cdist(xy, xy).fill_diagonal_(torch.inf).topk(10, largest=False).indices
    assert (labels[nearest] == labels[:, None]).float().mean() > 0.99


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    values, _ = clusters()
    first, again, other = (tsne(values, iterations=60, seed=s).xy for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_new_pictures_settle_beside_their_likes_and_move_nothing():
    values, labels = clusters()
    layout = tsne(values, iterations=300)
    before = layout.xy.clone()
    placed = layout.place(values[:30] + 0.01)
    np.testing.assert_allclose(before.numpy(), np.array(layout.embedding), atol=1e-5)
    nearest = torch.cdist(placed, layout.xy).argmin(1)
    assert (labels[nearest] == labels[:30]).all()


def test_more_than_fifty_dimensions_are_reduced_first():
    wide = torch.randn(80, 200, generator=torch.Generator().manual_seed(0))
    layout = tsne(wide, iterations=60)
    assert len(layout.reduction.directions) == 50 and layout.place(wide[:2]).shape == (2, 2)


def test_many_points_take_the_grid_and_end_where_the_tree_ends(monkeypatch):
    values, labels = clusters()
    by_tree = tsne(values, iterations=300)
    monkeypatch.setattr("convsight.features.embedding.GRID_FROM", 100)
    seen = []
    by_grid = tsne(values, iterations=300, watch=lambda i, xy: seen.append((i, xy)))
    assert by_grid.divergence == pytest.approx(by_tree.divergence, rel=0.05)
    assert torch.equal(by_grid.xy, tsne(values, iterations=300).xy)
    assert [i for i, _ in seen] == [50, 100, 150, 200, 250, 300]
    nearest = torch.cdist(by_grid.xy, by_grid.xy).fill_diagonal_(torch.inf).topk(10, largest=False).indices
    assert (labels[nearest] == labels[:, None]).float().mean() > 0.99
    moved = by_grid.place(values[:30] + 0.01)
    assert (labels[torch.cdist(moved, by_grid.xy).argmin(1)] == labels[:30]).all()


def test_three_dimensions_and_coinciding_pictures_are_laid_out():
    values, _ = clusters(60)
    values[10:20] = values[10]
    xy = tsne(values, dims=3, iterations=60).xy
    assert xy.shape == (60, 3) and xy.isfinite().all()


def test_perplexity_is_lowered_for_few_pictures_and_says_so(net, data):
    found = cs.tsne(net, data, most=20, iterations=60, perplexity=50)
    assert any("Perplexity was lowered to 6.33" in note for note in found.notes)
    with pytest.raises(InputError, match="at least 5 pictures; given 4"):
        tsne(torch.rand(4, 3))


def test_the_map_is_judged_and_says_what_it_does_not_show(net, data):
    found = cs.tsne(net, data, iterations=100)
    words = " ".join(found.notes)
    assert "Trustworthiness 0.8" in words and "share the label" in words
    assert "distances between clusters" in words and "mean nothing" in words
    assert len(found.xy) == 120 and found.ids == data.test.ids


def test_the_layout_is_streamed_while_it_forms(net, data):
    steps = []
    with listening(steps.append):
        cs.tsne(net, data, iterations=150)
    seen = [step for step in steps if step.picture is not None]
    assert [step.words for step in seen] == [f"t-SNE: {i} of 150 steps" for i in (50, 100, 150)]
    assert seen[0].picture.shape == (3, 240, 240) and (seen[0].picture < 1).any()


def test_an_interrupt_ends_it_and_leaves_nothing_behind(net, data):
    def stop(step):
        if step.picture is not None:
            raise KeyboardInterrupt

    with listening(stop), pytest.raises(KeyboardInterrupt):
        cs.tsne(net, data, iterations=100)
    assert cs.tsne(net, data, iterations=50).xy.isfinite().all()


def test_own_pictures_are_placed_as_a_class_of_their_own(net, data):
    found = cs.tsne(net, data, images=data.train[:3], iterations=60)
    assert found.xy.shape == (123, 2) and (found.groups[-3:] == 10).all()
    assert found.group_names == (*data.classes, "yours") and found.draw().ndim == 3
