"""What does the page get of each kind of result, and which files can it fetch?

The page draws from numbers (float32 bytes) and pictures (PNG); nothing here knows a technique. A new kind is
one entry in `PAYLOADS` and, if it has files of its own, one in `FILES`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from convsight.results import draw
from convsight.results.kinds import Curve, Map, Pictures, Points, Ranking, Table, Verdict
from convsight.results.kinds.points import numbers_or_sets
from convsight.results.result import Result
from convsight.results.sheet import without_words
from convsight.studio import schemas
from convsight.studio.atlas import atlas_of, atlas_page
from convsight.studio.identity import picture_ids
from convsight.studio.session import Studio

MEDIA = {
    "png": "image/png", "npz": "application/octet-stream", "json": "application/json", "svg": "image/svg+xml",
    "csv": "text/csv; charset=utf-8", "gif": "image/gif", "f32": "application/octet-stream",
    "webp": "image/webp",
}  # fmt: skip
SO_FAR = 4  # maps of an unfinished result that are shown
File = tuple[Callable[[], bytes], str]


def payload_of(studio: Studio, result: Result, base: str) -> Any:
    """The payload by kind; `base` is where the files of this result are, as the beginning of a URL."""
    for kind, make in PAYLOADS.items():
        if isinstance(result, kind):
            return make(studio, result, base)
    raise TypeError(f"the studio has no page for a {type(result).__name__}")


def file_of(studio: Studio, result: Result, name: str) -> File | None:
    """(how its bytes are made, media type) of one file of a result; None if it has no such file."""
    stem, _, suffix = name.rpartition(".")
    if stem == "result" and suffix in (*result.suffixes, *(["svg"] if result.svg else [])):
        return (lambda: result._encoded(suffix)), MEDIA.get(suffix, "application/octet-stream")
    number = stem.rpartition("-")[2]
    index = int(number) if number.isdigit() and len(number) < 7 else -1
    made = None
    if isinstance(result, Map):
        made = _map_file(result, name, index)
    elif isinstance(result, Pictures) and name == f"image-{index}.png" and 0 <= index < len(result.images):
        made = lambda: _png(result, result.images[index])  # noqa: E731
    elif isinstance(result, Points):
        made = _points_file(studio, result, name, index)
    elif isinstance(result, Verdict):
        made = _verdict_file(result, name)
    return None if made is None else (made, MEDIA[suffix])


def quick_look(result: Result) -> str | None:
    """The maps of an unfinished result side by side as a data URL, each at its own size; at most `SO_FAR`."""
    if not isinstance(result, Map):
        return None
    drawn = np.concatenate(
        [
            draw.colours(certain, result.signed, draw.limit_of(values, result.full_colour))
            for certain, values in zip(result.certain[:SO_FAR], result.values, strict=False)
        ],
        axis=1,
    )
    return f"data:image/png;base64,{base64.b64encode(draw.png(drawn)).decode()}"


def _map(studio: Studio, result: Map, base: str) -> schemas.MapPayload:
    n, h, w = result.values.shape
    limits: list[float | None] = [draw.limit_of(each, result.full_colour) for each in result.values]
    clean = result.clean_score
    return schemas.MapPayload(
        n=n, h=h, w=w,
        signed=result.signed,
        unit=result.unit,
        low=float(result.values.min()),
        high=float(result.values.max()),
        limit=limits,
        labels=list(result.labels_of),
        clean_scores=None if clean is None else numbers(clean),
        pictures=None if result.pictures is None else [f"{base}picture-{i}.png" for i in range(n)],
        values=f"{base}values.f32",
        half=f"{base}half.f32" if _uncertain(result) else None,
    )  # fmt: skip


def _uncertain(result: Map) -> bool:
    """Whether its colours fade: a signed map with intervals that are not all of length 0."""
    return result.signed and result.half_width is not None and bool(result.half_width.any())


def _map_file(result: Map, name: str, index: int) -> Callable[[], bytes] | None:
    if name == "values.f32":
        return lambda: floats(result.values)
    half = result.half_width
    if name == "half.f32" and half is not None and _uncertain(result):
        return lambda: floats(half)
    pictures = result.pictures
    if pictures is not None and name == f"picture-{index}.png" and 0 <= index < len(pictures):
        return lambda: _png(result, pictures[index])
    return None


def _pictures(studio: Studio, result: Pictures, base: str) -> schemas.PicturesPayload:
    n, _, h, w = result.images.shape
    return schemas.PicturesPayload(
        n=n, h=h, w=w,
        columns=result.columns,
        labels=list(result.captions),
        row_labels=list(result.row_labels),
        headings=list(result.headings),
        images=[f"{base}image-{i}.png" for i in range(n)],
        fps=result.fps,
    )  # fmt: skip


def _points(studio: Studio, result: Points, base: str) -> schemas.PointsPayload:
    n, dim = result.xy.shape
    predicted, labels = numbers_or_sets(result.predicted), numbers_or_sets(result.labels)
    outputs = studio.net.classes
    names = result.classes
    split = str(result.provenance.knobs.get("split", "all")) if result.provenance else "all"
    right = None
    if labels is not None and predicted is not None and names:
        right = [_named(outputs, p) == _named(names, t) for p, t in zip(predicted, labels, strict=True)]
    return schemas.PointsPayload(
        n=n, dim=dim,
        ids=picture_ids(studio.data, result.ids, split),
        xy=f"{base}xy.f32",
        labels=labels,
        predicted=predicted,
        loss=None if result.losses is None else numbers(result.losses, digits=4),
        right=right,
        classes=list(names),
        outputs=list(outputs),
        axes=list(result.axes),
        atlas=atlas_of(result, base),
    )  # fmt: skip


def _named(names: tuple[str, ...], numbers: int | list[int]) -> set[str]:
    """The class, or the several labels, that numbers stand for; an unknown class has the name ""."""
    each = numbers if isinstance(numbers, list) else [numbers]
    return {names[k] if 0 <= k < len(names) else "" for k in each}


def _points_file(studio: Studio, result: Points, name: str, index: int) -> Callable[[], bytes] | None:
    if name == "xy.f32":
        return lambda: floats(result.xy)
    atlas = atlas_of(result, "")
    if atlas is not None and name == f"atlas-{index}.webp" and 0 <= index < len(atlas.pages):
        return lambda: atlas_page(result, index)
    return None


def _ranking(studio: Studio, result: Ranking, base: str) -> schemas.RankingPayload:
    rows, agreeing = [], []
    known, names = result.query.labels, result.classes
    for q, ids in enumerate(result.ids):
        where = picture_ids(studio.data, ids, "all")
        labels = [None] * len(ids) if result.labels is None else result.labels[q].tolist()
        items = [
            schemas.Neighbour(picture=p, distance=d, label=_name(names, label))
            for p, d, label in zip(where, numbers(result.distances[q]), labels, strict=True)
        ]
        rows.append(schemas.RankingRow(name=result.query.ids[q], items=items))
        if known is not None and known.ndim == 1 and result.labels is not None:
            agreeing += [label == int(known[q]) for label in labels]
    share = sum(agreeing) / len(agreeing) if agreeing else None
    return schemas.RankingPayload(rows=rows, agreement=share, space=result.space)


def _name(names: tuple[str, ...], label: Any) -> str | None:
    return names[int(label)] if label is not None and 0 <= int(label) < len(names) else None


def curve_data(result: Curve) -> schemas.CurvePayload:
    series = [
        schemas.SeriesData(name=s.name, x=[plain(x) for x in s.x], y=[float(y) for y in s.y])
        for s in result.series
    ]
    return schemas.CurvePayload(
        series=series, x_label=result.x_label, y_label=result.y_label, style=result.style
    )


def table_data(result: Table) -> schemas.TablePayload:
    rows = [[plain(cell) for cell in row] for row in result.rows]
    return schemas.TablePayload(columns=list(result.columns), rows=rows, shade=result.shade)


def _verdict(studio: Studio, result: Verdict, base: str) -> schemas.VerdictPayload:
    return schemas.VerdictPayload(
        found=result.found,
        sentence=result.sentence,
        target=result.target,
        cue=result.kind,
        flip_rate=result.flip_rate,
        control_rate=result.control_rate,
        interval=result.interval,
        p_value=result.p_value,
        n=result.n,
        accuracy=result.accuracy,
        prevalence=result.prevalence,
        carriers=[name for name in picture_ids(studio.data, result.carriers, "all") if name],
        remedy=result.remedy,
        region=f"{base}region.png" if result.region is not None else None,
        examples=f"{base}examples.png" if result.examples is not None else None,
    )


def _png(result: Map | Pictures, pixels: Tensor) -> bytes:
    """A picture of the result, in the bands that it shows."""
    with draw.showing(result.bands):
        return draw.png(draw.rgb(pixels))


def _verdict_file(result: Verdict, name: str) -> Callable[[], bytes] | None:
    region = result.region
    if name == "region.png" and region is not None:
        return lambda: draw.png(draw.rgb(region.float()[None]))
    if name == "examples.png" and result.examples is not None:
        return lambda: _without_words(result)
    return None


def _without_words(result: Result) -> bytes:
    with without_words():
        return draw.png(result.draw_self())


PAYLOADS: dict[type[Result], Callable[[Studio, Any, str], Any]] = {
    Map: _map, Pictures: _pictures, Points: _points, Ranking: _ranking, Verdict: _verdict,
    Curve: lambda studio, result, base: curve_data(result), Table: lambda studio, result, base: table_data(result),
}  # fmt: skip


def floats(values: Tensor) -> bytes:
    """Little-endian float32, row by row."""
    return np.ascontiguousarray(values.detach().float().cpu().numpy().astype("<f4")).tobytes()


def numbers(values: Tensor, digits: int = 17) -> list[float | None]:
    """One number an entry, rounded where many of them travel."""
    return [round(v, digits) for v in values.flatten().tolist()]


def plain(value: Any) -> Any:
    """A cell as JSON has it."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.item() if hasattr(value, "item") else str(value)
