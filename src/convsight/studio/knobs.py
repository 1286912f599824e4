"""How do JSON values from a form become a technique's knobs, each of the right type?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convsight.errors import InputError, check_known
from convsight.method import Knob, Method


def knob_values(method: type[Method], given: Mapping[str, Any]) -> dict[str, Any]:
    """Checked values for the technique's constructor; InputError names the knob and what it takes."""
    known = {knob.name: knob for knob in method.knobs()}
    values = {}
    for name, value in given.items():
        check_known(name, known, f"{method.name} has no knob {name!r}", most=20)
        values[name] = _value(known[name], value)
    return values


def _value(knob: Knob, value: Any) -> Any:
    kinds = [part.strip() for part in knob.type.split("|")]
    if value is None and "None" in kinds:
        return None
    for kind in kinds:
        converted = _as(kind, value)
        if converted is not None:
            return converted
    expected = knob.range or knob.type.replace("|", "or")
    raise InputError(f"{knob.name} cannot be {value!r}; it is {expected}")


def _as(kind: str, value: Any) -> Any:
    """The value converted to one plain type, or None if it cannot be."""
    if isinstance(value, bool):
        return value if kind == "bool" else None
    if kind == "int" and isinstance(value, int):
        return value
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "float" and isinstance(value, (int, float)):
        return float(value)
    if kind == "str" and isinstance(value, str) and len(value) <= 2000:
        return value
    if kind.startswith("tuple[") and isinstance(value, list) and 0 < len(value) <= 64:
        inner = kind[len("tuple[") : -1].split(",")[0].strip()
        parts = [_as(inner, each) for each in value]
        return None if None in parts else tuple(parts)
    return None
