"""How do suggested labels become a file that a person accepts or edits, line by line?"""

from __future__ import annotations

from pathlib import Path

from convsight.checking.finding import findings_of
from convsight.datasets.relabelled import COLUMNS
from convsight.results.kinds import Table
from convsight.results.kinds.layout import csv_bytes
from convsight.storage import write_atomic


def write_relabel(found: Table, path: str | Path) -> Path:
    """Write what `check` suggests as a CSV with the columns id, given, label, sure, finding.

    `label` is what `train(..., relabel=FILE)` and `dataset(..., relabel=FILE)` will take: edit it, take the row away to
    keep the old label, or leave it empty to leave the picture out. The files of the pictures stay as they are.
    """
    rows = [
        (f.id, f.given, f.suggested, f.sure, f.finding)
        for f in findings_of(found)
        if f.problem == "mislabelled"
    ]
    return write_atomic(Path(path), csv_bytes((*COLUMNS, "sure", "finding"), rows))
