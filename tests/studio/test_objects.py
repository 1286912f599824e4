"""Where the objects are: pictures that an audit takes, as found or as the user shows it, kept for every later audit."""

from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient

from convsight.shortcuts.objects import object_mask
from convsight.shortcuts.sample import draw_sample
from convsight.shortcuts.told_masks import FOLDER as IN_RUN
from convsight.shortcuts.told_masks import masks_of_run, told
from convsight.studio import objects
from convsight.studio.app import create_app
from convsight.studio.objects import mask_of, runs_of
from convsight.studio.session import Studio
from tests.shortcuts.known_scenes import looking, scenes
from tests.studio.conftest import HERE
from tests.studio.conftest import told as events_of


@pytest.fixture
def opened(tmp_path: Path) -> Studio:
    """A network that was brought by file, with pictures of its own."""
    return Studio(
        looking(weight=60.0), scenes(), source="net.py:net", data_source="my photos", runs=tmp_path / "runs"
    )


def asking(studio: Studio) -> TestClient:
    return TestClient(create_app(studio), base_url=HERE)


def test_the_pictures_are_those_of_the_audit_with_their_found_objects(opened: Studio) -> None:
    assert opened.data is not None
    with asking(opened) as client:
        page = client.get("/api/objects", params={"label": "coin", "offset": 2, "limit": 4}).json()
    assert page["label"] == "coin" and (page["height"], page["width"]) == (32, 32)
    assert [each["name"] for each in page["classes"]] == ["ball", "coin", "plate"]
    assert {each["pictures"] for each in page["classes"]} == {48}
    halves = draw_sample(opened.net, opened.data.test).halves
    for i, each in enumerate(page["pictures"]):
        assert each["name"] in halves[i % 2].ids  # one to choose on, one to measure on, in turn
        place = int(each["id"].partition(":")[2])
        found = object_mask(opened.data.test[place].pixels)[0]
        assert torch.equal(mask_of(each["object"], (32, 32)), found) and not each["told"]
        assert int(opened.data.test.labels[place]) == 1


def test_what_is_shown_is_kept_read_again_and_taken_back(opened: Studio) -> None:
    left = torch.zeros(32, 32, dtype=torch.bool)
    left[:, :9] = True
    with asking(opened) as client:
        first = client.get("/api/objects").json()["pictures"][0]
        assert client.get("/api/audit").json()["told"] == 0
        shown = client.post(f"/api/objects/{first['id']}", json={"object": runs_of(left)}).json()
        assert shown["told"] and shown["object"] == runs_of(left)
        assert client.get("/api/audit").json()["told"] == 1
        page = client.get("/api/objects").json()
        assert page["pictures"][0] == shown and page["classes"][0]["told"] == 1
        assert torch.equal(told(page["folder"], first["name"], (32, 32)), left)
        assert client.get(f"/api/objects/{first['id']}").json()["told"] == runs_of(left)
        back = client.post(f"/api/objects/{first['id']}", json={"object": None}).json()
        assert back == first
        assert client.get("/api/audit").json()["told"] == 0


def test_an_audit_cuts_where_it_was_shown_and_says_how_often(opened: Studio) -> None:
    with asking(opened) as client:
        for each in client.get("/api/objects").json()["pictures"][:3]:
            client.post(f"/api/objects/{each['id']}", json={"object": each["object"]})
        assert events_of(client, client.post("/api/audit").json()["job"])[-1][0] == "done"
        verdict = client.get("/api/audit").json()["verdicts"][0]
        assert any("(3 where you showed it)" in note for note in verdict["notes"])
        assert f"masks={str(opened.runs / objects.folder_of(opened).name)!r}" in verdict["python"]
        job = client.post("/api/audit", json={"masks": False}).json()["job"]
        assert events_of(client, job)[-1][0] == "done"
        verdict = client.get("/api/audit").json()["verdicts"][0]
        assert "you showed" not in str(verdict["notes"]) and "masks=" not in verdict["python"]


def test_a_run_keeps_them_where_the_command_line_looks(studio: Studio, client: TestClient) -> None:
    assert studio.run is not None
    page = client.get("/api/objects").json()
    assert page["command"] == f"convsight audit {studio.source} --masks"
    name = page["pictures"][0]["id"]
    client.post(f"/api/objects/{name}", json={"object": page["pictures"][0]["object"]})
    try:
        assert masks_of_run(studio.run.path) == Path(page["folder"]) == studio.run.path / IN_RUN
    finally:
        client.post(f"/api/objects/{name}", json={"object": None})
        (studio.run.path / IN_RUN / "drawn" / "test").rmdir()
        (studio.run.path / IN_RUN / "drawn").rmdir()
        (studio.run.path / IN_RUN).rmdir()


def test_another_data_set_has_a_folder_of_its_own(opened: Studio) -> None:
    other = Studio(opened.net, opened.data, data_source="other photos", runs=opened.runs)
    assert objects.folder_of(other) != objects.folder_of(opened)
    with asking(opened) as client:
        command = client.get("/api/objects").json()["command"]
    assert command == f"convsight audit net.py:net --data 'my photos' --masks {objects.folder_of(opened)}"


def test_what_cannot_be_is_refused_in_words(opened: Studio) -> None:
    with asking(opened) as client:
        name = client.get("/api/objects").json()["pictures"][0]["id"]
        short = client.post(f"/api/objects/{name}", json={"object": [1000, 23]})
        assert (
            short.status_code == 400
            and "1,023 pixels; the picture has 32 × 32 = 1,024" in short.json()["error"]
        )
        none = client.get("/api/objects/test:99999")
        assert none.status_code == 404 and "none of those that an audit takes" in none.json()["error"]
        wrong = client.get("/api/objects", params={"label": "zebra"})
        assert wrong.status_code == 400 and wrong.json()["works"] == "there are ball, coin, plate"
        opened.runs.write_text("a file where the folder should be, as on a disk that cannot be written to")
        refused = client.post(f"/api/objects/{name}", json={"object": [0, 1024]})
        assert refused.status_code == 400 and str(objects.folder_of(opened)) in refused.json()["error"]


def test_without_an_audit_there_is_nothing_to_show(studio: Studio) -> None:
    with asking(Studio(studio.net)) as client:
        assert "No data set is open" in client.get("/api/objects").json()["obstacle"]
        assert client.post("/api/objects/test:0", json={"object": None}).status_code == 400


def test_the_folder_is_the_one_that_runs_have() -> None:
    assert objects.FOLDER == IN_RUN


def test_runs_of_any_mask_lead_back_to_it() -> None:
    for seed in range(20):
        mask = torch.rand(5, 7, generator=torch.Generator().manual_seed(seed)) > seed / 20
        assert torch.equal(mask_of(runs_of(mask), (5, 7)), mask)
        assert all(runs_of(mask)[1:])  # only the first may be empty
