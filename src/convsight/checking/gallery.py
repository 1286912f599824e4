"""How are findings shown? One sheet of pictures for each problem, copies beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from convsight.checking.finding import PROBLEMS, Finding
from convsight.checking.subject import Subject
from convsight.imaging.fitting import fit_pixels
from convsight.results.kinds import Pictures

SHOWN = 36  # findings of each problem whose pictures are kept
SHOWN_PX = 96


def galleries(subject: Subject, findings: Sequence[Finding]) -> tuple[Pictures, ...]:
    """A part for each problem that has findings with pictures, named by it; `values` are the rows of the table."""
    return tuple(sheet for problem in PROBLEMS if (sheet := _sheet(subject, findings, problem)) is not None)


def _sheet(subject: Subject, findings: Sequence[Finding], problem: str) -> Pictures | None:
    rows = [i for i, f in enumerate(findings) if f.problem == problem and f.id][:SHOWN]
    if not rows:
        return None
    shown, captions, numbers = [], [], []
    for row in rows:
        finding = findings[row]
        for name, words in [(finding.id, _words(finding)), (finding.other, finding.other)]:
            if name:
                shown.append(subject.chosen.find(name))
                captions.append(words)
                numbers.append(row)
    images = subject.chosen[torch.tensor(shown)]
    h, w = images.size
    scale = min(1.0, SHOWN_PX / max(h, w))
    pixels = fit_pixels(images.pixels, (max(1, round(h * scale)), max(1, round(w * scale))), images.channels)
    total = sum(f.problem == problem for f in findings)
    pairs = problem in ("leak", "duplicate")
    return Pictures(
        name=problem,
        title=PROBLEMS[problem][0].upper() + PROBLEMS[problem][1:],
        caption=f"{'Two by two; ' if pairs else ''}{len(rows):,} of {total:,}, the surest first."
        if total > len(rows) or pairs
        else "",
        images=pixels,
        captions=tuple(captions),
        columns=8,
        values=torch.tensor(numbers),
    )


def _words(finding: Finding) -> str:
    if finding.problem == "mislabelled":
        return f"{finding.given} → {finding.suggested}"
    if finding.problem == "odd":
        return finding.finding.partition(":")[0]
    return finding.given or finding.id
