"""How many planted shortcuts did this audit find in a benchmark, and which did it miss? Reported with
"nothing found".
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

MEASURED = "known_recall.json"  # what `benchmarks/shortcuts.py --ship` wrote
STRENGTHS = {"1": "weak", "2": "plain", "3": "strong"}


@functools.cache
def measured() -> dict[str, Any]:
    """The benchmark's counts: cues found and tried, by kind and strength, and false alarms."""
    text = files("convsight.shortcuts").joinpath(MEASURED).read_text(encoding="utf-8")
    return json.loads(text)


def known_recall(table: dict[str, Any] | None = None) -> str:
    """What the audit found and missed in networks with a known answer, in two sentences.

    >>> known_recall({"kinds": {"blur": {"1": [0, 1], "3": [2, 2]}}, "alarms": [0, 20]})
    'Measured: of 3 small networks that had learned a planted cue it found 2 (missed: blur, weak 1 of 1). Of 20 that had learned none it blamed 0.'
    """
    table = table or measured()
    cells = [
        (kind.replace("_", " "), STRENGTHS[strength], found, tried)
        for kind, by_strength in table["kinds"].items()
        for strength, (found, tried) in by_strength.items()
    ]
    found, tried = sum(cell[2] for cell in cells), sum(cell[3] for cell in cells)
    missed = [f"{kind}, {how} {n - hits} of {n}" for kind, how, hits, n in cells if hits < n]
    alarmed, honest = table["alarms"]
    without = f" (missed: {'; '.join(missed)})" if missed else ""
    return (
        f"Measured: of {tried} small networks that had learned a planted cue it found {found}{without}."
        f" Of {honest} that had learned none it blamed {alarmed}."
    )
