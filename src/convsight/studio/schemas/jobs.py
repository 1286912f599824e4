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
    done: int = Field(0, description="how many are through, of `total`")
    total: int = Field(0, description="how many pictures, steps, ... there are; 0 where they are not counted")
    unit: str = Field("", description='what is counted, such as "pictures"')
    key: str | None = None
    error: Problem | None = None


class JobStarted(Model):
    job: str
