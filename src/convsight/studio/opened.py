"""Which Python expressions open the studio's network and data set again?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convsight.network.classifier import Classifier


@dataclass(frozen=True)
class Calls:
    """The expressions that open the network and the data set again."""

    net: str = "..."
    data: str | None = None
    imports: tuple[str, ...] = ("import convsight as cs",)


def calls(net: Classifier, model: str, options: dict[str, Any], data: str | None, album: bool) -> Calls:
    """The expressions for a network and its data set: `data` is None for the run's own; a Path among the
    options is a file of names.
    """
    more = "".join(f", {name}={_value(value)}" for name, value in options.items() if value is not None)
    opened, imports = f"cs.load({model!r}{more})", Calls.imports
    if any(isinstance(value, Path) for value in options.values()):
        imports = ("from pathlib import Path", "", *imports)
    if album:
        return Calls(
            opened, f"album({data!r}, net)", (*imports, "from convsight.datasets.album import album")
        )
    if data is not None:
        return Calls(opened, f"cs.dataset({data!r}, size={net.input_size}, channels={net.channels})", imports)
    return Calls(opened, f"cs.Run.open({model!r}).dataset" if Path(model).is_dir() else None, imports)


def _value(value: Any) -> str:
    """The value as a Python expression; for a file of names, an expression that reads it."""
    return f"Path({str(value)!r}).read_text('utf-8').splitlines()" if isinstance(value, Path) else repr(value)
