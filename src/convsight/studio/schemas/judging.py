"""How do shortcuts and trust lights travel, and what is exported?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from convsight.studio.schemas.base import Model, Number
from convsight.studio.schemas.results import Result


class Audit(Model):
    state: Literal["none", "running", "done"]
    verdicts: list[Result]
    job: str | None = None
    told: int = Field(default=0, description="of how many pictures the user showed where the object is")


class AuditRequest(Model):
    masks: bool = Field(
        default=True, description="cut objects out where the user showed them, if anything was shown"
    )


class TrustRequest(Model):
    key: str


class Light(Model):
    name: str
    answer: Literal["yes", "no", "can't tell"]
    sentence: str
    numbers: dict[str, Number]
    pictures: list[str]
    captions: list[str]


class Trust(Model):
    job: str | None = None
    lights: list[Light] = Field(default=[])


class ExportRequest(Model):
    urls: list[str] = Field(max_length=4000)
    state: str = Field("", max_length=20_000)
