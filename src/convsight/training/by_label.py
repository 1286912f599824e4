"""How good is a network that says which of several labels are there, label by label?"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.training.calibration import ratio, reliability
from convsight.training.roc import auroc, average_precision, best_f1


def label_metrics(
    chances: Float[Tensor, "n k"],
    truth: Float[Tensor, "n k"],
    labels: tuple[str, ...],
    thresholds: Float[Tensor, " k"],
) -> dict[str, Any]:
    """Average precision, F1, precision and recall of every label, and their means.

    chances: of each label, 0 to 1. truth: 1 where it is there. `map`: mean average precision over the labels that
    are there in some picture, `macro_f1` the mean F1 over the same, `micro_f1` that of all decisions together,
    `exact` the share of pictures with every label right, `loss` the binary cross-entropy (nats a label), `calibration` that of
    all decisions together.
    `best_threshold` has the highest F1 on these very pictures: choose it on others than those you report.
    """
    there, said = truth > 0.5, chances >= thresholds
    rows = [
        _row(name, chances[:, i], there[:, i], said[:, i], float(thresholds[i]))
        for i, name in enumerate(labels)
    ]
    seen = [row for row in rows if row["n"]]
    hits, calls, all_ = (int(x.sum()) for x in (said & there, said, there))
    n = len(there)
    return {
        "n": n,
        "labels": list(labels),
        "map": _mean([row["ap"] for row in seen]),
        "macro_f1": _mean([row["f1"] for row in seen]),
        "micro_f1": ratio(2 * hits, calls + all_),
        "exact": float((said == there).all(1).double().mean()) if n else None,
        "loss": F.binary_cross_entropy(chances.double().clamp(0, 1), there.double()).item() if n else None,
        "per_label": rows,
        "calibration": reliability(chances.flatten(), there.flatten()),
    }


def _row(name: str, chance: Tensor, there: Tensor, said: Tensor, threshold: float) -> dict[str, Any]:
    hits, calls, n = int((said & there).sum()), int(said.sum()), int(there.sum())
    best = best_f1(chance, there)
    return {
        "label": name,
        "n": n,
        "ap": average_precision(chance, there),
        "auroc": auroc(chance, there),
        "threshold": threshold,
        "f1": ratio(2 * hits, calls + n),
        "precision": ratio(hits, calls),
        "recall": ratio(hits, n),
        "best_threshold": best[0] if best else None,
        "best_f1": best[1] if best else None,
    }


def _mean(values: list[Any]) -> float | None:
    known = [v for v in values if v is not None]
    return ratio(sum(known), len(known))
