"""What a click means exactly: one of two classes of one name, another picture as the occluder, who can be audited."""

import inspect
import threading
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient

import convsight as cs
from convsight.datasets import Dataset
from convsight.datasets.base import Split
from convsight.datasets.pixels import MemoryStore
from convsight.network.classifier import Classifier
from convsight.shortcuts.sample import draw_sample
from convsight.studio.app import create_app
from convsight.studio.auditable import FEWEST, no_audit
from convsight.studio.opened import calls
from convsight.studio.session import Studio
from tests.studio.conftest import HERE, ask, told

NAMES = ("crane", "bag", "crane")  # a bird and a machine


def twins(per_class: int = 12) -> Studio:
    """Three classes, two of one name; a class's score is the brightness of its third of the picture."""
    weight = torch.zeros(3, 1, 9, 9)
    for k in range(3):
        weight[k, 0, :, 3 * k : 3 * k + 3] = 1
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(81, 3, bias=False))
    with torch.no_grad():
        module[1].weight.copy_(weight.flatten(1))
    labels = torch.arange(3).repeat(per_class)
    pixels = torch.zeros(len(labels), 1, 9, 9, dtype=torch.uint8)
    for i, k in enumerate(labels.tolist()):
        pixels[i, :, :, 3 * k : 3 * k + 3] = 200
    test = Split(MemoryStore(pixels), labels, NAMES)
    empty = test.take([])
    return Studio(Classifier(module, NAMES, 9, 1), Dataset("twins", NAMES, empty, empty, test))


@pytest.fixture
def two_cranes():
    with TestClient(create_app(twins()), base_url=HERE) as client:
        yield client


def test_the_second_of_two_classes_of_one_name_is_meant_by_its_place(two_cranes):
    by_name = two_cranes.post(
        "/api/results", json={"method": "saliency", "pictures": ["test:2"], "target": "crane"}
    )
    assert by_name.status_code == 400 and "[0, 2]" in by_name.json()["error"]
    knobs = {"patch": 3, "fill": "black"}
    maps = [ask(two_cranes, "occlusion", pictures=["test:2"], target=k, knobs=knobs) for k in (0, 2)]
    highs = [each["payload"]["high"] for each in maps]
    assert highs[0] == 0 and highs[1] > 0  # picture 2 is bright where the third class looks
    assert ", 2, patch=3" in maps[1]["python"] or "target=2" in maps[1]["python"]


def test_pictures_are_filtered_by_the_place_of_a_class(two_cranes):
    job = two_cranes.get("/api/confusion").json()["job"]
    if job:
        told(two_cranes, job)
    for label, first in (("crane", "test:0"), ("#2", "test:2"), ("#1", "test:1")):
        found = two_cranes.get("/api/pictures", params={"label": label, "predicted": label}).json()
        assert found["total"] == 12 and found["items"][0]["id"] == first, label
    refused = two_cranes.get("/api/pictures", params={"label": "#3"})
    assert refused.status_code == 400 and "#3" in refused.json()["error"]


def test_the_scores_of_a_picture_say_what_it_is(client, studio):
    said = client.get("/api/pictures/test:5/scores").json()
    assert said["label"] == studio.data.classes[int(studio.data.test.labels[5])]
    assert said["name"] == studio.data.test.ids[5]


def test_an_occluder_can_show_another_picture(client, studio):
    shown = ask(client, "occlusion", pictures=["test:1"], donor="test:2", target=0, knobs={"patch": 7})
    plain = ask(client, "occlusion", pictures=["test:1"], target=0, knobs={"patch": 7})
    wanted = cs.occlusion(studio.net, studio.data.test[1], 0, donor=studio.data.test[2], patch=7)
    assert shown["key"] != plain["key"]
    assert shown["payload"]["high"] == pytest.approx(float(wanted.values.max()), abs=1e-4)
    assert "donor=data.test[2]" in shown["python"]


def test_a_first_edit_waits_for_nothing(client, studio, monkeypatch):
    """While the clean pass is being prepared the network is run whole; afterwards only what changed."""
    held = threading.Event()
    make = studio.occluding._make
    monkeypatch.setattr(studio.occluding, "_make", lambda *given: (held.wait(20), make(*given)))
    body = {"box": {"y": 3, "x": 4, "h": 9, "w": 9}, "fill": "black"}
    early = client.post("/api/pictures/test:4/edit", json=body).json()
    assert not early["exact"]
    held.set()
    told(client, client.post("/api/pictures/test:4/warm").json()["job"])
    later = client.post("/api/pictures/test:4/edit", json=body).json()
    assert later["exact"] == studio.occluding._kept.get("test:4").incremental
    for one, two in zip(early["scores"], later["scores"], strict=True):
        assert one["logit"] == pytest.approx(two["logit"], abs=1e-3)


def test_an_unfinished_occlusion_map_tells_how_far_it_is(client):
    body = {"method": "occlusion", "pictures": ["test:9"], "knobs": {"patch": 4, "stride": 1}}
    job = client.post("/api/results", json=body).json()["job"]
    steps = [words for name, words in told(client, job) if name == "step"]
    shares = [words["fraction"] for words in steps]
    assert shares == sorted(shares) and shares[0] < 0.3
    assert any((words["total"], words["unit"]) == (625, "positions") for words in steps)


def test_what_cannot_be_audited_is_told_with_what_would_work():
    few, enough = twins(per_class=11), twins()
    assert no_audit(enough.net, enough.data) == ""
    assert "at most 11 of one class" in no_audit(few.net, few.data)
    assert "--data FOLDER" in no_audit(few.net, None)
    bare = Dataset("bare", (), *(Split(s.store, s.labels, ()) for s in few.data.splits.values()))
    assert "carry no classes" in no_audit(few.net, bare)
    other = few.data.test
    strange = Split(other.store, other.labels, ("crane", "bag", "lorry"))
    there = Dataset("strange", strange.classes, strange.take([]), strange.take([]), strange)
    assert "lorry" in no_audit(few.net, there)
    assert inspect.signature(draw_sample).parameters["least"].default == FEWEST
    assert few.info.can.no_audit and not few.info.can.audit


def test_copied_python_reads_a_file_of_class_names_again(two_cranes, tmp_path: Path):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES), encoding="utf-8")
    how = calls(twins().net, "resnet18", {"classes": names}, None, False)
    assert eval(how.net.partition("classes=")[2][:-1]) == list(NAMES)
    assert "from pathlib import Path" in how.imports
