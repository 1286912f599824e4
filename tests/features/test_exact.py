"""Is the exact search exact, for every metric, also where a matrix product loses digits?"""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from convsight.errors import InputError
from convsight.features.exact import METRICS, graph, nearest, nearest_in_chunks

PEERS = {"l2": "euclidean", "l1": "manhattan", "mse": "sqeuclidean", "cosine": "cosine"}


def vectors(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + 3


def peer(queries: torch.Tensor, base: torch.Tensor, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    found = NearestNeighbors(n_neighbors=k, algorithm="brute", metric=PEERS[metric]).fit(
        base.double().numpy()
    )
    distances, rows = found.kneighbors(queries.double().numpy())
    return (distances / base.shape[1] if metric == "mse" else distances), rows


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "d"), [(40, 3), (5000, 24)])
def test_every_metric_finds_what_scikit_learn_finds(metric, n, d):
    base, queries = vectors(n, d), vectors(30, d, seed=1)
    distances, rows = nearest(queries, base, 7, metric)
    expected, at = peer(queries, base, 7, metric)
    assert (rows.numpy() == at).mean() > 0.995  # equal but for ties in the last digit
    np.testing.assert_allclose(distances.numpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_near_duplicates_far_from_the_origin_keep_their_order(metric):
    middle = torch.full((1, 16), 200.0)
    middle[0, 0] = -200.0
    offsets = torch.linspace(0.01, 0.4, 40)[:, None] * torch.linspace(-1, 1, 16)
    shuffled = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    rows = nearest(middle, (middle + offsets)[shuffled], 10, metric)[1]
    assert shuffled[rows[0]].tolist() == list(range(10))


@pytest.mark.parametrize("metric", METRICS)
def test_a_base_in_chunks_answers_like_the_whole(metric):
    base, queries = vectors(1000, 8), vectors(9, 8, seed=2)
    whole = nearest(queries, base, 12, metric)
    pieces = nearest_in_chunks(queries, base.split(130), 12, metric)
    assert torch.equal(whole[1], pieces[1])
    torch.testing.assert_close(whole[0], pieces[0])


@pytest.mark.parametrize("k", [3, 11_000])
def test_a_base_larger_than_one_piece_loses_nothing(k, monkeypatch):
    monkeypatch.setattr("convsight.features.exact.BLOCK_VALUES", 40_000)
    base = vectors(16_000, 8)
    distances, rows = nearest(base[:4], base, k)
    expected, at = peer(base[:4], base, k, "l2")
    assert rows.shape == (4, k) and (rows.numpy() == at).mean() > 0.98
    np.testing.assert_allclose(distances.numpy(), expected, atol=1e-5)


def test_skipped_rows_are_not_found_but_their_duplicates_are():
    base = vectors(60, 4)
    base[50] = base[7]
    distances, rows = nearest(base[[7, 8]], base, 3, skip=torch.tensor([7, -1]))
    assert rows[0, 0] == 50 and distances[0, 0] == 0 and 7 not in rows[0]
    assert rows[1, 0] == 8


def test_ties_go_to_the_lower_row():
    base = torch.tensor([[1.0], [-1.0], [1.0], [5.0], [-1.0]])
    assert nearest(torch.zeros(1, 1), base, 4)[1].tolist() == [[0, 1, 2, 4]]


def test_cosine_puts_a_row_of_zeros_at_distance_one():
    base = torch.tensor([[0.0, 0.0], [2.0, 0.0], [-1.0, 0.0]])
    distances, rows = nearest(torch.tensor([[1.0, 0.0]]), base, 3, "cosine")
    assert rows.tolist() == [[1, 0, 2]]
    torch.testing.assert_close(distances, torch.tensor([[0.0, 1.0, 2.0]]))


def test_the_graph_leaves_every_row_itself_out():
    base = vectors(300, 5)
    rows = graph(base, 6)[1]
    assert not (rows == torch.arange(300)[:, None]).any()
    assert (rows.numpy() == peer(base, base, 7, "l2")[1][:, 1:]).all()


def test_asking_for_more_than_there_are_gives_all():
    assert nearest(vectors(1, 2), vectors(4, 2), 10)[1].shape == (1, 4)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((torch.zeros(1, 3), torch.zeros(2, 3), 1, "l3"), "no metric 'l3'.*l2"),
        ((torch.zeros(1, 3), torch.zeros(2, 4), 1), "3 numbers each, the vectors searched 4"),
        ((torch.zeros(1, 3), torch.zeros(0, 3), 1), "no vectors"),
        ((torch.zeros(1, 3), torch.zeros(2, 3), 0), "at least 1, not 0"),
    ],
)
def test_wrong_questions_say_what_would_work(arguments, says):
    with pytest.raises(InputError, match=says):
        nearest(*arguments)


def test_the_last_rows_are_found_whatever_the_number_of_rows():
    base = vectors(4097, 6)  # one more than whole groups
    assert nearest(base[-1:], base, 1)[1].item() == 4096


def test_vectors_that_share_a_large_offset_lose_no_digits():
    small = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0)) * 0.01
    base = small + 300
    assert (nearest(base[:20], base, 5)[1].numpy() == peer(base[:20], base, 5, "l2")[1]).mean() > 0.98
