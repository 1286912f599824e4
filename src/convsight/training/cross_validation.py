"""What does a probe say of each picture when it did not learn from it?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from convsight.progress import span
from convsight.training.folds import folds as fold_of
from convsight.training.linear_head import STRENGTHS, fit_head


def out_of_fold(
    features: Float[Tensor, "n d"],
    labels: Shaped[Tensor, "n ..."],
    folds: int = 5,
    seed: int = 0,
    *,
    task: str = "classify",
    n_outputs: int | None = None,
    groups: Int64[Tensor, " n"] | None = None,
    weights: Float[Tensor, " n"] | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> Float[Tensor, "n k"]:
    """What a linear head says of each picture that learned from the other folds: probabilities, or numbers.

    Each of `folds` folds (stratified by class; `groups` stay together) is answered by a head fitted to the others, whose
    strength was also chosen without it. Arguments as in `fit_head`. Raises InputError for fewer pictures than folds.

    >>> x = torch.cat([torch.zeros(10, 1), torch.ones(10, 1)])
    >>> said = out_of_fold(x, torch.arange(20) // 10, folds=2)
    >>> said.shape, bool((said.argmax(1) == torch.arange(20) // 10).all())
    (torch.Size([20, 2]), True)
    """
    one_class = task in ("classify", "binary")
    count = n_outputs or (int(labels.max()) + 1 if task == "classify" else None)
    fold = fold_of(len(features), folds, labels=labels if one_class else None, groups=groups, seed=seed)
    found: Tensor | None = None
    for number in range(folds):
        held = fold == number
        with span(number / folds, (number + 1) / folds):
            head = fit_head(
                features[~held],
                labels[~held],
                task,
                n_outputs=count,
                weights=None if weights is None else weights[~held],
                groups=None if groups is None else groups[~held],
                strengths=strengths,
                seed=seed,
            )
        answers = head.answers(features[held])
        found = torch.zeros(len(features), answers.shape[1]) if found is None else found
        found[held] = answers
    assert found is not None  # there are two folds or more
    return found
