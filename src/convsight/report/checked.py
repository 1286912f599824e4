"""What does the report say of the pictures themselves? The run's last check: a row, a picture and an action each."""

from __future__ import annotations

import html

from torch import Tensor

from convsight.checking import PROBLEMS, Finding, findings_of, read_check
from convsight.checking.gallery import pictures_of
from convsight.results import draw
from convsight.results.kinds import Table
from convsight.results.result import inline_image
from convsight.run import Run

SHOWN = 12  # findings of each problem that are shown


def checked(run: Run) -> list[str]:
    """A fold for each problem, the worst one open; how to check where that was not done."""
    found = read_check(run)
    if found is None:
        command = html.escape(f"convsight check {run.path}")
        return [
            f'<p class="note">Not checked yet: <code>{command}</code> does it, and the next report shows it.</p>'
        ]
    findings = findings_of(found)
    folds = [_fold(found, findings, problem) for problem in PROBLEMS]
    notes = "".join(f'<p class="note">{html.escape(note[:1].upper() + note[1:])}</p>' for note in found.notes)
    return [*(fold for fold in folds if fold), notes]  # what was found in all is said in the chapter's line


def _fold(found: Table, findings: list[Finding], problem: str) -> str:
    rows = [i for i, finding in enumerate(findings) if finding.problem == problem]
    if not rows:
        return ""
    name = PROBLEMS[problem]
    more = f", the first {SHOWN} shown" if len(rows) > SHOWN else ""
    summary = f"{name[0].upper()}{name[1:]} ({len(rows):,}{more})"
    body = "".join(_row(findings[i], pictures_of(found, i)) for i in rows[:SHOWN])
    opened = " open" if problem == findings[0].problem else ""
    return f'<details{opened}><summary>{html.escape(summary)}</summary><ul class="findings">{body}</ul></details>'


def _row(finding: Finding, images: Tensor | None) -> str:
    name = html.escape(finding.id)
    files = [] if images is None else [draw.png(draw.rgb(image)) for image in images]
    pictures = "".join(inline_image(file, "png", name) for file in files)
    return (
        f'<li><span class="shown">{pictures}</span><span><b>{name}</b><br>'
        f"{html.escape(finding.finding)}<br><em>{html.escape(finding.action)}</em></span></li>"
    )
