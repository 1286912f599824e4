"""What is the verdict on a run, on one screen? How often it is right, its worst class, what it leans on, what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from convsight.checking import findings_of, read_check
from convsight.checking.finding import Finding, counted
from convsight.checking.relabel import in_words
from convsight.errors import ConvsightError
from convsight.features.selection import Selection
from convsight.report.leaning import audited
from convsight.results.kinds import Verdict
from convsight.results.tables import asides, headline
from convsight.run import Run, train_again
from convsight.shortcuts.pictures import FEWEST, auditable_classes

FAR = 0.05  # between training and validation accuracy: it learnt its pictures by heart
WIDE = 0.1  # of an interval, above which more test pictures say more than another network
UNSURE = 0.05  # calibration error from which its probabilities are not to be taken as they are
ENOUGH = 5  # pictures of a class, from which its mistakes say something of the class
STEPS = 4  # that are named at most


@dataclass(frozen=True)
class Answer:
    """One question of the first screen: the answer in a word or number, and a sentence. tone: "good", "bad", "open"."""

    question: str
    answer: str
    sentence: str
    tone: str = ""


@dataclass(frozen=True)
class Step:
    """What to do next and why; command: how, "" where there is none."""

    sentence: str
    command: str = ""


def answers(run: Run) -> list[Answer]:
    """The verdict in at most four answers, the most important first."""
    found = [_how_right(run), _worst(_measured(run)), _leans(run), _pictures(run)]
    return [answer for answer in found if answer is not None]


def steps(run: Run) -> list[Step]:
    """What to do next, the most important first."""
    made = [*_about_pictures(run), *_about_shortcuts(run), *_about_training(run), *_about_test(run)]
    if not made:
        made.append(Step("Nothing stands out. Try it on pictures from another source than these."))
    return made[:STEPS]


def _measured(run: Run) -> dict[str, Any]:
    """What says best how right it is: the test, or of a head with few test pictures the cross-validation of all."""
    whole = run.metrics.get("cross_validation")
    return whole if whole and not run.metrics["training"]["epochs"] else run.metrics["test"]


def _how_right(run: Run) -> Answer | None:
    test = _measured(run)
    if not test:
        return Answer("How right is it?", "not known", "There are no test pictures.", "open")
    value, words = headline(test)
    if "folds" in test:
        few = headline(run.metrics["test"])[0] if run.metrics["test"] else ""
        words = words.replace("test pictures", "pictures") + ", each answered by a head that did not see it"
        words += f"; of the {run.metrics['test']['n']:,} test pictures {few}" if few else ""
    said = f"{value} {words}." if "per_class" in test else f"{words[0].upper()}{words[1:]}."
    more = "; ".join(asides(test)[:1])
    return Answer("How right is it?", value, f"{said}{f' {more[0].upper()}{more[1:]}.' if more else ''}")


def _worst(test: dict[str, Any]) -> Answer | None:
    rows = [row for row in test.get("per_class", ()) if row["n"] and row["accuracy"] is not None]
    if len(rows) < 2:
        return _worst_label(test)
    row = min(rows, key=lambda r: (r["accuracy"], -r["n"]))
    if row["accuracy"] == 1:
        return Answer(
            "Which class is worst?", "none", f"All pictures of all {len(rows):,} classes are found."
        )
    low, high = row["interval"]
    others = sum(r["accuracy"] == row["accuracy"] for r in rows) - 1
    as_seldom = (
        f" {others:,} other {'class is' if others == 1 else 'classes are'} found as seldom." if others else ""
    )
    taken = next((c for c in test["confused"] if c["true"] == row["class"]), None)
    most = (
        f" Most often taken for {taken['predicted']} ({taken['count']:,} of {row['n']:,})." if taken else ""
    )
    kind = f"{'' if 'folds' in test else 'test '}{'picture is' if row['n'] == 1 else 'pictures are'}"
    found = f"{row['accuracy']:.1%} of its {row['n']:,} {kind} found (95% interval {low:.1%} to {high:.1%})."
    return Answer("Which class is worst?", row["class"], f"{found}{as_seldom or most}")


def _worst_label(test: dict[str, Any]) -> Answer | None:
    rows = [row for row in test.get("per_label", ()) if row["ap"] is not None]
    if not rows:
        return None
    row = min(rows, key=lambda r: r["ap"])
    return Answer(
        "Which label is worst?",
        row["label"],
        f"Average precision {row['ap']:.3f} on {row['n']:,} pictures that carry it.",
    )


def _leans(run: Run) -> Answer | None:
    if not run.classifier.one_class:
        return None
    verdicts = audited(run)
    if verdicts is None:
        return Answer("What does it lean on?", "not audited", "Nobody has looked for shortcuts yet.", "open")
    found = [verdict for verdict in verdicts if verdict.found]
    if not found:
        said = verdicts[0].sentence.removeprefix("Nothing found: ")
        return Answer("What does it lean on?", "nothing found", f"{said[0].upper()}{said[1:]}", "good")
    more = f" And {len(found) - 1} more." if len(found) > 1 else ""
    return Answer(
        "What does it lean on?", f"{found[0].target}: {found[0].kind}", found[0].sentence + more, "bad"
    )


def _pictures(run: Run) -> Answer | None:
    findings = _findings(run)
    if findings is None:
        return Answer(
            "Are the pictures sound?",
            "not checked",
            "Labels, copies and leaks were not looked for yet.",
            "open",
        )
    bad = [f for f in findings if f.problem in ("leak", "mislabelled")]
    said = counted(findings)
    sentence = f"{said[0].upper()}{said[1:]}."
    if bad:
        return Answer("Are the pictures sound?", f"{len(bad):,} to settle", sentence, "bad")
    if any(f.problem == "statistic" for f in findings):
        return Answer("Are the pictures sound?", "easy to cheat", f"{sentence} It may lean on those.", "open")
    return Answer("Are the pictures sound?", "sound", sentence, "good")


def _findings(run: Run) -> list[Finding] | None:
    """What the last check found; None if there was none, or the pictures are gone."""
    try:
        found = read_check(run)
    except ConvsightError:
        return None
    return None if found is None else findings_of(found)


def _about_pictures(run: Run) -> Iterator[Step]:
    findings = _findings(run)
    if findings is None:
        yield Step(
            "Look for wrong labels, copies and leaks among the pictures.", f"convsight check {run.path}"
        )
        return
    changes = in_words(findings)
    if changes:
        path = run.path / "relabel.csv"
        there = path.is_file()
        yield Step(
            f"Go through relabel.csv{'' if there else ', which this writes'} ({changes}), edit it, and train with it.",
            f"{train_again(run)} --relabel {path}" if there else f"convsight check {run.path}",
        )


def _about_shortcuts(run: Run) -> Iterator[Step]:
    if not run.classifier.one_class:
        return
    verdicts: list[Verdict] | None = audited(run)
    if verdicts is None:
        yield _to_audit(run)
        return
    for number, verdict in enumerate(verdicts, 1):
        if verdict.found:
            yield Step(
                f"Unlearn the {verdict.kind} of {verdict.target}, or mark it as the object itself.",
                f"convsight fix {run.path} --verdict {number}",
            )
            return


def _to_audit(run: Run) -> Step:
    """The audit, or where no two classes have the pictures for it, what is missing."""
    try:
        enough = auditable_classes(Selection.of(run.dataset)) >= 2
    except ConvsightError:  # the pictures are gone; the audit itself says where it looked for them
        enough = True
    if enough:
        return Step("Look for shortcuts; it takes minutes.", f"convsight report {run.path} --audit")
    return Step(f"Add pictures: looking for shortcuts takes two classes with {FEWEST} pictures or more.")


def _about_training(run: Run) -> Iterator[Step]:
    last = run.log[-1] if run.log else {}
    trained, held = last.get("accuracy"), last.get("validation_accuracy")
    if trained is not None and held is not None and trained - held > FAR:
        yield Step(
            f"It knows its training pictures ({trained:.0%}) better than new ones ({held:.0%}): more pictures, more "
            "augmentation, or a network that was trained on many others."
        )


def _about_test(run: Run) -> Iterator[Step]:
    test = _measured(run)
    if not test or "per_class" not in test:
        return
    low, high = test["interval"]
    if high - low > WIDE:
        yield Step(
            f"Add pictures to test on: with {test['n']:,} its accuracy is only known to lie between {low:.0%} and {high:.0%}."
        )
    rows = [row for row in test["per_class"] if row["n"] >= ENOUGH]
    worst = min(rows, key=lambda r: r["accuracy"], default=None)
    if worst is not None and worst["accuracy"] < test["accuracy"] - 2 * FAR:
        yield Step(
            f"Look at the mistakes about {worst['class']} in the studio, and add pictures like them.",
            f"convsight studio {run.path}",
        )
    error = (test.get("calibration") or {}).get("ece")
    if error is not None and error > UNSURE:
        yield Step(f"Do not take its probabilities as they are: they are off by {error:.0%} on average.")
