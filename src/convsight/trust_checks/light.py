"""What is one trust light: a question about a map, an answer that may be "can't tell", and its reasons?"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from convsight.results import draw
from convsight.results.kinds import Pictures

Answer = Literal["yes", "no", "can't tell"]
HIDING, WEIGHTS, CLASS = (
    "Does hiding it matter?",
    "Does it need the trained weights?",
    "Does it depend on the class?",
)


@dataclass(frozen=True)
class Light:
    """One of three separate checks of one map; "yes" speaks for the map, and none of them is proof.

    `numbers` holds what was measured, by name; `pictures` shows it (None where nothing could be made).
    """

    title: str
    verdict: Answer
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    pictures: Pictures | None = None

    def as_dict(self) -> dict[str, Any]:
        """Words, numbers and a PNG (base64), ready for JSON; a number that is not finite is None."""
        finite = {name: value if abs(value) < float("inf") else None for name, value in self.numbers.items()}
        png = None
        if self.pictures is not None:
            with draw.without_words():
                png = base64.b64encode(draw.png(self.pictures.draw())).decode()
        return {
            "title": self.title,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "numbers": finite,
            "captions": list(self.pictures.captions) if self.pictures else [],
            "png": png,
        }
