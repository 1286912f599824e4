"""What travels between the server and the page? One model per answer; `python -m` prints the OpenAPI.

python -m convsight.studio.schemas > web/src/gen/openapi.json
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SplitName = Literal["train", "validation", "test"]
State = Literal["queued", "running", "done", "failed", "cancelled"]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[
    float | None, BeforeValidator(_finite)
]  # JSON has no NaN; None says that there is no number


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Problem(Model):
    """Every 4xx and 5xx: what was wrong, what was given, what would work."""

    error: str
    given: str = ""
    works: str = ""


# ---- the session ---------------------------------------------------------------------------------------------


class ModelInfo(Model):
    name: str
    classes: list[str]
    input_size: tuple[int, int]
    channels: int
    task: str
    outputs: list[str]
    weights_hash: str
    parameters: int
    source: str


class LayerInfo(Model):
    name: str
    kind: str
    shape: list[int]
    parameters: int
    macs: int
    receptive_field: tuple[int, int]
    maps: bool = Field(description="its output is a stack of feature maps: /maps and /receptive answer")
    convolution: bool = Field(description="it has filters: /filters answers")


class DatasetInfo(Model):
    name: str
    classes: list[str]
    splits: dict[SplitName, int]
    notes: list[str]


class KnobInfo(Model):
    name: str
    default: Any
    type: str
    help: str
    unit: str = ""
    low: Number = None
    high: Number = None
    choices: list[Any] = []


class MethodInfo(Model):
    name: str
    title: str
    summary: str
    kind: str
    source: str
    needs: dict[str, bool] = Field(description="argument → whether it must be given")
    knobs: list[KnobInfo]
    per_layer: bool


class Limits(Model):
    upload_bytes: int
    upload_pixels: int


class Can(Model):
    train: bool
    audit: bool
    map: bool
    no_audit: str = Field("", description="why there can be no audit, and what would work")


class Session(Model):
    title: str
    version: str
    model: ModelInfo
    layers: list[LayerInfo]
    dataset: DatasetInfo | None
    methods: list[MethodInfo]
    metrics: dict[str, Any] | None
    log: list[dict[str, Any]] | None
    samples: list[str]
    run: str | None
    limits: Limits
    can: Can


# ---- pictures ------------------------------------------------------------------------------------------------


class Picture(Model):
    """`predicted`, `confidence` and `loss` are null until the split has been gone through."""

    id: str
    label: str | None = None
    predicted: str | None = None
    confidence: Number = None
    loss: Number = None
    name: str = ""


class PicturePage(Model):
    total: int
    items: list[Picture]
    ready: bool = Field(description="predictions of this split are there; filters by prediction need them")


class Score(Model):
    index: int
    name: str
    logit: Number
    probability: Number


class Scores(Model):
    """What the network answers to one picture; its own name, and its class where that is known."""

    scores: list[Score]
    name: str = ""
    label: str | None = None


class Box(Model):
    y: int
    x: int
    h: int = Field(ge=1)
    w: int = Field(ge=1)


class Paste(Model):
    picture: str
    y: int
    x: int
    h: int = Field(ge=1)
    w: int = Field(ge=1)


class EditRequest(Model):
    """What is hidden: a box, or the white of a mask; `paste` shows a part of another picture there.

    The box and `paste`'s y, x are in pixels of the network's input; paste's part has the size of the box.
    """

    box: Box | None = None
    mask: str | None = Field(None, description="base64 PNG; white (above half) is hidden")
    fill: Literal["mean", "grey", "black", "white", "blur", "noise"] = "mean"
    paste: Paste | None = None
    keep: bool = Field(False, description="also keep the edited picture, and answer with its id")


class Edited(Model):
    """Of networks with many classes only the 20 highest, before or after; the same ones in both lists."""

    scores: list[Score]
    clean: list[Score]
    milliseconds: float
    picture: str | None = None
    exact: bool = Field(True, description="computed only where the edit can change something, or in full")


# ---- results -------------------------------------------------------------------------------------------------


class ResultRequest(Model):
    method: str
    knobs: dict[str, Any] = {}
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
    labels: list[int] | None
    predicted: list[int] | None
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


class Result(Model):
    key: str
    method: str
    kind: str
    title: str
    caption: str
    notes: list[str]
    provenance: dict[str, Any] | None
    python: str
    png: str
    downloads: dict[str, str]
    payload: Payload
    parts: list[Result]


# ---- jobs ----------------------------------------------------------------------------------------------------


class Job(Model):
    id: str
    what: str
    status: State
    fraction: Number = Field(ge=0, le=1)
    message: str
    key: str | None = None
    error: str | None = None


class JobStarted(Model):
    job: str


# ---- layers --------------------------------------------------------------------------------------------------


class ChannelInfo(Model):
    channel: int
    max: Number
    mean: Number
    dead: bool = Field(description="nowhere above zero on this picture (maps), or all weights zero (filters)")


class Sprites(Model):
    """Channel c is in row c // columns and column c % columns of the sheet, each on its own colour scale."""

    shape: list[int]
    sheet: str
    cell: tuple[int, int]
    columns: int
    signed: bool
    channels: list[ChannelInfo]
    order: list[int]


class ReceptiveBox(Model):
    y0: int
    x0: int
    y1: int
    x1: int


# ---- the data set --------------------------------------------------------------------------------------------


class Agreement(Model):
    features: Number
    pixels: Number


class Neighbours(Model):
    features: list[Neighbour]
    pixels: list[Neighbour]
    agreement: Agreement
    job: str | None = Field(None, description="the data set is being gone through; ask again when it is done")


class ClassAccuracy(Model):
    name: str
    n: int
    accuracy: Number
    low: Number
    high: Number


class Confusion(Model):
    """`counts` has a row for each true class and a column for each predicted one."""

    classes: list[str]
    counts: list[list[int]]
    accuracy: Number
    interval: tuple[Number, Number]
    per_class: list[ClassAccuracy]
    job: str | None = None


# ---- training ------------------------------------------------------------------------------------------------


class Named(Model):
    name: str
    summary: str


class Recipes(Model):
    recipes: list[Named]
    networks: list[Named]
    datasets: list[Named]


class TrainRequest(Model):
    data: str
    recipe: str = "fast"
    network: str | None = None
    epochs: int | None = Field(None, ge=1, le=1000)
    seed: int = Field(0, ge=0, lt=2**31)
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    limit: int | None = Field(None, ge=20)


class TrainStarted(Model):
    job: str
    run: str


class RunInfo(Model):
    name: str
    recipe: str
    network: str
    data: str
    accuracy: Number
    finished: bool
    epochs: int
    training: str | None = Field(None, description="id of the job that is at it")
    log: list[dict[str, Any]] = []


class Comparison(Model):
    runs: list[RunInfo]
    curves: list[CurvePayload]
    per_class: TablePayload


# ---- audit and trust -----------------------------------------------------------------------------------------


class Audit(Model):
    state: Literal["none", "running", "done"]
    verdicts: list[Result]
    job: str | None = None


class TrustRequest(Model):
    key: str


class Light(Model):
    name: str
    answer: Literal["yes", "no", "can't tell"]
    sentence: str
    numbers: dict[str, Any]
    pictures: list[str]
    captions: list[str]


class Trust(Model):
    job: str | None = None
    lights: list[Light] = []


class ExportRequest(Model):
    urls: list[str] = Field(max_length=4000)
    state: str = Field("", max_length=20_000)


def main() -> None:
    """Print the OpenAPI document that the page's types are generated from."""
    import json

    from convsight.studio.app import create_app

    print(json.dumps(create_app(None).openapi(), indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
