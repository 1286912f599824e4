"""Does 80 % sure mean 80 % right?"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

BINS = 15  # of confidence, as in Guo et al. 2017


def calibration(probabilities: Float[Tensor, "n k"], truth: Int64[Tensor, " n"]) -> dict[str, Any]:
    """Of the pictures that it is 80 % sure about, are 80 % right? See `reliability`."""
    confidence, predicted = probabilities.max(1)
    return reliability(confidence, predicted == truth)


def reliability(chance: Float[Tensor, " n"], true: Shaped[Tensor, " n"]) -> dict[str, Any]:
    """Expected calibration error of chances that something is true, over 15 equal bins, and the bins.

    ece = Σ (bin's share) · |share that is true - mean chance|, 0 (honest) to 1. Source: Guo, Pleiss, Sun and
    Weinberger 2017, arXiv 1706.04599.
    """
    n, right = len(chance), true.double()
    place = (chance * BINS).long().clamp(0, BINS - 1)
    count = torch.bincount(place, minlength=BINS).double()
    sure = torch.bincount(place, chance.double(), minlength=BINS)
    held = torch.bincount(place, right, minlength=BINS)
    bins = [
        {
            "low": b / BINS,
            "high": (b + 1) / BINS,
            "n": int(count[b]),
            "confidence": ratio(sure[b].item(), count[b].item()),
            "accuracy": ratio(held[b].item(), count[b].item()),
        }
        for b in range(BINS)
    ]
    gap = ratio((held - sure).abs().sum().item(), n)
    return {"ece": gap, "mean_confidence": ratio(chance.sum().item(), n), "bins": bins}


def ratio(part: float, whole: float) -> float | None:
    """part ÷ whole; None where the whole is 0."""
    return part / whole if whole else None
