"""Which answers of a session are worth keeping, and how do they become one offline page without anybody
clicking?

The frozen page is the studio's own page, which finds inside itself the answers that it would otherwise
request. This module requests them from the same addresses, the most important first, until the page would
grow too large.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from convsight.errors import ConvsightError
from convsight.methods import Entry, catalogue
from convsight.progress import report as tell
from convsight.results.kinds import Map, Pictures
from convsight.storage import write_atomic
from convsight.studio import results, schemas
from convsight.studio.app import STATIC, create_app
from convsight.studio.export import frozen
from convsight.studio.inside import addresses, answer_of, as_local, in_a_thread
from convsight.studio.session import Studio

LARGEST = 40 * 2**20  # bytes of answers after which nothing more is added
CELLS = 40  # cells of the confusion matrix whose pictures are kept
EXPLAINED = 8  # how many of these cells have their first picture explained for both classes
A_CELL = 24  # pictures kept of one cell, as many as the page asks for
NEIGHBOURS = 10
WHY = "gradcam"  # the technique by which the page explains mistakes


def freeze(studio: Studio, path: str | Path, *, pictures: int = 6, largest: int = LARGEST) -> Path:
    """Write the studio's page with its answers inside to `path`: one HTML file that needs no server.

    Kept are the session, its sample pictures with their scores, every map technique on the first `pictures`
    of them (more make the page larger), the feature maps of each layer on the first, the filters, the map of
    the data set with its thumbnails, the nearest pictures of each sample, the confusion matrix with the
    pictures of its cells and why the most frequent mistakes were made, the demonstrations, and the audit if
    one was made. They have at most about `largest` bytes; the last in this list are left out first. The page
    says of anything that is missing how to get it.

    Raises InputError if the page was not built with this copy of convsight.

    >>> import convsight as cs                                                        # doctest: +SKIP
    >>> run = cs.Run.open("runs/demo")                                                # doctest: +SKIP
    >>> freeze(Studio(run.classifier, run.dataset, run, source="runs/demo"), "demo.html")  # doctest: +SKIP
    """
    page = STATIC / "frozen.html"
    collected = Collected(studio, largest)
    state = json.dumps({"hash": "#/network", "made": []})
    in_a_thread(lambda: frozen(page, [], state, collected.answer))  # raises at once if the page was not built
    steps = list(_steps(collected, pictures))
    for i, (what, step) in enumerate(steps):
        tell(i / len(steps), what)
        try:
            step()
        except ConvsightError as error:  # a technique that cannot answer is left out
            collected.notes.append(f"{what}: {error}")
    state = json.dumps({"hash": "#/network", "made": collected.made})
    made = in_a_thread(lambda: frozen(page, collected.answers, state, collected.answer))
    tell(1.0, f"{len(collected.answers)} answers, {len(made) / 1e6:.1f} MB")
    return write_atomic(Path(path), made)


class Collected:
    """Answers of the studio's own routes by address, kept while there is room."""

    def __init__(self, studio: Studio, largest: int):
        self.studio, self.largest = studio, largest
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.made: list[tuple[str, str, str]] = []  # request, key, address at which the page shows it
        self.notes: list[str] = []
        self.size = 0
        self._ask = answer_of(create_app(studio), as_local())

    async def answer(self, url: str) -> tuple[int, str, bytes]:
        return self.answers.get(url) or await self._ask(url)

    @property
    def full(self) -> bool:
        return self.size >= self.largest

    def get(self, url: str) -> Any:
        """Keep the answer to a GET. Returns its content if it is JSON; None if it is not, or if there is no
        room.
        """
        if url not in self.answers:
            if self.full:
                return None
            status, media, body = in_a_thread(lambda: self._ask(url))
            if status != 200:
                return None
            self.answers[url] = (status, media, body)
            self.size += len(body)
        _, media, body = self.answers[url]
        return json.loads(body) if media.startswith("application/json") else None

    def picture(self, name: str, *sides: int | None) -> None:
        for side in sides:
            self.get(f"/api/pictures/{quote(name, safe=':')}.png" + (f"?side={side}" if side else ""))

    def result(self, at: str = "", **request: Any) -> dict[str, Any] | None:
        """Compute a technique's result and keep everything that its drawing needs; `at`: where it is shown."""
        if self.full:
            return None
        started = results.start(self.studio, schemas.ResultRequest(**request))
        if not started.ready and started.job is not None:
            job = self.studio.jobs.get(started.job)
            job.finished.wait()
            if job.status != "done":
                self.notes.append(f"{request['method']}: {job.failure or job.message}")
                return None
        self.made.append((json.dumps(request), started.key, at))
        told = self.get(f"/api/results/{started.key}")
        for url in addresses(told):
            self.get(url)
        return told


