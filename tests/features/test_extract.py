"""Are features on disk complete, unique and the network's own, whatever was killed on the way?"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.errors import DataError, DataNotFound, InputError, MissingExtra, StorageError
from convsight.features.exact import nearest
from convsight.features.extract import extract
from convsight.features.folder import FeatureStore
from convsight.features.selection import Selection

pytest.importorskip("pyarrow")

WORKER = """
import sys, torch
from torch import nn
import convsight as cs
from convsight.features.extract import extract
torch.set_num_threads(1)
torch.manual_seed(0)
data = cs.dataset("drawn-garments", n_train=600, n_validation=10, n_test=40)
module = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4608, 16), nn.Linear(16, 10))
net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
extract(net, data, sys.argv[1], shard_size=4)
"""


@pytest.fixture(scope="module")
def data():
    return cs.dataset("drawn-garments", n_train=70, n_validation=10, n_test=20)


@pytest.fixture(scope="module")
def net(data):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.ReLU(), nn.Linear(6, 10))
    return cs.Classifier(module, classes=data.classes, input_size=28, channels=1)


def start(folder: Path, rank: int, world: int) -> subprocess.Popen:
    place = {"RANK": str(rank), "WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], env={**os.environ, **place})


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def test_rows_are_what_the_network_says(net, data, tmp_path):
    store = extract(net, data, tmp_path, shard_size=16, thumbnails=True)
    chosen = Selection.of(data)
    images, rows = chosen[range(len(chosen))], store.table()
    assert rows["id"].to_pylist() == list(chosen.ids) and rows["split"].to_pylist() == list(chosen.splits)
    torch.testing.assert_close(store.vectors(), net.features(images))
    torch.testing.assert_close(torch.tensor(rows["probabilities"].to_pylist()), net.probabilities(images))
    names = [data.classes[i] for i in images.labels]
    said = [net.classes[i] for i in net.predict(images)]
    assert rows["class"].to_pylist() == names and rows["predicted_class"].to_pylist() == said
    loss = nn.functional.cross_entropy(net.scores(images), images.labels, reduction="none")
    torch.testing.assert_close(torch.tensor(rows["loss"].to_pylist()), loss)
    first = cs.Images.open(_written(tmp_path / "thumb.webp", rows["thumbnail"][0].as_py()))
    assert (first.fit(None, 1).pixels - images[0].pixels).abs().mean() < 0.05


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_network_that_locates_has_positions_and_no_classes(tmp_path):
    places = cs.dataset("locate-drawn").limited(12)
    size = places.channels * places.size[0] * places.size[1]
    module = nn.Sequential(nn.Flatten(), nn.Linear(size, 4), nn.Linear(4, len(places.outputs)))
    net = cs.Classifier(module, input_size=places.size, channels=1, task="locate", outputs=places.outputs)
    rows = extract(net, places, tmp_path, split="test").table()
    torch.testing.assert_close(torch.tensor(rows["positions"].to_pylist()), net.scores(places.test[:]))
    assert rows["predicted_class"].null_count == rows["loss"].null_count == rows["label"].null_count == 12
    with pytest.raises(InputError, match="needs a classifier"):
        cs.pca(net, places, colour="prediction")


def test_half_precision_keeps_three_digits_in_half_the_space(net, data, tmp_path):
    full, half = extract(net, data, tmp_path / "a"), extract(net, data, tmp_path / "b", dtype="float16")
    torch.testing.assert_close(half.vectors(), full.vectors(), rtol=1e-3, atol=1e-4)
    assert str(half.table(["vector"])["vector"].type) == "fixed_size_list<element: halffloat>[6]"


def test_a_second_run_changes_no_byte_and_a_lost_shard_comes_back(net, data, tmp_path):
    extract(net, data, tmp_path, shard_size=16)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in shards(tmp_path)}
    extract(net, data, tmp_path, shard_size=16)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in shards(tmp_path)} == before
    lost = shards(tmp_path)[3]
    lost.unlink()
    store = FeatureStore.open(tmp_path)
    assert store.missing() == [lost.name]
    with pytest.raises(DataError, match="not complete: 1 of 7 shards"):
        store.vectors()
    extract(net, data, tmp_path, shard_size=16).check()
    assert lost.read_bytes() == before[lost][0]


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_the_shards_without_a_word(net, data, tmp_path, world):
    alone = extract(net, data, tmp_path / "alone", shard_size=8)
    for rank in range(world):
        mine = extract(net, data, tmp_path / "shared", shard_size=8, rank=rank, world=world)
        assert bool(mine.missing()) == (rank < world - 1)
    for ours, theirs in zip(mine.paths, alone.paths, strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_killed_rank_costs_at_most_its_shard(tmp_path):
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    workers = [start(shared, rank, 2) for rank in range(2)]
    deadline = time.monotonic() + 120
    while len(shards(shared)) < 6 and time.monotonic() < deadline and workers[1].poll() is None:
        time.sleep(0.002)
    workers[1].send_signal(signal.SIGKILL)
    workers[1].wait()
    assert workers[0].wait() == 0
    left = FeatureStore.open(shared).missing()
    assert left  # it was killed in the middle
    kept = {path.name: path.stat().st_mtime_ns for path in shards(shared)}
    assert start(shared, 1, 2).wait() == 0
    store = FeatureStore.open(shared)
    store.check()
    assert all((shared / name).stat().st_mtime_ns == made for name, made in kept.items())
    assert not list(shared.glob(".*.part"))
    assert start(alone, 0, 1).wait() == 0
    whole = FeatureStore.open(alone)
    assert store.ids() == whole.ids() and max(Counter(store.ids()).values()) == 1
    torch.testing.assert_close(store.vectors(), whole.vectors(), rtol=0, atol=1e-6)


def test_what_a_killed_writer_left_half_written_is_no_shard(net, data, tmp_path):
    store = extract(net, data, tmp_path, shard_size=16)
    path = store.paths[2]
    half = tmp_path / f".{path.name}.x1y2.part"
    half.write_bytes(path.read_bytes()[:50])
    path.unlink()
    assert store.missing() == [path.name]
    extract(net, data, tmp_path, shard_size=16).check()
    assert not half.exists()


def test_the_store_answers_like_a_search_in_memory(net, data, tmp_path):
    store = extract(net, data, tmp_path, shard_size=13)
    queries = net.features(data.test[:4])
    distances, ids = store.nearest(queries, k=5, metric="l1")
    expected, rows = nearest(queries, store.vectors(), 5, "l1")
    torch.testing.assert_close(distances, expected)
    assert ids == [[store.ids()[i] for i in row] for row in rows.tolist()]
    assert [row[0] for row in ids] == list(data.test.ids[:4])


def test_other_features_in_the_folder_are_not_mixed_with(net, data, tmp_path):
    extract(net, data, tmp_path)
    with torch.no_grad():
        other = cs.Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.Linear(6, 10)),
                              classes=data.classes, input_size=28, channels=1)  # fmt: skip
    with pytest.raises(InputError, match=r"holds other features .*weights"):
        extract(other, data, tmp_path)
    with pytest.raises(InputError, match="dtype float32, now float16"):
        extract(net, data, tmp_path, dtype="float16")


def test_a_damaged_shard_is_named(net, data, tmp_path):
    store = extract(net, data, tmp_path)
    store.paths[0].write_bytes(b"not parquet")
    with pytest.raises(StorageError, match=r"part-00000-of-00001.parquet is not a readable shard"):
        store.vectors()


def test_wrong_arguments_and_a_missing_package_say_what_would_work(net, data, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"float8.*float32, float16"):
        extract(net, data, tmp_path, dtype="float8")
    with pytest.raises(InputError, match="rank 2 of 2"):
        extract(net, data, tmp_path, rank=2, world=2)
    with pytest.raises(DataNotFound, match="no features in"):
        FeatureStore.open(tmp_path / "nothing")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"convsight\[features\]"):
        extract(net, data, tmp_path)
