"""How are findings shown? One sheet of pictures for each problem, copies beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.checking.finding import COLUMNS, PROBLEMS, Finding
from convsight.checking.subject import CheckedPictures
from convsight.imaging.fitting import fit_pixels
from convsight.results.kinds import Pictures, Table

SHOWN = 36  # findings of each problem whose pictures are kept
SHOWN_PX = 96


def galleries(subject: CheckedPictures, findings: Sequence[Finding]) -> tuple[Pictures, ...]:
    """A part for each problem that has findings with pictures, named by it; `values` are the rows of the table."""
    return tuple(sheet for problem in PROBLEMS if (sheet := _sheet(subject, findings, problem)) is not None)


def _sheet(subject: CheckedPictures, findings: Sequence[Finding], problem: str) -> Pictures | None:
    rows = [i for i, f in enumerate(findings) if f.problem == problem and f.id][:SHOWN]
    if not rows:
        return None
    shown = [(row, findings[row].id, _words(findings[row])) for row in rows]
    shown += [(row, other, other) for row in rows if (other := findings[row].other)]
    shown.sort(key=lambda each: each[0])  # a copy comes right after its picture
    images = subject.chosen[torch.tensor([subject.chosen.find(name) for _, name, _ in shown])]
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
        captions=tuple(words for _, _, words in shown),
        columns=8,
        values=torch.tensor([row for row, _, _ in shown]),
    )


def pictures_of(found: Table, row: int) -> Float[Tensor, "n c h w"] | None:
    """The small pictures of a finding and its copy; None where no pictures of its problem were kept."""
    sheet = found.part(found.rows[row][COLUMNS.index("problem")])
    if not isinstance(sheet, Pictures) or sheet.values is None:
        return None
    return sheet.images[sheet.values == row]


def _words(finding: Finding) -> str:
    if finding.problem == "mislabelled":
        return f"{finding.given} → {finding.suggested}"
    if finding.problem == "odd":
        return finding.finding.partition(":")[0]
    return finding.given or finding.id
