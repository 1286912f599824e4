"""Where did this result come from: which method and knobs, which weights, which pictures, which versions?"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight import __version__
from convsight.images import Images
from convsight.results.encoding import stored

VERSIONS = {"convsight": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


@stored
@dataclass(frozen=True)
class Provenance:
    """Enough to make the same picture again; equal `key`s mean equal results."""

    method: str
    knobs: Mapping[str, Any]
    arguments: Mapping[str, Any]
    network: str
    weights: str
    inputs: str
    seconds: float
    source: str
    versions: Mapping[str, str] = field(default_factory=lambda: dict(VERSIONS))

    @property
    def key(self) -> str:
        """Names this result in a run's cache: method, knobs, arguments, weights and pictures."""
        parts = [self.method, self.knobs, self.arguments, self.weights, self.inputs]
        return hashlib.blake2b(
            json.dumps(parts, default=str, sort_keys=True).encode(), digest_size=10
        ).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))

    def sentence(self) -> str:
        """One line for the foot of a picture."""
        knobs = ", ".join(
            f"{k}={_short(v)}" for k, v in {**self.arguments, **self.knobs}.items() if v is not None
        )
        made = f"{self.method}({knobs})"
        where = f" · {self.network} {self.weights[:8]}" if self.weights else ""
        return f"{made}{where} · {self.source}"


def inputs_hash(given: Mapping[str, Any]) -> str:
    """A digest of the pictures among a method's arguments (a data set counts by name and size)."""
    digest = hashlib.blake2b(digest_size=8)
    for name, value in sorted(given.items()):
        if isinstance(value, Images):
            digest.update(name.encode() + str(tuple(value.pixels.shape)).encode())
            digest.update(value.pixels.contiguous().numpy().tobytes())
        elif isinstance(value, (Tensor, np.ndarray)):
            digest.update(name.encode() + np.ascontiguousarray(np.asarray(value)).tobytes())
        elif name == "data" and value is not None:
            sizes = [len(s) for s in (value.train, value.validation, value.test)]
            digest.update(f"{value.name}{sizes}{value.size}".encode())
    return digest.hexdigest()


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"
