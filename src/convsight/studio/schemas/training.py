"""How is a training asked for, and how are runs compared?"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from convsight.studio.schemas.base import Model, Number
from convsight.studio.schemas.results import CurvePayload, TablePayload


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
    headline: str = Field("", description="the one number to remember of the test, such as 97.20%")
    headline_words: str = Field("", description="what that number is")
    finished: bool
    epochs: int
    training: str | None = Field(None, description="id of the job that is at it")
    log: list[dict[str, Any]] = Field(default=[])


class Comparison(Model):
    runs: list[RunInfo]
    curves: list[CurvePayload]
    per_class: TablePayload
