"""One tiny run on drawn garments, and a studio over it that answers without a socket."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from convsight.run import Run
from convsight.studio.app import create_app
from convsight.studio.opened import calls
from convsight.studio.session import Studio
from convsight.training import train

HERE = "http://127.0.0.1:8765"


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory) -> Path:
    """A finished run: one short epoch on 300 drawn garments."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train("drawn-garments", "quick", epochs=2, limit=300, out=folder, batch_size=32)
    return folder


def open_studio(folder: Path, **more) -> Studio:
    run = Run.open(folder)
    how = calls(run.classifier, str(folder), {}, None, False)
    return Studio(run.classifier, run.dataset, run, source=str(folder), runs=folder.parent, calls=how, **more)


@pytest.fixture
def studio(run_folder: Path) -> Studio:
    return open_studio(run_folder)


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(create_app(studio), base_url=HERE) as client:
        yield client


def finished(client: TestClient, started: dict) -> dict:
    """The result that a request leads to, after its job."""
    if started["job"] is not None:
        with client.stream("GET", f"/api/jobs/{started['job']}/events") as events:
            told = "".join(events.iter_text())
        assert "event: done" in told, told
    return client.get(f"/api/results/{started['key']}").json()


def told(client: TestClient, job: str) -> list[tuple[str, dict]]:
    """Every event of a job, in order."""
    with client.stream("GET", f"/api/jobs/{job}/events") as events:
        text = "".join(events.iter_text())
    pairs = [block.split("\n") for block in text.split("\n\n") if block.startswith("event: ")]
    return [(a.removeprefix("event: "), json.loads(b.removeprefix("data: "))) for a, b in pairs]


def ask(client: TestClient, method: str, **more) -> dict:
    answer = client.post("/api/results", json={"method": method, **more})
    assert answer.status_code == 200, answer.text
    return finished(client, answer.json())
