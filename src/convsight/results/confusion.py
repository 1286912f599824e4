"""How is a confusion matrix of very many classes kept in a file?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

MOST_CLASSES = 60  # up to which the matrix is kept row by row, for people to read
MEASURED = ("test", "cross_validation")  # parts of a run's metrics that have a matrix


def for_file(test: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured, with the confusion matrix of more than 60 classes as its counts that are not 0.

    1,000 classes have a million counts, which are 9 MB of JSON, and of 3,000 pictures at most 3,000 of them are not 0.

    >>> matrix = [[0] * 70 for _ in range(70)]
    >>> matrix[2][5] = 4
    >>> for_file({"confusion": matrix})
    {'confusion': {'classes': 70, 'true': [2], 'predicted': [5], 'count': [4]}}
    """
    rows = test.get("confusion")
    if not isinstance(rows, list) or len(rows) <= MOST_CLASSES:
        return dict(test)
    counts = torch.tensor(rows)
    true, predicted = counts.nonzero(as_tuple=True)
    kept = {"true": true, "predicted": predicted, "count": counts[true, predicted]}
    return {
        **test,
        "confusion": {"classes": len(rows), **{name: values.tolist() for name, values in kept.items()}},
    }


def from_file(test: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the whole matrix as rows, true class by row: `for_file` turned back."""
    kept = test.get("confusion")
    if not isinstance(kept, Mapping):
        return dict(test)
    counts = torch.zeros(kept["classes"], kept["classes"], dtype=torch.int64)
    counts[kept["true"], kept["predicted"]] = torch.tensor(kept["count"])
    return {**test, "confusion": counts.tolist()}


def metrics_for_file(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a run as `metrics.json` holds them, and `--json` prints them."""
    return {**metrics, **{part: for_file(metrics[part]) for part in MEASURED if part in metrics}}


def metrics_from_file(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a run as Python has them, from its `metrics.json`."""
    return {**metrics, **{part: from_file(metrics[part]) for part in MEASURED if part in metrics}}
