"""Are the pictures sound? What `convsight check` finds in the data set, for the page."""

from __future__ import annotations

from convsight.checking import PROBLEMS, check, findings_of, read_check
from convsight.checking.gallery import pictures_of
from convsight.errors import ConvsightError, DataNotFound, InputError
from convsight.results import draw
from convsight.results.kinds import Table
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
    findings, groups = findings_of(found), []
    for problem, title in PROBLEMS.items():
        rows = [i for i, finding in enumerate(findings) if finding.problem == problem]
        shown = [_finding(found, row) for row in rows[:SHOWN]]
        if rows:
            groups.append(schemas.Problems(problem=problem, title=title, count=len(rows), findings=shown))
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
    images = pictures_of(found, row)
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


def _finding(found: Table, row: int) -> schemas.Finding:
    said = dict(zip(found.columns, found.rows[row], strict=True))
    images = pictures_of(found, row)
    urls = [] if images is None else [f"/api/check/{row}/{i}.png" for i in range(len(images))]
    return schemas.Finding(pictures=urls, **{name: said[name] for name in schemas.FINDING_FIELDS})
