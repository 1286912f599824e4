"""Where did this result come from: which method and knobs, which weights, which pictures, which versions?"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from torch import Tensor

from convsight import __version__
from convsight.images import Images
from convsight.results.encoding import numpy_of, stored

VERSIONS = {"convsight": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


@stored
@dataclass(frozen=True)
class Provenance:
    """Enough to make the same picture again; equal `key`s mean equal results.

    rest: a digest of what else the answer depends on: the network beside its weights, the target as the network
    understands it, the code. It is empty, and so is `key`, where an argument cannot be named, such as a function.
    """

    method: str
    knobs: Mapping[str, Any]
    arguments: Mapping[str, Any]
    network: str
    weights: str
    inputs: str
    seconds: float
    source: str
    versions: Mapping[str, str] = field(default_factory=lambda: dict(VERSIONS))
    rest: str = ""

    @property
    def key(self) -> str:
        """24 hexadecimal digits of method, knobs, arguments, weights, pictures and `rest`; "" where there is none.

        It names the result in a run, for the command line, the report and the studio alike.
        """
        if not self.rest:
            return ""
        arguments = {name: value for name, value in self.arguments.items() if name != "target"}  # in `rest`
        parts = [self.method, self.knobs, arguments, self.weights, self.inputs, self.rest]
        text = json.dumps(parts, default=repr, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

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


def provenance_about(
    result: Any, method: str, knobs: Mapping[str, Any], given: Mapping[str, Any], source: str = ""
) -> Provenance:
    """The provenance of what is found out about a `result`, such as how far to trust it."""
    made: Provenance | None = result.provenance
    hashed = all(v is None or isinstance(v, Images) or hasattr(v, "content_hash") for v in given.values())
    return Provenance(
        method=method,
        knobs=knobs,
        arguments={"of": made.method if made else result.title},
        network=made.network if made else "",
        weights=made.weights if made else "",
        inputs=inputs_hash(given),
        seconds=0.0,
        source=source,
        rest=rest_of(made.key or None, hashed or None) if made else "",
    )


def inputs_hash(given: Mapping[str, Any]) -> str:
    """A digest of the pictures, arrays and data sets among a method's arguments, by what they hold.

    Pictures count by pixels, labels and classes, and by their ids where a result may show them: of several
    pictures, and of a query. A data set counts by its `content_hash`.
    """
    digest = xxhash.xxh3_64()
    for name, value in sorted(given.items()):
        if isinstance(value, Images):
            ids = value.ids if len(value) > 1 or name == "query" else ()
            digest.update(f"{name} {value.classes} {ids}".encode())
            for tensor in (value.pixels, value.labels):
                _add(digest, tensor)
        elif isinstance(value, (Tensor, np.ndarray)):
            digest.update(name.encode())
            _add(digest, torch.as_tensor(value))
        elif hasattr(value, "content_hash"):
            digest.update(f"{name} {value.content_hash}".encode())
    return digest.hexdigest()


def _add(digest: Any, tensor: Tensor | None) -> None:
    if tensor is None:
        return
    digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
    if tensor.numel():
        digest.update(memoryview(numpy_of(tensor)).cast("B"))  # type: ignore[arg-type]


@functools.cache
def code_digest() -> str:
    """A digest of this package's source, so that a result that other code made is never taken for one of this code."""
    digest, root = xxhash.xxh3_64(), Path(__file__).parents[1]
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def rest_of(*parts: Any) -> str:
    """`Provenance.rest` of plain parts; "" if one of them is None or names an object of this process only."""
    words = repr(parts)
    if None in parts or " at 0x" in words:
        return ""
    return xxhash.xxh3_64_hexdigest(f"{code_digest()} {words}".encode())


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:23] + "…"
