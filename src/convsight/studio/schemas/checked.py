"""How do the findings about a data set travel?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from convsight.studio.schemas.base import Model

FINDING_FIELDS = ("id", "given", "suggested", "sure", "split", "other", "finding", "action")


class Finding(Model):
    id: str
    given: str
    suggested: str
    sure: float | None
    split: str
    other: str
    finding: str
    action: str
    pictures: list[str] = Field(description="addresses: the picture itself, then its copy")


class Problems(Model):
    problem: str
    title: str
    count: int = Field(description="how many there are; the surest of them are in `findings`")
    findings: list[Finding]


class Check(Model):
    state: Literal["none", "running", "done"]
    caption: str = ""
    notes: list[str] = Field(default=[])
    problems: list[Problems] = Field(default=[])
    obstacle: str = Field("", description="why there can be no check, and what would work")
    job: str | None = None
