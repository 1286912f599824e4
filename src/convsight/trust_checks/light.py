"""Which three questions are asked of a map?"""

from __future__ import annotations

from collections.abc import Mapping

from convsight.results.kinds import Light, Pictures
from convsight.results.kinds.light import Answer

__all__ = ["CLASS", "HIDING", "WEIGHTS", "Answer", "Light", "answered"]
HIDING, WEIGHTS, CLASS = (
    "Does hiding it matter?",
    "Does it need the trained weights?",
    "Does it depend on the class?",
)


def answered(
    question: str,
    verdict: Answer,
    sentence: str,
    numbers: Mapping[str, float] | None = None,
    pictures: Pictures | None = None,
) -> Light:
    """The light of one question; `sentence` gives the reasons, `numbers` what was measured."""
    return Light(
        title=question, verdict=verdict, sentence=sentence, numbers=dict(numbers or {}), pictures=pictures
    )
