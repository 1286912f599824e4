"""`convsight report RUN`."""

from __future__ import annotations

import argparse
from pathlib import Path

from convsight.cli.console import bar, err, out
from convsight.cli.inputs import pictures
from convsight.errors import InputError, required
from convsight.images import Images
from convsight.report.leaning import make
from convsight.run import Run


def report(given: argparse.Namespace, rest: list[str]) -> int:
    run = Run.open(Path(given.run_path).expanduser())
    if given.live and given.interactive:
        raise InputError(
            "choose one: --live computes in the page, --interactive keeps answers computed beforehand"
        )
    if given.interactive and given.images:
        raise InputError("--images is for the plain report; an interactive one shows the run's test pictures")
    chosen = pictures([given.images], None, given.run_path, run.classifier) if given.images else None
    if given.live or given.interactive:
        if given.audit:
            make(run)
        path = _live(run, given.out, chosen) if given.live else _interactive(run, given)
        out.print(f"report:  {path} ({path.stat().st_size / 1e6:.1f} MB)", soft_wrap=True)
        return 0
    with err.status("Looking inside and writing the report ..."):
        path = run.report(given.out, images=chosen, audit=given.audit)
    out.print(f"report:  {path}", soft_wrap=True)
    return 0


def _live(run: Run, path: str | None, chosen: Images | None) -> Path:
    """One file in which the run's network computes: pictures are brought, changed and explained offline."""
    write_live = required("convsight.studio.live_page", "studio", "the page that computes").write_live
    with bar("Exporting the network"):
        made = write_live(run, chosen, path or run.path / "live.html")
    for what in made.lacks:
        out.print(f"left out: {what}", soft_wrap=True)
    return made.path


def _interactive(run: Run, given: argparse.Namespace) -> Path:
    """The studio's page over this run, frozen: what can be clicked there can be clicked in the file."""
    freeze = required("convsight.studio.freeze", "studio", "the interactive report").freeze
    from convsight.studio.opened import calls
    from convsight.studio.session import Studio

    how = calls(run.classifier, given.run_path, {}, None, False)
    studio = Studio(run.classifier, run.dataset, run, source=given.run_path, runs=run.path.parent, calls=how)
    try:
        with bar("Looking inside"):
            return freeze(studio, given.out or run.path / "interactive.html")
    finally:
        studio.jobs.close()
