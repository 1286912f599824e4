"""What network, data and techniques does the page start with?"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from convsight.studio.schemas.base import Model, Number, SplitName


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
    notes: list[str] = Field(
        description="what was guessed or picked when the network was opened, in sentences"
    )


class LayerInfo(Model):
    name: str
    kind: str
    shape: list[int]
    parameters: int
    macs: int
    receptive_field: tuple[int, int]
    maps: bool = Field(description="its output is a stack of feature maps: /maps and /receptive answer")
    convolution: bool = Field(description="it has filters: /filters answers")
    told: bool = Field(description="how a number of it is made can be told: /cell answers")


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
    choices: list[Any] = Field(default=[])


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
