"""What do all messages between the server and the page share?"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from convsight.errors import ConvsightError

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

    @classmethod
    def of(cls, error: ConvsightError) -> Problem:
        return cls(error=error.what or str(error), given=error.given[:200], works=error.works)
