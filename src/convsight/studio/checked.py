"""Are the pictures sound? What `convsight check` finds in the data set, for the page."""

from __future__ import annotations

from collections import Counter

from torch import Tensor

from convsight.checking import PROBLEMS, check, findings_of, read_check
from convsight.errors import ConvsightError, DataNotFound, InputError
from convsight.results import draw
from convsight.results.kinds import Pictures, Table
from convsight.results.sheet import without_words
from convsight.studio import results, schemas
from convsight.studio.session import Studio

TITLE = "Looking at the pictures"
SHOWN = 36  # findings of each problem that are sent: those whose pictures are kept


def page(studio: Studio) -> schemas.Check:
    """The findings of this session's check, or else of the run's last one."""
    job = studio.jobs.running(TITLE)
    found = _found(studio)
    state = "running" if job else "none" if found is None else "done"
    obstacle = "" if studio.data is not None else "There are no pictures: open the studio with --data FOLDER."
    if found is None:
        return schemas.Check(state=state, obstacle=obstacle, job=job.id if job else None)
    findings = findings_of(found)
    counts = Counter(finding.problem for finding in findings)
    groups = [
        schemas.Problems(problem=problem, title=title, count=counts[problem], findings=_shown(found, problem))
        for problem, title in PROBLEMS.items()
        if counts[problem]
    ]
    return schemas.Check(
        state=state,
        caption=found.caption,
        notes=list(found.notes),
        problems=groups,
        obstacle="",
        job=job.id if job else None,
    )


def start(studio: Studio) -> schemas.JobStarted:
    """Look at the pictures in the background; one check at a time."""
    if studio.data is None:
        raise InputError("there are no pictures to check", works="open the studio with --data FOLDER")
    job = studio.jobs.start(TITLE, lambda job: _look(studio), key=f"check {studio.weights}", lane="data")
    return schemas.JobStarted(job=job.id)


def png(studio: Studio, row: int, index: int) -> bytes:
    """Picture `index` of a finding: 0 is the picture itself, 1 its copy."""
    found = _found(studio)
    if found is None or row >= len(found.rows):
        raise DataNotFound("no such finding; look at the pictures again")
    images = _images(found, found.rows[row][1], row)
    if images is None or index >= len(images):
        raise DataNotFound("this finding has no such picture")
    with results.DRAWING, without_words():
        return draw.png(draw.rgb(images[index]))


def _look(studio: Studio) -> None:
    """The run's own check is kept in the run; that of another data set in this session."""
    run = studio.run
    own = run is not None and studio.data_source is None
    studio.checked = check(run) if own else check(studio.data, studio.net)


def _found(studio: Studio) -> Table | None:
    if studio.checked is None and studio.run is not None and studio.data_source is None:
        try:
            studio.checked = read_check(studio.run)
        except ConvsightError:  # its pictures are gone, or the file is damaged
            return None
    return studio.checked


def _shown(found: Table, problem: str) -> list[schemas.Finding]:
    rows = [i for i, row in enumerate(found.rows) if row[1] == problem][:SHOWN]
    return [_finding(found, row) for row in rows]


def _finding(found: Table, row: int) -> schemas.Finding:
    said = dict(zip(found.columns, found.rows[row], strict=True))
    images = _images(found, said["problem"], row)
    urls = [] if images is None else [f"/api/check/{row}/{i}.png" for i in range(len(images))]
    return schemas.Finding(pictures=urls, **{name: said[name] for name in schemas.FINDING_FIELDS})


def _images(found: Table, problem: str, row: int) -> Tensor | None:
    """The small pictures of a row, n c h w; None where its problem has none."""
    sheet = found.part(problem)
    if not isinstance(sheet, Pictures) or sheet.values is None:
        return None
    return sheet.images[sheet.values == row]
