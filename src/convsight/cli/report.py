"""`convsight report RUN`."""

from __future__ import annotations

import argparse
from pathlib import Path

from convsight.cli.console import err, out
from convsight.cli.inputs import pictures
from convsight.run import Run


def report(given: argparse.Namespace, rest: list[str]) -> int:
    run = Run.open(Path(given.run_path).expanduser())
    chosen = pictures([given.images], None, given.run_path, run.classifier) if given.images else None
    with err.status("Looking inside and writing the report ..."):
        path = run.report(given.out, images=chosen)
    out.print(f"report:  {path}", soft_wrap=True)
    return 0
