"""How far can a map of the feature space be trusted, and do neighbours share a label?

All three numbers are means over sampled pictures, each compared with every other picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets.sampling import some
from convsight.features.exact import BLOCK_VALUES, nearest

SAMPLE = 1000


@dataclass(frozen=True)
class Quality:
    """What a map keeps of the space it was made from, each in [0, 1], 1 is best; measured on `sampled` of n.

    trustworthiness: whether neighbours on the map are neighbours in the space (Venna & Kaski 2001).
    preservation: the share of the k nearest in the space that are among the k nearest on the map.
    agreement, agreement_before: the share of the k nearest with the same label, on the map and in the space.
    """

    trustworthiness: float
    preservation: float
    agreement: float | None
    agreement_before: float | None
    k: int
    sampled: int

    def sentence(self, space: str) -> str:
        """The numbers in words, for the note under a map."""
        text = (
            f"Trustworthiness {self.trustworthiness:.3f} (1: neighbours on the map are neighbours in {space}"
            f"); the map keeps {self.preservation:.0%} of each picture's {self.k} nearest"
        )
        if self.agreement is not None and self.agreement_before is not None:
            text += (
                f"; {self.agreement:.1%} of the {self.k} nearest on the map share the label, "
                f"{self.agreement_before:.1%} in {space}"
            )
        return f"{text} (measured on {self.sampled:,} pictures)."


def judge(
    high: Float[Tensor, "n d"],
    low: Float[Tensor, "n p"],
    labels: Int64[Tensor, " n"] | None,
    k: int = 10,
    sample: int = SAMPLE,
    seed: int = 0,
) -> Quality:
    """Compare a map `low` with the space `high` that it shows, on `sample` pictures against all."""
    n = len(high)
    if labels is not None and len(labels.unique()) == n:
        labels = None  # no two pictures share a label
    k = max(1, min(k, (n - 1) // 2))
    rows = some(n, sample, seed)
    above = nearest(high[rows], high, k, skip=rows)[1]
    below = nearest(low[rows], low, k, skip=rows)[1]
    kept = (above[:, :, None] == below[:, None, :]).any(2).float().mean()
    shared = [None, None] if labels is None else [agreement(labels, rows, found) for found in (below, above)]
    trust = trustworthiness(high, rows, below)
    return Quality(trust, float(kept), shared[0], shared[1], k, len(rows))


def trustworthiness(
    high: Float[Tensor, "n d"], rows: Int64[Tensor, " m"], below: Int64[Tensor, "m k"]
) -> float:
    """1 minus the normalised penalty for map neighbours `below` of `rows` that are far apart in `high`.

    With r(i, j) the rank of j among the pictures nearest to i in `high`:
    1 − 2 / (m k (2n − 3k − 1)) Σᵢ Σⱼ max(0, r(i, j) − k). Venna & Kaski 2001, as in scikit-learn.
    """
    n, k = len(high), below.shape[1]
    high = high - high.mean(0)
    norms = (high * high).sum(1)
    penalty, step = 0, max(1, BLOCK_VALUES // n)
    for start in range(0, len(rows), step):
        mine = rows[start : start + step]
        squared = torch.addmm(norms, high[mine], high.T, alpha=-2)
        squared[torch.arange(len(mine)), mine] = torch.inf
        there = squared.gather(1, below[start : start + step])
        for row, reach in zip(squared.numpy(), there.numpy(), strict=True):
            # numpy counts a comparison forty times as fast as torch sums it
            penalty += sum(max(0, int(np.count_nonzero(row < r)) + 1 - k) for r in reach)
    worst = len(rows) * k * (2 * n - 3 * k - 1)
    return 1 - 2 * penalty / worst if worst > 0 else 1.0


def agreement(labels: Int64[Tensor, " n"], rows: Int64[Tensor, " m"], found: Int64[Tensor, "m k"]) -> float:
    """The mean share of each row's neighbours that carry its label."""
    return float((labels[found] == labels[rows, None]).float().mean())


def label_agreement(
    values: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    k: int = 10,
    metric: str = "l2",
    sample: int = SAMPLE,
    seed: int = 0,
) -> tuple[float, int]:
    """(share of the k nearest with the same label, on how many pictures it was measured)."""
    cost = values.shape[0] * values.shape[1]
    most = max(50, 10_000_000_000 // cost) if metric == "l1" else sample  # L1 has no quick matrix product
    rows = some(len(values), min(sample, most), seed)
    found = nearest(values[rows], values, k, metric, skip=rows)[1]
    return agreement(labels, rows, found), len(rows)
