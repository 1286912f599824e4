"""Long work tells how far it is, can be cancelled, and never stands in the way of a click."""

import base64
import functools
import json
import threading
import time

import pytest

from convsight.errors import InputError
from convsight.progress import report
from convsight.run import Run
from convsight.shortcuts import find
from convsight.studio.jobs import Jobs
from convsight.studio.recent import Recent
from convsight.studio.schemas import Problem
from tests.studio.conftest import ask, told


def test_a_job_tells_its_steps_and_its_end():
    jobs = Jobs()

    def work(job):
        for i in range(4):
            time.sleep(0.1)
            report(i / 4, f"step {i}")

    job = jobs.start("counting", work)
    assert job.finished.wait(5)
    assert [name for name, _ in job.events] == ["step"] * 4 + ["done"]
    assert [words.get("fraction") for _, words in job.events[:4]] == [0, 0.25, 0.5, 0.75]
    assert job.info().status == "done" and job.info().fraction == 1


def test_a_cancelled_job_ends_at_its_next_step():
    jobs, steps = Jobs(), []

    def work(job):
        for i in range(1000):
            steps.append(i)
            time.sleep(0.01)
            report(i / 1000, "working")

    job = jobs.start("long", work)
    while len(steps) < 3:
        time.sleep(0.01)
    job.cancel()
    assert job.finished.wait(2) and job.status == "cancelled" and len(steps) < 200
    assert job.events[-1][0] == "cancelled"


def test_a_queued_job_that_is_cancelled_never_starts():
    jobs, gate, ran = Jobs(), threading.Event(), []
    first = jobs.start("first", lambda job: gate.wait(5))
    second = jobs.start("second", lambda job: ran.append(1))
    second.cancel()
    gate.set()
    third = jobs.start("third", lambda job: None)
    assert first.finished.wait(5) and third.finished.wait(5)
    assert second.status == "cancelled" and not ran


def test_heavy_work_does_not_stand_in_a_clicks_way():
    jobs, gate = Jobs(), threading.Event()
    heavy = jobs.start("heavy", lambda job: gate.wait(10))
    click = jobs.start("click", lambda job: None, lane="quick")
    assert click.finished.wait(2) and not heavy.finished.is_set()
    gate.set()
    assert heavy.finished.wait(5)


def test_the_same_question_is_worked_on_once():
    jobs, gate = Jobs(), threading.Event()
    one = jobs.start("a", lambda job: gate.wait(5), key="same")
    other = jobs.start("a", lambda job: gate.wait(5), key="same")
    assert one is other
    gate.set()
    assert one.finished.wait(5)
    assert jobs.start("a", lambda job: None, key="same") is not one


def test_a_failed_job_says_why():
    def work(job):
        raise InputError("no layer 'conv9'", given="conv9", works="there are conv1, conv2")

    job = Jobs().start("failing", work)
    assert job.finished.wait(5)
    problem = {"error": "no layer 'conv9'", "given": "conv9", "works": "there are conv1, conv2"}
    assert (
        job.status == "failed"
        and job.info().error == Problem(**problem)
        and job.events[-1] == ("failed", problem)
    )


