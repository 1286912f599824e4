"""The report opens offline in a real browser, at desktop and phone width, and tells what was measured."""

import html
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import convsight as cs
from convsight.checking import Finding
from convsight.report import verdict
from convsight.report.chapters import _left_out
from convsight.training import RECIPES


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cs.Run:
    return cs.train("drawn-garments", "quick", out=tmp_path_factory.mktemp("runs") / "r", limit=120, epochs=2)


@pytest.fixture(scope="module")
def report(run: cs.Run) -> Path:
    return run.report()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_from_disk_with_no_request_and_no_error(
    browser, report: Path, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    requests, errors = [], []
    page.on("request", lambda r: requests.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(report.as_uri())
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert requests == [] and errors == []
    page.close()


def test_it_tells_the_whole_story(browser, report: Path, run: cs.Run) -> None:
    page = browser.new_page(offline=True)
    page.goto(report.as_uri())
    headings = page.locator("h2").all_inner_texts()
    assert headings == [
        "What to do next",
        "Data",
        "The pictures themselves",
        "Network",
        "Training",
        "Test",
        "Filters and feature maps",
        "Where it looks",
        "Last layer",
        "What it leans on",
    ]
    assert f"{run.metrics['test']['accuracy']:.2%}" in page.locator("header").inner_text()
    for entry in cs.catalogue().values():
        if entry.kind == "Map" and entry.method.in_report:
            assert entry.title in page.content(), entry.name
    assert page.locator("main .note", has_text="needs").count() == 0
    page.close()


def test_the_first_screen_is_the_verdict_and_chapters_are_closed(browser, report: Path, run: cs.Run) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 900}, offline=True)
    page.goto(report.as_uri())
    worst = min(run.metrics["test"]["per_class"], key=lambda row: row["accuracy"])
    verdict = page.locator(".verdict").inner_text()
    assert worst["class"] in verdict and "not audited" in verdict and "not checked" in verdict
    assert "convsight check" in page.locator(".next").inner_text()
    assert page.locator(".next").bounding_box()["y"] < 700
    assert page.locator("details.chapter[open]").count() == 0
    assert page.evaluate("document.documentElement.scrollHeight") < 2000
    page.locator("summary", has_text="Where it looks").click()
    names = page.locator(".maps").first.locator("figcaption").all_inner_texts()
    assert "Gradient × input" in names
    assert page.evaluate(
        "[...document.querySelectorAll('.maps figcaption')].every(f => f.scrollWidth <= f.clientWidth)"
    )
    assert page.locator(".maps img").first.bounding_box()["width"] > 140
    page.close()


def test_what_a_check_found_is_in_the_verdict_and_in_a_chapter(run: cs.Run, tmp_path: Path) -> None:
    found = cs.check(run, sure=0.0)
    page = run.report(tmp_path / "r.html").read_text()
    assert found.rows and html.escape(found.rows[0][7]) in page
    assert "not checked" not in page and "Labels were judged by a probe" in page


def test_next_steps_follow_what_was_measured(run: cs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding("a", "leak", "x", "", 1.0, "train", "b", "A copy.", "Keep one.")
    wrong = replace(finding, id="c", problem="mislabelled", suggested="y")
    monkeypatch.setattr(verdict, "_findings", lambda _: [finding, wrong])
    shortcut = cs.Verdict(found=True, sentence="Bag leans on the border.", target="Bag", kind="border")
    monkeypatch.setattr(verdict, "audited", lambda _: [shortcut])
    said = verdict.steps(run)
    assert "1 label to change, 1 copy to leave out" in said[0].sentence
    assert "convsight check" in said[0].command and "convsight fix" in said[1].command
    answers = {a.question: a for a in verdict.answers(run)}
    assert (
        answers["What does it lean on?"].tone == "bad"
        and answers["Are the pictures sound?"].answer == "2 to settle"
    )
    monkeypatch.setattr(
        verdict, "audited", lambda _: [replace(shortcut, found=False, sentence="Nothing found.")]
    )
    assert {a.question: a.tone for a in verdict.answers(run)}["What does it lean on?"] == "good"


def test_a_run_whose_data_is_gone_still_gets_its_report(
    run: cs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convsight.errors import DataNotFound

    def gone(self: cs.Run) -> None:
        raise DataNotFound("the pictures are gone")

    monkeypatch.setattr(cs.Run, "dataset", property(gone))
    page = cs.Run.open(run.path).report(tmp_path / "r.html").read_text()
    assert "the pictures are gone" in page and "Confusion" in page


def test_positions_get_a_report_too(tmp_path: Path) -> None:
    run = cs.train("locate-drawn", "locate", out=tmp_path / "l", limit=60, epochs=1)
    page = run.report().read_text()
    assert "mean error" in page and "centre x" in page


def test_the_training_chapter_says_what_the_middle_epochs_left_out() -> None:
    focused = asdict(replace(RECIPES["fast"], hardest=0.4, easier=0.25, epochs=8))
    (sentence,) = _left_out(focused)
    assert (
        "Epochs 2 to 7 showed the 40% of the training pictures with the largest losses and 25% of" in sentence
    )
    assert "curves stand for all" in sentence
    assert "curves stand for all" not in _left_out({**focused, "easier": 0.0})[0]
    assert "Epoch 2 showed" in _left_out({**focused, "epochs": 3})[0]
    (both,) = _left_out({**focused, "opening": 0.3})
    assert "Epoch 1 showed 30% of the training pictures" in both and "Epochs 2 to 7 showed" in both
    assert "Epoch 1 showed 30%" in _left_out({"hardest": 1.0, "easier": 1.0, "opening": 0.3, "epochs": 2})[0]
    for whole in ({"hardest": 1.0}, {"easier": 1.0}, {"epochs": 2}):
        assert _left_out({**focused, **whole}) == []
    older = {key: value for key, value in focused.items() if key not in ("hardest", "easier")}
    assert _left_out(older) == []
