"""What should the reader of a relevance map know?"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from convsight.gradients.relevance.operations import NORMALISATIONS
from convsight.results.draw import number


def absorbed_notes(relevance: Tensor, scores: Tensor) -> tuple[str, ...]:
    """Which part of each score arrived at the pixels; biases and stabilisers keep the rest."""
    share = relevance.double().flatten(1).sum(1) / scores.double()
    if not bool(share.isfinite().all()) or bool(((share - 1).abs() < 0.005).all()):
        return ()
    low, high = (number(100 * float(end)) for end in (share.min(), share.max()))
    words = f"{low}%" if low == high else f"{low}% to {high}%"
    return (
        f"The maps add up to {words} of the scores; biases, and stabilisers where values are near 0, keep the rest.",
    )


def rule_notes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Which of the network's operations were treated by a rule of ours that the papers do not agree on."""
    notes, norms = [], sorted({NORMALISATIONS[kind] for kind in counts if kind in NORMALISATIONS})
    if norms:
        notes.append(
            f"A {' and a '.join(norms)} with no weighted layer in front hands relevance on unchanged."
        )
    if counts.get("gates"):
        notes.append(
            "In products with a gate (squeeze-and-excite), the signal gets all and the gate nothing."
        )
    if counts.get("products"):
        notes.append("In products of two values of the same standing, each gets half.")
    return tuple(notes)
