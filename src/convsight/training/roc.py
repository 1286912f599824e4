"""How well does a score separate what is there from what is not, at every threshold?"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.training.calibration import ratio

MOST_POINTS = 200  # of a curve that is kept


def counts_at(
    chance: Float[Tensor, " n"], there: Bool[Tensor, " n"]
) -> tuple[Float[Tensor, " t"], Float[Tensor, " t"], Float[Tensor, " t"]]:
    """For each distinct value as threshold, highest first: the value, and how many that reach it are (not) there."""
    order = chance.argsort(descending=True, stable=True)
    values, hits = chance[order].double(), there[order].double()
    last = torch.ones(len(values), dtype=torch.bool)
    last[:-1] = values[1:] != values[:-1]
    return values[last], hits.cumsum(0)[last], (1 - hits).cumsum(0)[last]


def auroc(chance: Float[Tensor, " n"], there: Bool[Tensor, " n"]) -> float | None:
    """The area under the ROC curve: the chance that a random positive gets a higher score than a random negative.

    None where all or none are there.

    >>> auroc(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True]))
    0.75
    """
    true, false = rates(chance, there)
    return None if true is None or false is None else torch.trapezoid(true, false).item()


def rates(chance: Tensor, there: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """True and false positive rates at each threshold, from (0, 0) to (1, 1); None where they are undefined."""
    positives, negatives = int(there.sum()), int((~there).sum())
    if not positives or not negatives:
        return None, None
    _, hits, alarms = counts_at(chance, there)
    zero = torch.zeros(1, dtype=torch.float64)
    return torch.cat([zero, hits / positives]), torch.cat([zero, alarms / negatives])


def average_precision(chance: Float[Tensor, " n"], there: Bool[Tensor, " n"]) -> float | None:
    """Σ over thresholds of (rise of recall) · precision, 0 to 1; None where none is there.

    >>> round(average_precision(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([False, False, True, True])), 4)
    0.8333
    """
    positives = int(there.sum())
    if not positives:
        return None
    _, hits, alarms = counts_at(chance, there)
    rise = torch.diff(hits, prepend=torch.zeros(1, dtype=torch.float64)) / positives
    return float((rise * hits / (hits + alarms)).sum())


def best_f1(chance: Float[Tensor, " n"], there: Bool[Tensor, " n"]) -> tuple[float, float] | None:
    """The threshold with the highest F1 on these pictures, and that F1; None where none is there."""
    positives = int(there.sum())
    if not positives:
        return None
    values, hits, alarms = counts_at(chance, there)
    f1 = 2 * hits / (hits + alarms + positives)
    best = int(f1.argmax())
    return values[best].item(), f1[best].item()


def roc(
    chance: Float[Tensor, " n"], there: Bool[Tensor, " n"], positive: str, threshold: float
) -> dict[str, Any]:
    """The ROC of a two-class network: area, curve, what holds at its threshold, and the most separating one.

    positive: the class that the chance is of. sensitivity: of those that are it, how many reach the threshold;
    specificity: of the others, how many do not. best_threshold maximises their sum (Youden 1950).
    """
    there = there.bool()
    true, false = rates(chance, there)
    reached = chance >= threshold
    row: dict[str, Any] = {
        "positive": positive,
        "n": len(there),
        "positives": int(there.sum()),
        "auroc": auroc(chance, there),
        "threshold": threshold,
        "sensitivity": ratio(int((reached & there).sum()), int(there.sum())),
        "specificity": ratio(int((~reached & ~there).sum()), int((~there).sum())),
        "best_threshold": None,
        "curve": {"false_positive_rate": [], "true_positive_rate": []},
    }
    if true is None or false is None:
        return row
    values, _, _ = counts_at(chance, there)
    row["best_threshold"] = values[int((true - false)[1:].argmax())].item()
    kept = torch.linspace(0, len(true) - 1, min(len(true), MOST_POINTS)).round().long()
    row["curve"] = {"false_positive_rate": false[kept].tolist(), "true_positive_rate": true[kept].tolist()}
    return row
