"""What a source hands over: a module, and what it says about its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass
class Brought:
    """A module and what its source says about its input."""

    module: nn.Module
    name: str
    classes: Any = None
    input_size: tuple[int, int] | None = None
    channels: int | None = None
    mean: Any = None
    std: Any = None
    crop: float = 1.0
    task: str | None = None
    notes: tuple[str, ...] = ()  # what was chosen, built or left out, for the user
