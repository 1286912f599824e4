"""Is a run on disk readable by hand, and is one that is missing, half-written or damaged said to be so?"""

import copy
import importlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from convsight.architectures import LessonOne
from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import DataError, DataNotFound, ModelError, StorageError
from convsight.run import Run
from convsight.storage import write_atomic
from convsight.training import train


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run on eight grey pictures that took no time."""
    pixels = torch.arange(8 * 12 * 12).view(8, 1, 12, 12).to(torch.uint8)
    split = Split(MemoryStore(pixels), torch.arange(8) % 2, ("a", "b"))
    data = Dataset("tiny", ("a", "b"), split, split, split)
    return train(data, network="lesson-1", epochs=1, out=tmp_path_factory.mktemp("runs") / "tiny").path


@pytest.fixture
def run(made, tmp_path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / "tiny"
    copy.mkdir()
    for file in made.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def test_weights_load_by_hand_into_the_plain_network(run):
    net = LessonOne(2, size=(12, 12))
    net.load_state_dict(load_file(run / "weights.safetensors"))
    config = json.loads((run / "config.json").read_text())
    pixels = torch.rand(3, 1, 12, 12)
    mean, std = (torch.tensor(config[k]).view(1, -1, 1, 1) for k in ("mean", "std"))
    torch.testing.assert_close(net.eval()((pixels - mean) / std), Run.open(run).classifier.forward(pixels))


def test_config_log_and_metrics_are_plain_json(run):
    opened = Run.open(run)
    assert opened.config["network"]["name"] == "lesson-1"
    assert opened.config["data"]["pictures"] == {"train": 8, "validation": 8, "test": 8}
    assert [row["epoch"] for row in opened.log] == [1]
    assert opened.metrics["test"]["n"] == 8
    assert opened.metrics["training"]["epochs"] == 1
    assert f"{opened.metrics['test']['accuracy']:.2%}" in repr(opened)


def test_a_run_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(DataNotFound, match=r"no run at .*nowhere; `convsight train"):
        Run.open(tmp_path / "nowhere")


def test_a_folder_that_is_not_a_run_is_not_opened(tmp_path):
    with pytest.raises(DataNotFound, match=r"is not a run: it has no config\.json"):
        Run.open(tmp_path)


def test_an_unfinished_run_says_how_to_go_on(run):
    (run / "metrics.json").unlink()
    with pytest.raises(DataError, match="did not finish; the same `train` command with --resume"):
        Run.open(run)


def test_damaged_files_are_named(run):
    (run / "weights.safetensors").write_bytes(b"\x10" * 50)
    with pytest.raises(DataError, match=r"weights\.safetensors is damaged"):
        _ = Run.open(run).classifier
    (run / "weights.safetensors").unlink()
    with pytest.raises(DataError, match=r"has lost its weights\.safetensors"):
        Run.open(run)
    (run / "config.json").write_text('{"format": 1,')
    with pytest.raises(DataError, match=r"config\.json cannot be read"):
        Run.open(run)


def test_a_run_of_a_newer_convsight_is_refused(run):
    (run / "config.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="newer convsight"):
        Run.open(run)


def test_weights_of_another_network_do_not_fit(run):
    config = json.loads((run / "config.json").read_text())
    config["network"]["name"] = "lesson-2"
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="do not fit the network"):
        _ = Run.open(run).classifier


def test_a_data_set_that_was_in_memory_cannot_be_opened_again(run):
    with pytest.raises(DataNotFound, match=r"in memory only \('tiny'\).*--data data.npz"):
        _ = Run.open(run).dataset


def test_a_data_set_with_a_name_is_opened_with_the_same_splits(tmp_path):
    options = {"limit": 40, "epochs": 1, "network": "lesson-1", "batch_size": 20}
    first = train("drawn-garments", out=tmp_path / "r", **options)
    again = Run.open(tmp_path / "r").dataset
    for name, split in first.dataset.splits.items():
        assert torch.equal(split[:].pixels, again.splits[name][:].pixels)
        assert torch.equal(split.labels, again.splits[name].labels)


def test_opening_a_run_leaves_the_random_state_alone(run):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    _ = Run.open(run).classifier
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_writes_its_report_into_itself_or_where_it_is_told(run, tmp_path):
    inside, elsewhere = Run.open(run).report(), Run.open(run).report(tmp_path / "x.html")
    assert inside == run / "report.html" and elsewhere == tmp_path / "x.html"
    assert all("<h1" in page.read_text() and "tiny" in page.read_text() for page in (inside, elsewhere))


def test_a_file_is_replaced_whole(tmp_path):
    path = write_atomic(tmp_path / "deep" / "er" / "x.txt", "old")
    write_atomic(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*file/x"):
        write_atomic(tmp_path / "file" / "x", "y")


def test_a_pickled_run_reads_its_directory_again(run):
    opened = Run.open(run)
    pixels = torch.rand(2, 1, 12, 12)
    before = opened.classifier.scores(pixels)
    for twin in (pickle.loads(pickle.dumps(opened)), copy.copy(opened), copy.deepcopy(opened)):
        assert torch.equal(twin.classifier.scores(pixels), before)
        assert twin.metrics == opened.metrics and twin.path == opened.path


def fashion_files(folder: Path, n: int = 40) -> Path:
    """Four IDX files of noise, called as those of Fashion-MNIST."""
    folder.mkdir(parents=True)
    for start in ("train", "t10k"):
        shape = b"".join(size.to_bytes(4, "big") for size in (n, 28, 28))
        pixels = torch.randint(256, (n * 28 * 28,), dtype=torch.uint8).numpy().tobytes()
        (folder / f"{start}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + shape + pixels)
        labels = bytes(i % 10 for i in range(n))
        (folder / f"{start}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + n.to_bytes(4, "big") + labels)
    return folder


@pytest.fixture
def found_run(tmp_path, monkeypatch) -> Path:
    """A run on a data set known by name, which $CONVSIGHT_DATA pointed at only while it was trained."""
    fashion_files(tmp_path / "sets" / "fashion-mnist")
    monkeypatch.setenv("CONVSIGHT_DATA", str(tmp_path / "sets"))
    options = {"validation": 10, "epochs": 1, "network": "lesson-1", "batch_size": 10}
    run = train("fashion-mnist", "quick", out=tmp_path / "r", **options)
    monkeypatch.delenv("CONVSIGHT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    room = importlib.import_module("convsight.datasets.fashion_mnist")
    monkeypatch.setattr(room, "_download_all", no_download)
    return run.path


def no_download(*args: object) -> None:
    raise DataNotFound("there is no connection")


def test_a_run_finds_its_data_without_the_shell_it_was_trained_in(found_run):
    config = json.loads((found_run / "config.json").read_text())
    assert config["data"]["found"] == str(found_run.parent / "sets" / "fashion-mnist")
    assert len(Run.open(found_run).dataset.test) == 40


def test_data_that_is_gone_is_said_with_what_to_pass(found_run):
    (found_run.parent / "sets").rename(found_run.parent / "moved")
    with pytest.raises(
        DataNotFound, match=r"gone from .*sets/fashion-mnist\. Pass the folder .*--data FOLDER"
    ):
        _ = Run.open(found_run).dataset


def test_training_goes_on_where_the_data_is_found_in_another_place(found_run, monkeypatch):
    (found_run.parent / "sets").rename(found_run.parent / "moved")
    monkeypatch.setenv("CONVSIGHT_DATA", str(found_run.parent / "moved"))
    options = {"validation": 10, "epochs": 1, "network": "lesson-1", "batch_size": 10}
    again = train("fashion-mnist", "quick", out=found_run, resume=True, **options)
    assert len(again.dataset.test) == 40
