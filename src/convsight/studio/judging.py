"""Does the network lean on a shortcut, and how far can this map be trusted? The audit's answers for the page.

The audit is imported when it is first needed, as its statistics take a second to load.
"""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from convsight.errors import ConvsightError, DataNotFound, InputError
from convsight.results import draw
from convsight.results.kinds import Map, Verdict
from convsight.results.sheet import without_words
from convsight.studio import results, schemas
from convsight.studio.objects import folder_of, told_in_all
from convsight.studio.session import Studio
from convsight.trust_checks import Light

TITLE = "Looking for shortcuts"


def audit(studio: Studio) -> schemas.Audit:
    """The verdicts of this session, or else of the run's last audit."""
    job = studio.jobs.running(TITLE)
    verdicts = verdicts_of(studio)
    state = "running" if job else "none" if verdicts is None else "done"
    pages = [_page(studio, i, verdict) for i, verdict in enumerate(verdicts or ())]
    return schemas.Audit(state=state, verdicts=pages, job=job.id if job else None, told=told_in_all(studio))


def start_audit(studio: Studio, request: schemas.AuditRequest) -> schemas.JobStarted:
    """Look for shortcuts in the background; one audit at a time, with what the user showed of the objects."""
    if not studio.info.can.audit:
        raise InputError(studio.info.can.no_audit)
    masks = folder_of(studio) if request.masks and told_in_all(studio) else None
    job = studio.jobs.start(TITLE, lambda job: _look(studio, masks), key=f"audit {studio.weights}")
    return schemas.JobStarted(job=job.id)


def trust(studio: Studio, key: str) -> schemas.Trust:
    """The three lights of a map's first picture; with `job` while they are being found."""
    kept = results.found(studio, key)
    asked = kept.asked
    if not isinstance(kept.result, Map) or asked is None or not asked.request.pictures:
        raise InputError("trust lights are for maps of a picture, such as saliency or occlusion")
    name = _trust_key(key)
    found: list[Light] | None = studio.store.get(name)
    if found is None:
        job = studio.jobs.start(
            f"How far to trust {asked.method.title}", lambda job: _ask_lights(studio, asked, name), key=name,
            lane="data",
        )  # fmt: skip
        job.finished.wait(results.WAIT_S)
        if job.failure is not None:
            raise job.failure
        found = studio.store.get(name)
        if found is None:
            return schemas.Trust(job=job.id)
    return schemas.Trust(lights=[_light(key, i, light) for i, light in enumerate(found)])


def light_png(studio: Studio, key: str, index: int) -> bytes:
    """The picture of one light as PNG."""
    found: list[Light] | None = studio.store.get(_trust_key(key))
    pictures = found[index].pictures if found is not None and index < len(found) else None
    if pictures is None:
        raise DataNotFound("no such picture; ask for the trust lights again")
    with results.DRAWING, without_words():
        return draw.png(pictures.draw())


def _look(studio: Studio, masks: Path | None) -> None:
    from convsight.shortcuts.find import audit_run, find_shortcuts

    net, data, run = studio.net, studio.data, studio.run
    assert data is not None
    look = find_shortcuts if run is None else partial(audit_run, run.path)
    studio.verdicts = look(net, data, masks=masks)
    studio.masks = None if masks is None else str(masks)


def verdicts_of(studio: Studio) -> list[Verdict] | None:
    """The verdicts of this session, or else of the run's last audit; None if there was none."""
    if studio.verdicts is None and studio.run is not None and (studio.run.path / "audit.json").is_file():
        from convsight.shortcuts.saved import audited_with, read_verdicts

        try:
            studio.verdicts = read_verdicts(studio.run.path)
            studio.masks = audited_with(studio.run.path).get("masks")
        except ConvsightError:  # a file that is damaged or of another version counts as none
            return None
    return studio.verdicts


def _page(studio: Studio, index: int, verdict: Verdict) -> schemas.Result:
    words = (verdict.sentence, verdict.interval, verdict.caption, verdict.notes, studio.masks)
    said = hashlib.blake2b(str(words).encode(), digest_size=8).hexdigest()
    key = f"verdict{index}-{studio.weights[:8]}{said}"
    masks = f", masks={studio.masks!r}" if studio.masks is not None else ""
    call = f"verdicts = cs.find_shortcuts(net, data{masks})\nresult = verdicts[{index}]\n"
    opened = [*studio.calls.imports, "", f"net = {studio.calls.net}", f"data = {studio.calls.data}", call]
    results.keep(studio, key, verdict, "\n".join(opened))
    return results.page_of(studio, key)


def _trust_key(key: str) -> str:
    return f"trust {key}"


def _ask_lights(studio: Studio, asked: results.CheckedRequest, name: str) -> None:
    from convsight.trust_checks import lights

    request = asked.request
    needs = asked.method.needs()
    more: dict[str, Any] = {"layer": request.layer} if request.layer is not None and "layer" in needs else {}
    images = studio.pictures.some(request.pictures[:1])
    (found,) = lights(studio.net, images, asked.method, request.target, data=studio.data, **more)
    studio.store.put(name, list(found), 4_000_000)


def _light(key: str, index: int, light: Light) -> schemas.Light:
    shown = light.pictures
    return schemas.Light(
        name=light.title, answer=light.verdict, sentence=light.sentence, numbers=dict(light.numbers),
        pictures=[] if shown is None else [f"/api/trust/{key}/{index}.png"],
        captions=[] if shown is None else list(shown.captions),
    )  # fmt: skip
