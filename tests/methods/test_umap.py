"""UMAP: groups that are apart stay apart, neighbours are exact, and it is repeatable."""

import numpy as np
import pytest
import torch
from torch import nn

import convsight as cs
from convsight.errors import InputError, MissingExtra
from convsight.features import manifold
from convsight.features.quality import judge
from convsight.features.selection import Selection
from convsight.features.vectors import features_of


def blobs(n=60, groups=3):
    generator = torch.Generator().manual_seed(0)
    centres = 20 * torch.randn(groups, 8, generator=generator)
    return centres.repeat_interleave(n, 0) + torch.randn(n * groups, 8, generator=generator)


def test_groups_that_are_apart_are_apart_on_the_map_and_new_ones_join_them():
    values, threads = blobs(), torch.get_num_threads()
    made = manifold.umap(values, neighbours=10, epochs=60)
    assert torch.get_num_threads() == threads  # Numba would leave torch with another number
    groups = made.xy.view(3, 60, 2)
    spread = (groups - groups.mean(1, keepdim=True)).norm(dim=2).max()
    apart = torch.pdist(groups.mean(1)).min()
    assert apart > spread
    placed = made.place(values[::20] + 0.01)
    assert (placed - made.xy[::20]).norm(dim=1).max() < spread


def test_the_graph_is_the_exact_one_of_scikit_learn():
    from sklearn.neighbors import NearestNeighbors

    values = blobs(20)
    rows, distances = manifold._graph(values, 6)
    expected, order = (
        NearestNeighbors(n_neighbors=6, algorithm="brute").fit(values.numpy()).kneighbors(values.numpy())
    )
    assert (rows == order).all()
    np.testing.assert_allclose(distances, expected, atol=1e-3)


def test_new_rows_are_weighted_as_umap_learn_weights_its_graph():
    manifold._learner()  # the first import warns of TensorFlow
    from umap.umap_ import smooth_knn_dist

    distances = torch.rand(5, 12, generator=torch.Generator().manual_seed(0)).cumsum(1)
    with_itself = np.hstack([np.zeros((5, 1), np.float32), distances.numpy()])  # as umap-learn counts
    sigmas, rhos = smooth_knn_dist(with_itself, 12.0, local_connectivity=1.0)
    expected = np.exp(-(distances.numpy() - rhos[:, None]) / sigmas[:, None])
    np.testing.assert_allclose(manifold.membership(distances), expected, atol=2e-4)


def test_the_map_of_a_network_is_repeatable_and_says_how_good_it_is():
    data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=80)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Linear(8, 10))
    net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    first = cs.umap(net, data, epochs=40, images=data.train[:3])
    again = cs.umap(net, data, epochs=40, images=data.train[:3])
    assert torch.equal(first.xy, again.xy) and len(first.xy) == 83
    assert not torch.equal(first.xy[:80], cs.umap(net, data, epochs=40, seed=1).xy)
    vectors = features_of(net, Selection.of(data, "test"))
    assert judge(vectors.values, first.xy[:80], None).trustworthiness > 0.8


def test_too_few_pictures_and_a_missing_package_are_said(monkeypatch):
    with pytest.raises(InputError, match="at least 5 pictures; given 4"):
        manifold.umap(torch.randn(4, 3))
    assert manifold.umap(torch.randn(6, 3), epochs=10).neighbours == 5
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingExtra, match=r"convsight\[umap\]"):
        manifold.umap(torch.randn(9, 3))
