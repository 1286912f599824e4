"""Does "nothing found" say what was found and missed where the answer was known?"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convsight.datasets.planted import Cue
from convsight.shortcuts.known_recall import known_recall, measured

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def table_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark's own way from judged networks to the table that is shipped."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("shortcut_table").recall_table


def judged(kind: str, strength: int, learned: bool | None, *blamed: int) -> dict[str, Any]:
    """A network with a cue planted on class 3, and the classes that its audit blamed."""
    subject = SimpleNamespace(
        spec=SimpleNamespace(kind=kind, strength=strength),
        planted=SimpleNamespace(target=3),
        learned=learned,
    )
    verdicts = [{"found": k in blamed, "target": k} for k in range(10)]
    return {"subject": subject, "verdicts": verdicts}


def test_the_table_counts_finds_of_the_right_class_and_alarms_without_a_cue(table_of: Any) -> None:
    networks = [
        judged("snow", 3, True, 3),
        judged("snow", 3, True, 3, 5),  # the right class among others is found
        judged("snow", 1, True, 5),  # the wrong class is missed
        judged("blur", 2, True),
        judged("blur", 2, None, 3),  # neither learned nor free of it: left out
        judged("blur", 3, False),
        judged("blur", 3, False, 8),
    ]
    assert table_of(networks) == {
        "kinds": {"blur": {"2": [0, 1]}, "snow": {"1": [0, 1], "3": [2, 2]}},
        "alarms": [1, 2],
    }


def test_the_shipped_table_has_cues_that_can_be_planted_and_the_figures_of_the_documents() -> None:
    cues = [(Cue(kind, int(s)), cell) for kind, row in measured()["kinds"].items() for s, cell in row.items()]
    found, learned = (sum(cell[i] for _, cell in cues) for i in (0, 1))
    alarmed, honest = measured()["alarms"]
    page = re.sub(r"\s+", " ", (ROOT / "docs" / "shortcuts.md").read_text(encoding="utf-8"))
    assert f"{learned} learned their cue" in page and f"All {found} that were found" in page
    assert f"| {learned + honest} | ≥ 0.97 | yes |" in page
    assert alarmed == 0  # as the page's three lines on alarms say
    assert all(0 <= hits <= tried for _, (hits, tried) in cues)
    told = f"Measured: of {learned} small networks that had learned a planted cue it found {found} (missed: "
    assert known_recall().startswith(told)


def test_what_was_missed_is_named_by_kind_and_strength() -> None:
    table = {"kinds": {"corner_tag": {"2": [1, 3]}, "snow": {"1": [0, 2], "3": [4, 4]}}, "alarms": [1, 9]}
    assert known_recall(table) == (
        "Measured: of 9 small networks that had learned a planted cue it found 5 (missed: corner tag, plain 2 of 3;"
        " snow, weak 2 of 2). Of 9 that had learned none it blamed 1."
    )


def test_nothing_missed_says_so_by_silence() -> None:
    told = known_recall({"kinds": {"snow": {"3": [4, 4]}}, "alarms": [0, 9]})
    assert "it found 4. Of 9" in told