def _steps(to: Collected, pictures: int) -> Iterator[tuple[str, Any]]:
    """The steps of collecting, the most important first, each with a line that describes it."""
    info = to.studio.info
    samples, shown = info.samples, info.samples[:pictures]
    yield "the session", lambda: to.get("/api/session")
    yield "sample pictures", lambda: _samples(to, samples)
    yield "the confusion matrix", lambda: _confusion(to)
    for entry in _maps():
        yield entry.title, lambda name=entry.name: [_explained(to, name, p) for p in shown]
    for layer in info.layers:
        if layer.maps and shown:
            yield f"feature maps of {layer.name}", lambda layer=layer: _sprites(to, layer.name, shown[0])
    for layer in info.layers:
        if layer.convolution:
            url = f"/api/layers/{quote(layer.name, safe='')}/filters"
            yield f"filters of {layer.name}", lambda url=url: _addressed(to, url)
    for entry in catalogue().values():
        if (
            not any(entry.needs.values())
            and issubclass(entry.method.kind, Pictures)
            and "data" not in entry.needs
        ):
            at = f"#/playground?try={entry.name}"
            yield entry.title, lambda name=entry.name, at=at: to.result(at, method=name)
    if info.can.map:
        yield "the map of the data set", lambda: to.result("#/map", method="pca")
        yield "the nearest pictures", lambda: [_neighbours(to, p) for p in samples]
    yield "the check of the pictures", lambda: _addressed(to, "/api/check")
    if info.can.audit:
        yield "the audit", lambda: _addressed(to, "/api/audit")
    for picture in shown[1:3]:
        for layer in info.layers:
            if layer.maps:
                yield f"more of {layer.name}", lambda n=layer.name, p=picture: _sprites(to, n, p)


def _maps() -> list[Entry]:
    """Techniques that make a map of a picture and need no further choice."""
    return [
        entry
        for entry in catalogue().values()
        if issubclass(entry.method.kind, Map)
        and entry.method.in_report
        and {name for name, must in entry.needs.items() if must} == {"net", "images"}
    ]


def _explained(to: Collected, method: str, picture: str) -> None:
    at = f"#/image?method={method}&picture={quote(picture, safe=':')}"
    to.result(at, method=method, pictures=[picture])


def _samples(to: Collected, samples: list[str]) -> None:
    for name in samples:
        to.picture(name, None, 64)
        to.get(f"/api/pictures/{quote(name, safe=':')}/scores")


def _sprites(to: Collected, layer: str, picture: str) -> None:
    _addressed(to, f"/api/layers/{quote(layer, safe='')}/maps?picture={quote(picture, safe=':')}")


def _addressed(to: Collected, url: str) -> None:
    for inner in addresses(to.get(url)):
        to.get(inner)


def _neighbours(to: Collected, picture: str) -> None:
    url = f"/api/neighbours?{_query(picture=picture, k=NEIGHBOURS, metric='l2')}"
    told = _settled(to, url)
    for item in [*told.get("features", []), *told.get("pixels", [])]:
        to.picture(item["picture"], 64)


def _labels(to: Collected, split: str) -> None:
    """How good each label is, and the pictures in which it was missed or said in vain."""
    for row in _settled(to, f"/api/labels?split={split}").get("labels", []):
        for what in ("missed", "invented"):
            page = to.get(
                f"/api/pictures?{_query(split=split, **{what: row['name']}, sort='loss', limit=A_CELL)}"
            )
            for item in (page or {"items": []})["items"]:
                to.picture(item["id"], 96)


def _confusion(to: Collected) -> None:
    """The test pictures' matrix, the pictures of its cells (most frequent mistakes first), and explanations
    for the first.
    """
    split = to.studio.first_split
    if split is not None and to.studio.net.task == "multilabel":
        _labels(to, split)
    if split is None or not to.studio.net.one_class:
        return
    told = _settled(to, f"/api/confusion?split={split}")
    names = told.get("classes", [])
    cells = sorted(
        ((n, i, j) for i, row in enumerate(told.get("counts", [])) for j, n in enumerate(row) if n),
        key=lambda cell: (cell[1] == cell[2], -cell[0]),
    )
    for rank, (_, label, predicted) in enumerate(cells[:CELLS]):
        of = {"split": split, "label": names[label], "predicted": names[predicted]}
        page = to.get(f"/api/pictures?{_query(**of, sort='loss', limit=A_CELL)}") or {"items": []}
        for item in page["items"]:
            to.picture(item["id"], 96)
        if rank < EXPLAINED and label != predicted and page["items"]:
            _why(to, page["items"][0]["id"], names[label], names[predicted])


def _why(to: Collected, picture: str, label: str, predicted: str) -> None:
    _samples(to, [picture])
    at = f"#/mistakes?{_query(**{'as': predicted, 'is': label, 'wrong': picture})}"
    for target in (label, predicted):
        to.result(at, method=WHY, pictures=[picture], target=target)


def _settled(to: Collected, url: str) -> dict[str, Any]:
    """An answer that may first name a job; it is requested again when the job is done."""
    told = to.get(url)
    if told and told.get("job"):
        job = to.studio.jobs.get(told["job"])
        job.finished.wait()
        _, _, body = to.answers.pop(url)
        to.size -= len(body)
        told = to.get(url)
    return told or {}


def _query(**words: Any) -> str:
    """Parameters as the page's URLSearchParams writes them."""
    return urlencode(words, safe="*").replace("~", "%7E")
