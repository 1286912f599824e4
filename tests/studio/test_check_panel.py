"""The studio's check: asked for once, told with pictures, and kept in the run."""

from fastapi.testclient import TestClient

from convsight.studio.app import create_app
from convsight.studio.session import Studio
from tests.studio.conftest import HERE, told


def test_a_check_is_started_told_and_remembered(studio: Studio, client: TestClient) -> None:
    assert studio.run is not None
    (studio.run.path / "check.npz").unlink(missing_ok=True)  # of another test: the run is shared
    assert client.get("/api/check").json()["state"] == "none"
    events = told(client, client.post("/api/check").json()["job"])
    assert events[-1][0] == "done"
    page = client.get("/api/check").json()
    assert page["state"] == "done" and page["caption"].startswith("900 pictures")
    finding = next(f for group in page["problems"] for f in group["findings"] if f["pictures"])
    picture = client.get(finding["pictures"][0])
    assert picture.headers["content-type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    assert client.get("/api/check/999999/0.png").status_code == 404
    studio.checked = None  # as in a studio that is opened later
    assert client.get("/api/check").json()["problems"] == page["problems"]
    (studio.run.path / "check.npz").unlink()


def test_without_pictures_it_says_what_would_work(studio: Studio) -> None:
    with TestClient(create_app(Studio(studio.net)), base_url=HERE) as client:
        assert "--data" in client.get("/api/check").json()["obstacle"]
        assert client.post("/api/check").status_code == 400
