"""How does each kind of result travel?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from convsight.studio.schemas.base import Model, Number


class ResultRequest(Model):
    method: str
    knobs: dict[str, Any] = Field(default={})
    pictures: list[str] = Field([], max_length=64)
    target: str | int | None = None
    layer: str | None = None
    style: str | None = None
    donor: str | None = Field(None, description="the picture whose pixels an occluder shows")
    query: list[str] | None = Field(None, max_length=64)


class Started(Model):
    key: str
    ready: bool
    job: str | None = None


class MapPayload(Model):
    kind: Literal["Map"] = "Map"
    n: int
    h: int
    w: int
    signed: bool
    unit: str
    low: Number
    high: Number
    limit: list[Number] = Field(description="where each picture's colour scale ends: 0…limit or −limit…limit")
    labels: list[str]
    clean_scores: list[Number] | None = None
    pictures: list[str] | None = Field(description="PNG of what was explained, at map resolution")
    values: str = Field(description="URL; little-endian float32, n·h·w")
    half: str | None = Field(
        None, description="URL of half the length of each value's 95% interval, if it has one; as values"
    )


class PicturesPayload(Model):
    kind: Literal["Pictures"] = "Pictures"
    n: int
    h: int
    w: int
    columns: int
    labels: list[str]
    row_labels: list[str]
    headings: list[str]
    images: list[str]
    fps: Number = None


class Atlas(Model):
    """Thumbnail i is on page i // (columns²), row (i % columns²) // columns, column i % columns."""

    cell: tuple[int, int] = Field(description="height, width of a thumbnail in pixels")
    columns: int
    pages: list[str]


class PointsPayload(Model):
    kind: Literal["Points"] = "Points"
    n: int
    dim: int
    ids: list[str]
    xy: str = Field(description="URL; little-endian float32, n·dim")
    labels: list[int] | list[list[int]] | None = Field(
        description="a class each, or those of several labels that are there"
    )
    predicted: list[int] | list[list[int]] | None
    loss: list[Number] | None
    right: list[bool] | None
    classes: list[str]
    outputs: list[str] = Field(description="the names that `predicted` counts in")
    axes: list[str]
    atlas: Atlas | None


class Neighbour(Model):
    picture: str
    distance: Number
    label: str | None


class RankingRow(Model):
    name: str
    items: list[Neighbour]


class RankingPayload(Model):
    kind: Literal["Ranking"] = "Ranking"
    rows: list[RankingRow]
    agreement: Number
    space: str


class SeriesData(Model):
    name: str
    x: list[float | int | str]
    y: list[Number]


class CurvePayload(Model):
    kind: Literal["Curve"] = "Curve"
    series: list[SeriesData]
    x_label: str
    y_label: str
    style: str


class TablePayload(Model):
    kind: Literal["Table"] = "Table"
    columns: list[str]
    rows: list[list[Any]]
    shade: bool


class VerdictPayload(Model):
    kind: Literal["Verdict"] = "Verdict"
    found: bool
    sentence: str
    target: str
    cue: str = Field(description='"place", "background", "border", ...')
    flip_rate: Number
    control_rate: Number
    interval: tuple[Number, Number]
    p_value: Number
    n: int
    accuracy: tuple[Number, Number] | None = Field(description="with the cue, and without it")
    prevalence: Number
    carriers: list[str] = Field(description="pictures of the data set that carry the cue")
    remedy: str
    region: str | None
    examples: str | None = Field(description="PNG: before and after side by side, the cue outlined")


Payload = Annotated[
    MapPayload
    | PicturesPayload
    | PointsPayload
    | RankingPayload
    | CurvePayload
    | TablePayload
    | VerdictPayload,
    Field(discriminator="kind"),
]


class Gaps(Model):
    """How many positions of a map are answered; the others show the answer of the nearest one that is."""

    known: int
    total: int
    error: tuple[Number, Number] | None = Field(
        description="mean and largest error of the others, as a share of the largest effect; null if not measured"
    )
    measured: int


class Result(Model):
    key: str
    method: str
    kind: str
    title: str
    caption: str
    notes: list[str]
    gaps: Gaps | None = None
    provenance: dict[str, Any] | None
    python: str
    png: str
    downloads: dict[str, str]
    payload: Payload
    parts: list[Result]