def test_old_steps_are_forgotten_and_epochs_are_not():
    job = Jobs().start("many", lambda job: None)
    job.finished.wait(5)
    job.events.clear()
    for i in range(1000):
        job.tell("step", fraction=i / 1000)
        if i % 100 == 0:
            job.tell("epoch", epoch=i // 100)
    names = [name for name, _ in job.events]
    assert names.count("epoch") == 10 and names.count("step") < 300
    assert len(names) == 1010  # readers count on positions


def test_the_store_forgets_what_was_used_longest_ago():
    store = Recent(100)
    for name in "abc":
        store.put(name, name.upper(), 40)
    assert store.get("a") is None and store.get("b") == "B"
    store.put("d", "D", 40)
    assert store.get("c") is None and store.get("b") == "B"
    assert store.put("b", "other", 40) == "B"


def test_the_first_stage_of_a_stream_tells_its_share_of_all_passes(client, monkeypatch):
    monkeypatch.setattr("convsight.studio.jobs.EVERY_S", 0.0)
    knobs = {"regions": 5, "passes": 300, "precision": 0.0}
    started = client.post(
        "/api/results", json={"method": "shapley", "pictures": ["test:3"], "knobs": knobs}
    ).json()
    steps = [words for name, words in told(client, started["job"]) if name == "step"]
    first = next(i for i, words in enumerate(steps) if "picture" in words)
    assert first > 0 and all(s["fraction"] == pytest.approx(s["done"] / 300, abs=1e-4) for s in steps)
    assert 0 < steps[0]["done"] <= steps[first]["done"] < steps[-1]["done"] == 300


def test_an_occlusion_map_is_seen_forming(client):
    body = {"method": "occlusion", "pictures": ["test:8"], "knobs": {"patch": 4, "stride": 1}}
    started = client.post("/api/results", json=body).json()
    events = told(client, started["job"])
    pictures = [words["picture"] for name, words in events if name == "step" and "picture" in words]
    assert len(pictures) > 1 and all(p.startswith("data:image/png;base64,") for p in pictures)
    assert len(set(pictures)) > 1
    assert events[-1] == ("done", {"key": started["key"]})
    assert client.post("/api/results", json=body).json()["ready"]


def test_an_unknown_job_or_result_is_told_in_words(client):
    for url in ("/api/jobs/nothing", "/api/results/nothing", "/api/results/nothing/result.png"):
        answer = client.get(url)
        assert answer.status_code == 404 and answer.json()["error"], url


def test_a_training_runs_stops_saves_and_goes_on(client, studio):
    body = {"data": "drawn-garments", "recipe": "lesson-1", "epochs": 200, "limit": 200, "name": "slow"}
    started = client.post("/api/train", json=body).json()
    job = studio.jobs.get(started["job"])
    while not any(name == "epoch" for name, _ in job.events):
        assert not job.finished.is_set(), job.failure
        time.sleep(0.05)
    (info,) = [run for run in client.get("/api/runs").json() if run["name"] == "slow"]
    assert info["training"] == started["job"] and not info["finished"]
    assert client.get("/api/session").status_code == 200  # the page does not wait for it
    assert client.post("/api/runs/slow/resume").status_code == 400  # not twice at once

    client.delete(f"/api/jobs/{started['job']}")
    assert job.finished.wait(60) and job.status == "cancelled" and "saved" in job.message
    folder = studio.runs / "slow"
    assert (folder / "checkpoint.safetensors").is_file() and not (folder / "metrics.json").is_file()
    events = told(client, started["job"])
    epochs = [words for name, words in events if name == "epoch"]
    assert epochs[0]["epoch"] == 1 and epochs[0]["loss"] > 0
    steps = [words["training"] for name, words in events if name == "step"]
    assert steps and steps[-1]["epochs"] == 200

    again = studio.jobs.get(client.post("/api/runs/slow/resume").json()["job"])
    while not any(name == "epoch" for name, _ in again.events):
        assert not again.finished.is_set(), again.failure
        time.sleep(0.05)
    first = next(words for name, words in again.events if name == "epoch")
    assert first["epoch"] >= epochs[-1]["epoch"]  # not from the beginning
    again.cancel()
    assert again.finished.wait(60)


def test_a_short_training_becomes_a_run_that_can_be_compared(client, studio, run_folder):
    body = {"data": "drawn-garments", "recipe": "quick", "epochs": 1, "limit": 100, "name": "short"}
    started = client.post("/api/train", json=body).json()
    events = told(client, started["job"])
    assert events[-1][0] == "done"
    run = Run.open(studio.runs / "short")
    compared = client.get("/api/compare", params={"runs": ["tiny", "short"]}).json()
    assert [r["accuracy"] for r in compared["runs"]] == [
        Run.open(run_folder).metrics["test"]["accuracy"], run.metrics["test"]["accuracy"],
    ]  # fmt: skip
    assert compared["per_class"]["columns"] == ["", "tiny", "short"]
    assert [s["name"] for s in compared["curves"][0]["series"]] == ["tiny", "short"]
    assert client.post("/api/train", json=body).status_code == 400  # the name is taken


def test_what_a_training_fails_with_is_told(client, studio):
    body = {"data": "drawn-garments", "recipe": "locate", "epochs": 1, "limit": 50}
    job = studio.jobs.get(client.post("/api/train", json=body).json()["job"])
    assert job.finished.wait(60) and job.status == "failed"
    assert "smooth-l1" in str(job.failure) and "Traceback" not in str(job.failure)


def test_an_audit_tells_its_verdicts_and_keeps_them_in_the_run(client, studio, monkeypatch):
    small = functools.partial(find.find_shortcuts, per_class=24, target="Bag")
    monkeypatch.setattr(find, "find_shortcuts", small)
    assert client.get("/api/audit").json() == {"state": "none", "verdicts": [], "job": None, "told": 0}
    job = client.post("/api/audit").json()["job"]
    assert told(client, job)[-1][0] == "done"
    answer = client.get("/api/audit").json()
    assert answer["state"] == "done" and answer["verdicts"]
    for verdict in answer["verdicts"]:
        assert verdict["kind"] == "Verdict" and verdict["payload"]["sentence"]
        assert client.get(verdict["png"]).status_code == 200
    assert (studio.run.path / "audit.json").is_file()
    studio.verdicts = None  # as after a restart
    again = client.get("/api/audit").json()
    assert [v["payload"]["sentence"] for v in again["verdicts"]] == [
        v["payload"]["sentence"] for v in answer["verdicts"]
    ]
    (studio.run.path / "audit.json").unlink()


def test_trust_lights_answer_for_a_map_and_nothing_else(client, studio):
    made = ask(client, "gradient_x_input", pictures=["test:1"])
    answer = client.post("/api/trust", json={"key": made["key"]}).json()
    while answer["job"]:
        studio.jobs.get(answer["job"]).finished.wait(60)
        answer = client.post("/api/trust", json={"key": made["key"]}).json()
    assert len(answer["lights"]) == 3
    assert {light["answer"] for light in answer["lights"]} <= {"yes", "no", "can't tell"}
    for url in [url for light in answer["lights"] for url in light["pictures"]]:
        assert client.get(url).headers["content-type"] == "image/png"
    filters = ask(client, "filters")
    refused = client.post("/api/trust", json={"key": filters["key"]})
    assert refused.status_code == 400 and "maps of a picture" in refused.json()["error"]


def test_closing_the_studio_stops_a_training(client, studio):
    body = {"data": "drawn-garments", "recipe": "lesson-1", "epochs": 500, "limit": 100, "name": "left"}
    job = studio.jobs.get(client.post("/api/train", json=body).json()["job"])
    while not any(name == "epoch" for name, _ in job.events):
        time.sleep(0.05)
    studio.jobs.close()
    assert job.finished.is_set() and (studio.runs / "left" / "checkpoint.safetensors").is_file()


@pytest.mark.parametrize("urls", [["http://evil.example/"], ["/etc/passwd"], ["//evil"]])
def test_only_its_own_answers_are_exported(client, studio, tmp_path, urls):
    (tmp_path / "frozen.html").write_text("<html><head></head><body></body></html>")
    client.app.state.static = tmp_path
    assert client.post("/api/export", json={"urls": urls}).status_code == 400


def test_an_export_holds_exactly_what_the_page_got(client, tmp_path):
    (tmp_path / "frozen.html").write_text("<html><head><title>x</title></head><body></body></html>")
    client.app.state.static = tmp_path
    urls = ["/api/session", "/api/pictures/test:0.png", "/api/pictures/test:0/scores", "/api/jobs/nothing"]
    answer = client.post("/api/export", json={"urls": urls, "state": "#/image?x=</script><b>"})
    assert "attachment" in answer.headers["content-disposition"]
    inside = answer.text.split('<script id="frozen" type="application/json">')[1]
    inside = inside.split("</script>")[0]
    assert "<b>" not in inside
    data = json.loads(inside)
    assert data["state"] == "#/image?x=</script><b>" and set(data["responses"]) == set(urls[:3])
    assert json.loads(data["responses"]["/api/session"]["body"]) == client.get("/api/session").json()
    picture = base64.b64decode(data["responses"]["/api/pictures/test:0.png"]["base64"])
    assert picture == client.get("/api/pictures/test:0.png").content
