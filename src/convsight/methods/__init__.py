"""One technique a file, and the catalogue of them all.

Every subclass of `Method` in this folder is in the catalogue, and so in Python, on the command line, in the report and
in the studio, without being named anywhere else. Techniques do not import one another.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass

from convsight.errors import InputError, closest
from convsight.method import Knob, Method, snake


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue."""

    name: str
    title: str
    summary: str
    kind: str
    knobs: tuple[Knob, ...]
    needs: Mapping[str, bool]
    source: str
    method: type[Method]


@functools.cache
def catalogue() -> dict[str, Entry]:
    """Every technique by name: title, kind of result, knobs, what it needs, source paper.

    >>> catalogue()["saliency"].kind
    'Map'
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found = {m.name: m for m in _subclasses(Method) if m.__module__.startswith(__name__)}
    return {
        name: Entry(name, m.title, m.summary(), m.kind.__name__, m.knobs(), m.needs(), m.source, m)
        for name, m in sorted(found.items())
    }


def find_method(name: str) -> type[Method]:
    """The technique called `name`; InputError with the closest names otherwise."""
    method = method_named(name.replace("-", "_"))
    if method is None:
        raise InputError(f"no technique {name!r}", given=name, works=closest(name, catalogue(), most=40))
    return method


def method_named(name: str) -> type[Method] | None:
    """The technique of this name, or with a class of it, from its own file; None if there is none."""
    name = snake(name)
    if not name.isidentifier() or importlib.util.find_spec(f"{__name__}.{name}") is None:
        return None
    importlib.import_module(f"{__name__}.{name}")
    return next(
        (m for m in _subclasses(Method) if m.name == name and m.__module__.startswith(__name__)), None
    )


def _subclasses(cls: type) -> list[type[Method]]:
    return [s for sub in cls.__subclasses__() for s in (sub, *_subclasses(sub))]
