"""How is the last check of a run's pictures kept in the run, so that its report and the studio show it?

check.npz   the table whole, with its pictures: `convsight.open_result` reads it
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from convsight.errors import DataError, DataNotFound
from convsight.results.files import open_result
from convsight.results.kinds import Table
from convsight.run import Run

CHECK = "check.npz"


def save_check(run: Run, found: Table) -> Path:
    """Keep the table in the run's folder, in place of the last one, as one of the run's pictures as they are now."""
    made = found.provenance
    if made is not None:
        found = replace(found, provenance=replace(made, inputs=run.dataset.content_hash))
    return found.save(run.path / CHECK)


def read_check(run: Run) -> Table | None:
    """The last check of the run's pictures; None if there is none, or it was of other pictures or labels."""
    with contextlib.suppress(DataError, DataNotFound):
        found = open_result(run.path / CHECK)
        made = found.provenance
        if isinstance(found, Table) and made is not None and made.inputs == run.dataset.content_hash:
            return found
    return None
