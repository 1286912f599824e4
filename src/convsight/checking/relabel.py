"""How do suggested labels, and copies to leave out, become a file that a person accepts or edits, line by line?"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from convsight.checking.finding import Finding, findings_of, ordered
from convsight.datasets.relabelled import COLUMNS
from convsight.results.kinds import Table
from convsight.results.kinds.layout import csv_bytes
from convsight.storage import write_atomic


def write_relabel(found: Table, path: str | Path, earlier: str | Path | None = None) -> Path:
    """Write what `check` suggests as a CSV with the columns id, given, label, sure, finding.

    `label` is what `train(..., relabel=FILE)` and `dataset(..., relabel=FILE)` will take: edit it, take the row away to
    keep the picture as it is, or leave it empty to leave the picture out, as is suggested of a training picture with a
    copy in another split. The files of the pictures stay as they are. earlier: the corrections that the pictures were
    checked with; they stay, after the new ones, for a training takes one file.
    """
    before = {} if earlier is None else _rows(Path(earlier).expanduser())
    rows = [
        (f.id, before.pop(f.id, {}).get("given") or f.given, _wanted(f), f.sure, f.finding)
        for f in suggestions(findings_of(found))
    ]
    rows += [tuple(row.get(name, "") for name in (*COLUMNS, "sure", "finding")) for row in before.values()]
    return write_atomic(Path(path), csv_bytes((*COLUMNS, "sure", "finding"), rows))


def _wanted(finding: Finding) -> str:
    return finding.suggested if finding.problem == "mislabelled" else ""


def _rows(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a file of corrections by the pictures' names."""
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    return {row["id"]: {name: value or "" for name, value in row.items() if name} for row in reader}


def suggestions(findings: Iterable[Finding]) -> list[Finding]:
    """What relabel.csv suggests, one a picture: copies of other splits to leave out, and other labels."""
    found: dict[str, Finding] = {}
    for finding in ordered(findings):  # leaks come first
        if finding.problem == "mislabelled" or (finding.problem == "leak" and finding.given):
            found.setdefault(finding.id, finding)
    return list(found.values())


def in_words(findings: Iterable[Finding]) -> str:
    """What is in relabel.csv: "3 labels to change, 1 copy to leave out"; "" for nothing.

    >>> in_words([Finding("a.png", "leak", "cat", "", 0.99, "train", "b.png", "", "")])
    '1 copy to leave out'
    """
    chosen = suggestions(findings)
    labels = sum(f.problem == "mislabelled" for f in chosen)
    out = len(chosen) - labels
    said = [f"{labels:,} label{'s' * (labels != 1)} to change"] if labels else []
    said += [f"{out:,} {'copy' if out == 1 else 'copies'} to leave out"] if out else []
    return ", ".join(said)
