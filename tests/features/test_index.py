"""An index answers as a search through every row does, in a folder and on a server."""

import subprocess
import sys

import numpy as np
import pytest
import qdrant_client
import torch
from torch import nn

import convsight as cs
from convsight.errors import DataError, DataNotFound, InputError, MissingExtra
from convsight.features.exact import nearest
from convsight.features.extract import extract
from convsight.features.index import build_index, nearest_stored, open_index
from convsight.features.index import lance as lance_home
from convsight.features.index.qdrant import QdrantIndex
from convsight.results.kinds import Ranking, Table


@pytest.fixture(scope="module")
def data():
    return cs.dataset("drawn-garments", n_train=120, n_validation=20, n_test=60)


@pytest.fixture(scope="module")
def net(data):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 10))
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1)


@pytest.fixture(scope="module")
def store(net, data, tmp_path_factory):
    return extract(net, data, tmp_path_factory.mktemp("features"), shard_size=64, thumbnails=True)


def built(home, store, folder, metric="l2"):
    if home == "lance":
        return build_index(store, str(folder / f"{metric}.lance"), metric=metric)
    return QdrantIndex.build(store, ":memory:", metric=metric, overwrite=False)


@pytest.mark.parametrize("home", ["lance", "qdrant"])
@pytest.mark.parametrize("metric", ["l2", "cosine", "mse", "l1"])
def test_an_index_finds_what_comparing_every_row_finds(home, metric, store, tmp_path):
    if home == "lance" and metric == "l1":
        with pytest.raises(InputError, match="no metric 'l1'"):
            built(home, store, tmp_path, metric)
        return
    index, queries = built(home, store, tmp_path, metric), store.vectors()[::17] + 0.01
    distances, rows = nearest(queries, store.vectors(), 7, metric)
    hits, ids = index.search(queries, k=7), store.ids()
    assert len(index) == len(store) == 200
    assert [[h.row["id"] for h in each] for each in hits] == [[ids[i] for i in row] for row in rows.tolist()]
    found = torch.tensor([[h.distance for h in each] for each in hits])
    torch.testing.assert_close(found, distances, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("home", ["lance", "qdrant"])
def test_filters_choose_rows_before_the_search_and_not_after_it(home, store, tmp_path):
    index, query = built(home, store, tmp_path), store.vectors()[:2]
    table = store.table(["id", "split", "class", "predicted_class"]).to_pylist()
    for where in ({"split": "test"}, {"class": "Bag", "right": False}, {"predicted_class": "no'such\"class"}):
        fits = [
            i
            for i, row in enumerate(table)
            if all({**row, "right": row["class"] == row["predicted_class"]}[c] == v for c, v in where.items())
        ]
        expected = min(5, len(fits))
        for q, hits in enumerate(index.search(query, k=5, where=where)):
            assert len(hits) == expected
            if expected:
                order = nearest(query[q : q + 1], store.vectors()[fits], expected)[1][0]
                assert [h.row["id"] for h in hits] == [table[fits[i]]["id"] for i in order.tolist()]
    with pytest.raises(InputError, match=r"not filtered by 'splt'; did you mean split"):
        index.search(query, where={"splt": "test"})


def test_above_the_limit_partitions_are_made_and_their_recall_is_measured(store, tmp_path, monkeypatch):
    monkeypatch.setattr(lance_home, "EXACT_BELOW", 100)
    index = built("lance", store, tmp_path)
    assert [each.columns for each in index.table.list_indices()] == [["vector"]]
    assert index.recall(store.vectors()[:50], k=5) == 1.0  # 14 partitions, all are looked into
    monkeypatch.setattr(lance_home, "PROBES", 1)
    assert index.recall(store.vectors()[:50], k=5) < 1.0
    exact = index.search(store.vectors()[:9], k=5, exact=True)
    ids, rows = store.ids(), nearest(store.vectors()[:9], store.vectors(), 5)[1]
    assert [[h.row["id"] for h in each] for each in exact] == [[ids[i] for i in row] for row in rows.tolist()]


def test_equal_vectors_leave_partitions_empty_without_a_word(tmp_path):
    """In a process of its own: LanceDB is told when it is imported, and writes past Python's stderr."""
    code = f"""
import torch, convsight as cs
from torch import nn
from convsight.features.extract import extract
from convsight.features.index import build_index, lance
lance.EXACT_BELOW = 100
data = cs.dataset("drawn-garments", n_train=300, n_validation=20, n_test=20)
net = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.Linear(4, 10)), data.classes, 28, 1)
nn.init.zeros_(net.module[1].weight)  # every picture has the same vector
index = build_index(extract(net, data, {str(tmp_path / "features")!r}), {str(tmp_path / "same.lance")!r})
print(len(index), len(index.search(torch.zeros(1, 4), k=3)[0]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["340", "3"], done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("metric", ["l2", "cosine", "l1"])
def test_qdrants_files_are_found_again_by_another_client(metric, store, tmp_path):
    """Its local mode on disk; no test asks a remote server."""
    folder, queries = str(tmp_path / "qdrant"), store.vectors()[::40] + 0.01
    first = qdrant_client.QdrantClient(path=folder)
    QdrantIndex.build(store, "http://here/garments", metric=metric, overwrite=False, client=first)
    first.close()
    again = qdrant_client.QdrantClient(path=folder)
    index = QdrantIndex.open("http://here/garments", client=again)
    rows, ids = nearest(queries, store.vectors(), 5, metric)[1], store.ids()
    assert index.metric == metric and len(index) == 200
    assert [[hit.row["id"] for hit in hits] for hits in index.search(queries, k=5)] == [
        [ids[i] for i in row] for row in rows.tolist()
    ]
    assert {hit.row["split"] for hit in index.search(queries, k=9, where={"split": "test"})[0]} == {"test"}
    again.close()


def test_an_index_is_opened_again_and_only_overwritten_when_told(net, store, tmp_path):
    url = str(tmp_path / "kept.lance")
    build_index(store, url)
    again = open_index(url)
    assert again.metric == "l2" and again.plan["weights"] == net.weights_hash and len(again) == 200
    with pytest.raises(InputError, match="holds an index already"):
        build_index(store, url, metric="cosine")
    assert build_index(store, url, metric="cosine", overwrite=True).metric == "cosine"
    assert open_index(url).metric == "cosine"
    with pytest.raises(DataNotFound, match="no index at"):
        open_index(str(tmp_path / "other.lance"))


def test_a_picture_from_outside_is_answered_with_pictures(net, data, store, tmp_path):
    index = built("lance", store, tmp_path)
    found = nearest_stored(net, data.test[4], index, k=3, where={"split": "test"})
    assert isinstance(found, Ranking) and found.ids[0][0] == data.test.ids[4].removeprefix("")
    assert float(found.distances[0, 0]) == pytest.approx(0, abs=1e-3)
    assert (found.pictures[0, 0].mean(0) - data.test[4].pixels[0, 0]).abs().mean() < 0.05
    assert np.asarray(found.draw()).ndim == 3


def test_without_thumbnails_the_answer_is_a_table(net, data, tmp_path):
    plain = extract(net, data, tmp_path / "plain", split="test")
    found = nearest_stored(net, data.test[:2], built("lance", plain, tmp_path), k=3)
    assert isinstance(found, Table) and len(found.rows) == 6 and found.rows[0][1] == 1


def test_features_of_another_network_are_refused(data, store, tmp_path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 10))
    other = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    with pytest.raises(InputError, match="other weights"):
        nearest_stored(other, data.test[:1], built("lance", store, tmp_path))
    with pytest.raises(InputError, match=r"vectors of 12 numbers; given \(1, 5\)"):
        built("qdrant", store, tmp_path).search(torch.zeros(1, 5))


def test_a_server_that_is_not_there_and_a_missing_package_say_so(store, monkeypatch):
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/x does not answer"):
        open_index("http://127.0.0.1:1/x")
    monkeypatch.setitem(__import__("sys").modules, "lancedb", None)
    with pytest.raises(MissingExtra, match=r"convsight\[index\]"):
        open_index("somewhere")
    monkeypatch.setitem(__import__("sys").modules, "qdrant_client", None)
    with pytest.raises(MissingExtra, match=r"convsight\[qdrant\]"):
        open_index("http://host:6333")
