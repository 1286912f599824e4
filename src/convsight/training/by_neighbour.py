"""How often is the nearest other picture, by the vectors that a network gives, of the same class?"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.errors import DataError
from convsight.features.exact import nearest

K = 5


def recall_metrics(
    vectors: Float[Tensor, "n d"], truth: Int64[Tensor, " n"], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Recall at 1 and 5 (as Oh Song et al. 2016, arXiv:1511.06452), over all and per class: each picture asks all others of the split.

    `recall_at_1`: the share of pictures whose nearest other picture, by cosine, is of their class; `recall_at_5`: that
    one of the five nearest is. `chance`: what a random other picture would give. A picture that is the only one of its
    class asks nothing; `n` counts those that ask. DataError if none can.

    >>> vectors = torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.2, 1], [0.9, 1]])  # the last lies among the others
    >>> found = recall_metrics(vectors, torch.tensor([0, 0, 1, 1, 0]), ("a", "b"))
    >>> found["recall_at_1"], [round(row["recall_at_1"], 2) for row in found["per_sought_class"]]
    (0.8, [0.67, 1.0])
    """
    counts = torch.bincount(truth, minlength=len(classes))
    asking = (counts[truth] > 1).nonzero().flatten()
    if not len(asking):
        raise DataError("recall needs two pictures of a class; here every class has one at the most")
    _, rows = nearest(vectors[asking], vectors, min(K, len(vectors) - 1), "cosine", skip=asking)
    same = truth[rows] == truth[asking, None]
    first, any_ = same[:, 0], same.any(1)
    chance = (counts[truth[asking]] - 1).double().mean() / (len(vectors) - 1)
    return {
        "n": len(asking),
        "recall_at_1": first.double().mean().item(),
        "recall_at_5": any_.double().mean().item(),
        "chance": float(chance),
        "per_sought_class": [
            _row(name, first[truth[asking] == i], any_[truth[asking] == i]) for i, name in enumerate(classes)
        ],
    }


def _row(name: str, first: Tensor, any_: Tensor) -> dict[str, Any]:
    share = [each.double().mean().item() if len(each) else None for each in (first, any_)]
    return {"class": name, "n": len(first), "recall_at_1": share[0], "recall_at_5": share[1]}
