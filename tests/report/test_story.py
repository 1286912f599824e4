"""One call tells the whole story, says how far it is, and goes on where it was stopped."""

import html
import json
from pathlib import Path

import pytest

import convsight as cs
from convsight.report import story as told
from convsight.report.chapters import chapters
from convsight.report.story import StoryPart, story
from convsight.report.verdict import answers, steps
from convsight.run import train_again

OPTIONS = {"recipe": "quick", "epochs": 2, "limit": 30}  # too few for an audit, which would take minutes


@pytest.fixture(scope="module")
def parts() -> list[StoryPart]:
    return []


@pytest.fixture(scope="module")
def heard() -> list[str]:
    return []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, parts: list[StoryPart], heard: list[str]) -> cs.Run:
    out = tmp_path_factory.mktemp("runs") / "story"
    return story("drawn-garments", out=out, tell=parts.append, say=heard.append, **OPTIONS)


def test_every_part_is_told_as_it_begins_and_ends(run: cs.Run, parts: list[StoryPart]) -> None:
    assert [part.number for part in parts] == [1, 1, 2, 2, 3, 3, 4, 4] and {part.of for part in parts} == {4}
    assert all(not part.found for part in parts[::2]) and all(part.found for part in parts[1::2])
    assert f"{run.metrics['test']['accuracy']:.2%}" in parts[3].found and parts[3].found.endswith(".")
    assert parts[-1].found.endswith("report.html")


def test_the_report_shows_all_of_it(run: cs.Run) -> None:
    page = (run.path / "report.html").read_text()
    assert "not checked" not in page and "Labels were judged by a probe" in page
    found = cs.checking.read_check(run)
    assert found is not None and found.caption not in page, "the chapter's line says it"
    assert all(html.escape(note[:1].upper() + note[1:]) in page for note in found.notes)


def test_a_next_step_that_cannot_be_taken_is_not_named(run: cs.Run) -> None:
    sentences = [step.sentence for step in steps(run)]
    assert not any(sentence.startswith("Look for shortcuts") for sentence in sentences)
    assert any("two classes with 12 pictures" in sentence for sentence in sentences)


def test_what_was_noticed_is_said_once_and_the_pictures_come_first(run: cs.Run, heard: list[str]) -> None:
    notes = run.dataset.notes
    assert notes and tuple(heard[: len(notes)]) == notes
    assert len(set(heard)) == len(heard)


def test_a_head_on_few_pictures_is_judged_by_all_of_them(run: cs.Run, tmp_path: Path) -> None:
    probe = cs.train("drawn-garments", "probe", network=str(run.path), limit=30, out=tmp_path / "probe")
    whole, test = probe.metrics["cross_validation"], probe.metrics["test"]
    answer, worst = answers(probe)[:2]
    assert (
        answer.answer == f"{whole['accuracy']:.2%}" and f"right of {whole['n']} pictures" in answer.sentence
    )
    assert f"of the {test['n']} test pictures {test['accuracy']:.2%}" in answer.sentence
    rows = {row["class"]: row for row in whole["per_class"]}
    assert rows[worst.answer]["accuracy"] == min(row["accuracy"] for row in rows.values() if row["n"])
    assert "test pictures are found" not in worst.sentence


def test_the_training_chapter_says_what_was_chosen(run: cs.Run, tmp_path: Path) -> None:
    probe = cs.train("drawn-garments", network=str(run.path), limit=30, out=tmp_path / "probe")
    assert any("Recipe: probe" in note for note in probe.config["notes"])
    chapter = next(c for c in chapters(probe, None) if c.heading == "Training")
    assert all(html.escape(note) in "".join(chapter.figures) for note in probe.config["notes"])


def test_what_is_done_is_not_done_again(run: cs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = (run.path / "weights.safetensors").stat().st_mtime_ns
    monkeypatch.setattr("convsight.checking.table._table", pytest.fail)  # neither is the check
    again = cs.story("drawn-garments", out=run.path, **OPTIONS)
    assert (again.path / "weights.safetensors").stat().st_mtime_ns == weights


def test_a_story_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(run: cs.Run) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(told, "_audited", stop)
        with pytest.raises(KeyboardInterrupt):
            story("drawn-garments", out=tmp_path / "s", **OPTIONS)
    monkeypatch.setattr(
        "convsight.training.session.fit_network", pytest.fail
    )  # the training is there already
    assert (story("drawn-garments", out=tmp_path / "s", **OPTIONS).path / "report.html").is_file()


def test_the_command_tells_the_verdict(run: cs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    from convsight.cli import main

    words = [
        "story",
        "drawn-garments",
        "--recipe",
        "quick",
        "--epochs",
        "2",
        "--limit",
        "30",
        "--out",
        str(run.path),
    ]
    assert main([*words, "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert (
        verdict["verdict"]["How right is it?"][0] == f"{run.metrics['test']['accuracy']:.2%}"
        and verdict["next"]
    )
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "Which class is worst?" in printed.out and "4/4 The report" in printed.err


def test_train_with_a_report_is_the_same_story(run: cs.Run, capsys: pytest.CaptureFixture[str]) -> None:
    from convsight.cli import main

    words = ["train", "drawn-garments", "--recipe", "quick", "--epochs", "2", "--limit", "30", "--report"]
    assert main([*words, "--out", str(run.path)]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert main([*words, "--out", str(run.path), "--resume", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["test"] == run.metrics["test"]
    assert said["verdict"]["Are the pictures sound?"][0] != "not checked" and said["next"]


def test_a_next_step_trains_the_same_network(run: cs.Run) -> None:
    again = train_again(run)
    assert again == "convsight train drawn-garments --network fast --recipe quick", again
