"""How does long work report?"""

from __future__ import annotations

from pydantic import Field

from convsight.studio.schemas.base import Model, Number, Problem, State


class Job(Model):
    id: str
    what: str
    status: State
    fraction: Number = Field(ge=0, le=1)
    message: str
    key: str | None = None
    error: Problem | None = None


class JobStarted(Model):
    job: str
