"""What does a comparison of techniques say in one sentence?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Interval = tuple[float, float, float]  # mean, low, high
AGREES = 0.5  # rank correlation with the reference above which, with its whole interval, a technique agrees
BLIND = 0.9  # likeness to the runner-up's map from which on a map does not depend on the class


def sentence(found: Mapping[str, Mapping[str, Interval | None]], level: Sequence[str]) -> str:
    """Who agrees with the reference, whose pixels count most, and who does not depend on the class.

    The first of `found` has the best insertion; `level` are those that it is not certainly ahead of.
    """
    agree = [n for n, row in found.items() if (at := row.get("agrees with shapley")) and at[1] > AGREES]
    known = any(row.get("agrees with shapley") for row in found.values())
    blind = [n for n, row in found.items() if (at := row.get("same for the runner-up")) and at[0] >= BLIND]
    best = [n for n, row in found.items() if row.get("insertion")]
    parts = []
    if agree:
        parts.append(f"{listed(agree)} {'agrees' if len(agree) == 1 else 'agree'} with the Shapley reference")
    elif known:
        parts.append("none certainly agrees with the Shapley reference")
    else:
        parts.append("the Shapley reference is not certain enough to compare with")
    if best:
        parts.append(_best(best[0], level))
    if blind:
        parts.append(f"{listed(blind)} {'does' if len(blind) == 1 else 'do'} not depend on the class")
    return f"For this network {'; '.join(parts)}."


def _best(first: str, level: Sequence[str]) -> str:
    """The technique with the best insertion, and those that cannot be told apart from it."""
    others = f" (not certainly ahead of {listed(level)})" if level else ", ahead of all others"
    return f"{first}'s strongest pixels bring back most of the score{others}"


def listed(names: Sequence[str]) -> str:
    """Names with commas and an "and".

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
