"""convsight: sight into convolutional networks.

Names are imported when they are first used, so that `import convsight` and `convsight --help` are quick.
Every technique of the catalogue is here twice: `convsight.occlusion(net, images, patch=8)` and the
dataclass of its knobs, `convsight.Occlusion(patch=8)(net, images)`.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "network.classifier",
    "ConvsightError": "errors",
    "Curve": "results.kinds",
    "Dataset": "datasets",
    "Images": "images",
    "Map": "results.kinds",
    "Method": "method",
    "Pictures": "results.kinds",
    "Points": "results.kinds",
    "Ranking": "results.kinds",
    "Result": "results.result",
    "Run": "run",
    "Table": "results.kinds",
    "Verdict": "results.kinds",
    "catalogue": "methods",
    "check": "checking",
    "dataset": "datasets",
    "explore": "studio.notebook",
    "Light": "results.kinds",
    "live_page": "studio.live_page",
    "load": "bring",
    "open_result": "results.files",
    "find_shortcuts": "shortcuts.find",
    "rank_methods": "trust_checks",
    "story": "report.story",
    "test": "training.evaluate",
    "train": "training",
    "trust": "trust_checks",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    if name in _HOMES:
        value = _of(name)
    elif importlib.util.find_spec(f"convsight.{name}"):  # a room: convsight.datasets
        return importlib.import_module(f"convsight.{name}")
    else:
        value = _technique(name)
    globals()[name] = value
    return value


def _of(name: str) -> Any:
    """A name from the room that it lives in: by its path, for the root imports no room before it is asked."""
    return getattr(importlib.import_module(f"convsight.{_HOMES[name]}"), name)


def _technique(name: str) -> Any:
    """A technique as a function (`occlusion`) or as its class (`Occlusion`)."""
    method = importlib.import_module("convsight.methods").method_named(name)
    if method is not None and name in (method.name, method.__name__):
        return method.function() if name == method.name else method
    catalogue = _of("catalogue")()
    closest = importlib.import_module("convsight.errors").closest
    raise AttributeError(f"convsight has no {name!r}; {closest(name, [*_HOMES, *catalogue])}")


def __dir__() -> list[str]:
    catalogue = _of("catalogue")()
    return sorted([*_HOMES, *catalogue, *(entry.method.__name__ for entry in catalogue.values())])
