"""How does a click become a result, and a result what the page fetches piece by piece?

The key of a result is that of its provenance, under which the run keeps it for the command line and the report
too. Pictures of it are drawn when they are first fetched, never before.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convsight.errors import DataNotFound, InputError
from convsight.images import Images
from convsight.method import Method
from convsight.methods import find_method
from convsight.results.kinds import Map
from convsight.results.result import Result
from convsight.studio import schemas
from convsight.studio.jobs import Job
from convsight.studio.knobs import knob_values
from convsight.studio.payloads import file_of, payload_of, quick_look
from convsight.studio.python_call import python_call
from convsight.studio.session import Studio

WAIT_S = 0.3  # how long a click is waited for before the answer is "under way", which costs two requests more
DRAWING = threading.RLock()  # matplotlib's settings are global: one picture is drawn at a time


@dataclass(frozen=True)
class CheckedRequest:
    """A request whose every part is checked."""

    method: Method
    request: schemas.ResultRequest
    key: str
    arguments: Mapping[str, Any]
    lasting: bool  # whether the run may keep the result under this key


@dataclass(frozen=True, eq=False)
class Kept:
    """A result with what its page needs to know of how it was asked for."""

    key: str
    result: Result
    python: str
    asked: CheckedRequest | None = None


def ask(studio: Studio, request: schemas.ResultRequest) -> CheckedRequest:
    """Check a request at the door; InputError says which part is wrong."""
    method = find_method(request.method)
    made = method(**knob_values(method, request.knobs))
    needs = method.needs()
    if request.layer is not None and "layer" in needs:
        studio.net.layers[request.layer]
    arguments = arguments_of(studio, made, request)
    for name, must in needs.items():
        if must and name not in arguments:
            raise InputError(f"{method.name} needs {WORDS.get(name, name)}")
    key = made.provenance(**arguments).key
    return CheckedRequest(made, request, key or _key_here(studio, request), arguments, lasting=bool(key))


def _key_here(studio: Studio, request: schemas.ResultRequest) -> str:
    """A key within this session, for a network that another program could not recognise, such as one with a
    function of the user's in it."""
    return f"here-{hashlib.blake2b(f'{request!r}{studio.weights}'.encode(), digest_size=9).hexdigest()}"


WORDS = {
    "images": "a picture", "data": "a data set: start the studio with --data", "target": "a target, such as "
    "a class or layer:channel", "layer": "a layer", "style": "the picture whose style is taken",
    "query": "the picture looked for",
}  # fmt: skip


def start(studio: Studio, request: schemas.ResultRequest) -> schemas.Started:
    """The result if it is there or quickly made, otherwise the job that makes it."""
    asked = ask(studio, request)
    if studio.store.get(asked.key) is not None:
        return schemas.Started(key=asked.key, ready=True)
    job = studio.jobs.start(
        asked.method.title, lambda job: compute(studio, asked, job), key=asked.key, lane=lane(asked.method)
    )
    job.finished.wait(WAIT_S)
    if job.failure is not None:
        raise job.failure
    return schemas.Started(key=asked.key, ready=job.status == "done", job=job.id)


def compute(studio: Studio, asked: CheckedRequest, job: Job) -> None:
    """What the run has stored under this key, or the technique's answer, which the run then stores."""
    stored = studio.run.results if studio.run is not None and asked.lasting else None
    result = None if stored is None else stored.get(asked.key)
    if result is None:
        stream: Callable[..., Any] | None = getattr(asked.method, "stream", None)
        result = (
            asked.method(**asked.arguments) if stream is None else _streamed(stream(**asked.arguments), job)
        )
        if stored is not None:
            stored.keep(asked.key, result)
    keep(studio, asked.key, result, python_call(studio, asked.method, asked.request), asked)


def keep(studio: Studio, key: str, result: Result, python: str, asked: CheckedRequest | None = None) -> None:
    """Remember a result under its key."""
    size = 4 * sum(array.size for part in _all(result) for array in part.arrays().values())
    studio.store.put(key, Kept(key, result, python, asked), size + 10_000)


