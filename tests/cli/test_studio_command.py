"""`convsight studio` opens what it is told to, says where it is, and ends cleanly at Ctrl-C."""

import csv
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
import torch

from convsight.cli import main
from convsight.cli.studio import _data, newest_run
from convsight.datasets.album import album, is_album
from convsight.errors import DataError, DataNotFound
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.run import Run
from convsight.training import train


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train("drawn-garments", "quick", epochs=1, limit=100, out=folder)
    return folder


def small_net(classes):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64, len(classes)))
    return Classifier(module, classes, 8, 3)


@pytest.fixture
def photos(tmp_path):
    pixels = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    Images(pixels).save(tmp_path)
    return tmp_path


def test_it_serves_until_ctrl_c_and_leaves_with_success(run_folder):
    command = [sys.executable, "-m", "convsight", "studio", str(run_folder), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stdout:
        said += line
        if address := re.search(r"http://127\.0\.0\.1:\d+/", said):
            break
    with urllib.request.urlopen(f"{address[0]}api/session", timeout=60) as answer:
        assert json.load(answer)["run"] == "tiny"
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "has stopped" in rest and "Traceback" not in errors


def test_without_an_argument_it_takes_the_newest_finished_run(run_folder, tmp_path, monkeypatch):
    assert newest_run(run_folder.parent) == run_folder
    with pytest.raises(DataNotFound, match="convsight demo"):
        newest_run(tmp_path)


def test_without_a_run_it_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["studio", "--no-browser"]) == 1
    assert "convsight demo" in capsys.readouterr().err


def test_a_folder_of_pictures_is_a_data_set_without_classes(photos):
    data = album(photos, small_net(["cat", "dog"]))
    assert is_album(photos) and len(data.test) == 3 and len(data.train) == 0
    assert data.test.labels.shape == (3, 0) and "no classes" in data.notes[0]
    assert torch.equal(data.test[:].pixels, Images.open(photos).pixels)


def test_a_labels_file_names_their_classes(photos):
    with (photos / "labels.csv").open("w", newline="") as file:
        rows = [
            ("file", "class_name"),
            ("00000.png", "dog"),
            ("00001.png", "cat"),
            ("00002.png", "dog, hound"),
        ]
        csv.writer(file).writerows(rows)
    data = album(photos, small_net(["cat", "dog"]))
    assert data.test.labels.tolist() == [1, 0, 1] and data.classes == ("cat", "dog")
    unknown = album(photos, small_net(["0", "1"]))
    assert unknown.test.labels.shape == (3, 0) and "'dog'" in unknown.notes[0]


def test_a_labels_file_that_misses_a_picture_is_told(photos):
    (photos / "labels.csv").write_text("file,class_name\n00000.png,dog\n")
    with pytest.raises(DataError, match="no line for 00001.png"):
        album(photos, small_net(["cat", "dog"]))


def test_a_folder_of_class_folders_is_no_album(photos):
    (photos / "cats").mkdir()
    assert not is_album(photos)


def test_a_run_of_arrays_opens_without_its_data_and_says_how_to_give_it(tmp_path, capsys):
    arrays = torch.rand(60, 1, 12, 12), torch.arange(60) % 2
    run = train(arrays, "quick", network="lesson", epochs=1, out=tmp_path / "run")
    data, is_album = _data(None, Run.open(run.path), run.classifier)
    assert data is None and not is_album
    told = " ".join(capsys.readouterr().err.split())
    assert "in memory only" in told and "--data data.npz" in told
