"""How much of each technique's map lies on a planted tag that the network is known to lean on?"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

MEASURED = "known_answers.json"  # what `benchmarks/known_answers.py --ship` wrote


@functools.cache
def measured() -> tuple[dict[str, Any], ...]:
    """The rows of the benchmark, as it wrote them."""
    text = files("convsight.trust_checks").joinpath(MEASURED).read_text(encoding="utf-8")
    return tuple(json.loads(text))


def known_answer(method: str) -> str:
    """What a technique's map did where the right answer was known, in a sentence; "" if it was not measured."""
    rows = {row["case"]: row for row in measured() if row["method"] == method}
    if not rows:
        return ""
    leans, decoy = rows["leans"], rows["decoy"]
    return (
        f"Known answer: on {leans['networks']} small networks that demonstrably lean on a planted tag, the strongest of "
        f"7×7 cells touches the tag in {leans['points']:.0%} of pictures, {leans['first']:.0%} of its four strongest "
        f"cells do, {leans['around']:.0%} of this map's strength "
        f"lies in the cells that touch it, and {leans['value']:.0%} on the tag's own pixels (median picture; 80% of "
        f"pictures: {leans['low']:.0%} to {leans['high']:.0%}; the tag is {leans['area']:.1%} of the picture). On "
        f"networks that do not use the same tag: {decoy['points']:.0%}, {decoy['first']:.0%}, {decoy['around']:.0%} and {decoy['value']:.0%}."
    )