def arguments_of(studio: Studio, method: Method, request: schemas.ResultRequest) -> dict[str, Any]:
    """What the technique's `compute` is called with."""
    needs, shown = method.needs(), request.pictures
    found: dict[str, Any] = {}
    if "net" in needs and (needs["net"] or "images" not in needs or shown):
        found["net"] = studio.net
    if "data" in needs and studio.data is not None:
        found["data"] = studio.data
    style = [] if request.style is None else [request.style]
    for name, pictures in {"images": shown, "query": request.query or shown, "style": style}.items():
        if name in needs and pictures:
            found[name] = _pictures(studio, method, pictures)
    if "donor" in needs and request.donor is not None:
        found["donor"] = studio.pictures.some([request.donor])
    for name in ("target", "layer"):
        if name in needs and getattr(request, name) is not None:
            found[name] = getattr(request, name)
    return found


def page_of(studio: Studio, key: str) -> schemas.Result:
    """What the page is told of a result: words, numbers and where its pictures are."""
    kept = found(studio, key)
    return _described(studio, kept, kept.result, f"/api/results/{key}", "")


def file(studio: Studio, key: str, name: str) -> tuple[bytes, str]:
    """(bytes, media type) of one file of a result: "result.png", "values.f32", "part0.image-3.png"."""
    kept = found(studio, key)
    result, rest = kept.result, name
    while rest.startswith("part"):
        number, dot, rest = rest.removeprefix("part").partition(".")
        if not dot or not number.isdigit() or int(number) >= len(result.parts):
            raise DataNotFound(f"no {name!r} in this result")
        result = result.parts[int(number)]
    made = file_of(studio, result, rest)
    if made is None:
        raise DataNotFound(f"no {name!r} in this result; its files are in its `downloads` and `payload`")
    with DRAWING:
        return studio.store.once(f"{key}/{name}", made[0]), made[1]


def found(studio: Studio, key: str) -> Kept:
    kept = studio.store.get(key)
    if not isinstance(kept, Kept):
        raise DataNotFound(f"no result {key[:40]!r} any more; ask for it again with POST /api/results")
    return kept


def lane(method: Method) -> str:
    """Which thread computes a technique: pictures by optimisation take minutes, whole data sets seconds."""
    needs, names = method.needs(), {knob.name for knob in method.knobs()}
    optimises = "net" in needs and {"steps", "iterations"} & names  # or averages over steps, as some maps do
    if not method.in_report or (optimises and not issubclass(method.kind, Map)):
        return "heavy"
    return "data" if needs.get("data") else "quick"


def _described(studio: Studio, kept: Kept, result: Result, url: str, prefix: str) -> schemas.Result:
    base = f"{url}/{prefix}"
    suffixes = [*result.suffixes, *(["svg"] if result.svg else [])]
    names = {s: f"{base}result.{s}" for s in suffixes if s != "html"}
    parts = [_described(studio, kept, part, url, f"{prefix}part{i}.") for i, part in enumerate(result.parts)]
    return schemas.Result(
        key=kept.key,
        method=kept.result.provenance.method if kept.result.provenance else "",
        kind=type(result).__name__,
        title=result.title,
        caption=result.caption,
        notes=list(result.notes),
        gaps=None if result.gaps is None else schemas.Gaps(**result.gaps.as_dict()),
        provenance=result.provenance.as_dict() if result.provenance else None,
        python=kept.python,
        png=names["png"],
        downloads=names,
        payload=payload_of(studio, result, base),
        parts=parts,
    )


def _streamed(maps: Iterator[Result], job: Job) -> Result:
    """The last of ever better maps; each is shown to whoever waits, with how far the work is by then."""
    result = None
    for result in maps:
        gaps = result.gaps
        fraction = job.fraction if gaps is None else max(gaps.share, job.fraction)
        count = job.count if gaps is None else (gaps.known, gaps.total, "positions")
        job.step(fraction, job.message, quick_look(result), count)
    assert result is not None  # a stream ends with the whole answer
    return result


def _pictures(studio: Studio, method: Method, names: list[str]) -> Images:
    """Pictures by id; a technique that resizes nothing gets a single one at its own size."""
    if method.resize or len(names) > 1:
        return studio.pictures.some(names)
    one = studio.pictures.get(names[0])
    return Images(one.pixels, one.labels, one.classes, (names[0],))


def _all(result: Result) -> list[Result]:
    return [result, *(each for part in result.parts for each in _all(part))]
