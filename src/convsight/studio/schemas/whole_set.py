"""What does the page learn about all pictures together?"""

from __future__ import annotations

from pydantic import Field

from convsight.studio.schemas.base import Model, Number
from convsight.studio.schemas.results import Neighbour


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


class LabelScore(Model):
    name: str
    n: int = Field(description="pictures that have the label")
    ap: Number
    f1: Number
    precision: Number
    recall: Number
    threshold: float
    best_threshold: Number
    missed: int
    invented: int = Field(description="pictures that were said to have the label and have not")


class LabelScores(Model):
    labels: list[LabelScore]
    map: Number
    exact: Number = Field(description="the share of pictures with every label right")
    n: int
    job: str | None = None


class Confusion(Model):
    """`counts` has a row for each true class and a column for each predicted one."""

    classes: list[str]
    counts: list[list[int]]
    accuracy: Number
    interval: tuple[Number, Number]
    per_class: list[ClassAccuracy]
    job: str | None = None
