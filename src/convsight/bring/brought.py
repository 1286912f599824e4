"""What a source hands over: a module, and what it says about its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass
class Brought:
    """A module and what its source says about its input."""

    module: nn.Module
    name: str
    classes: Sequence[str] | None = None
    input_size: tuple[int, int] | None = None
    channels: int | None = None
    mean: Any = None
    std: Any = None
    crop: float = 1.0
    extra: dict[str, Any] = field(default_factory=dict)
