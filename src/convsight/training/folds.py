"""How are pictures divided into folds, so that each is judged once by a head that did not see it?"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from convsight.errors import InputError

FOLDS = 5


def folds(
    n: int,
    count: int = 5,
    *,
    labels: Int64[Tensor, " n"] | None = None,
    groups: Int64[Tensor, " n"] | None = None,
    seed: int = 0,
) -> Int64[Tensor, " n"]:
    """The fold, 0 to count − 1, of each of n pictures, drawn by `seed`; as equal in size as can be.

    labels: each class is spread evenly over the folds (stratified). groups: pictures of one group, such as
    near-duplicates, come into one fold together; classes are then spread as evenly as the groups allow. Raises
    InputError for fewer pictures (or groups) than folds.

    >>> folds(6, 2, labels=torch.tensor([0, 0, 0, 0, 1, 1])).bincount()
    tensor([3, 3])
    """
    groups = torch.arange(n) if groups is None else groups.unique(return_inverse=True)[1]
    n_groups = int(groups.max()) + 1 if n else 0
    if not 2 <= count <= n_groups:
        raise InputError(f"{n_groups} pictures (or groups of them) cannot be divided into {count} folds")
    labels = torch.zeros(n, dtype=torch.int64) if labels is None else labels.long()
    if n_groups == n:
        return _stratified(labels, count, seed)
    return _grouped(labels, groups, n_groups, count, seed)


def _stratified(labels: Tensor, count: int, seed: int) -> Tensor:
    """Shuffled, then sorted by class: every `count`-th picture belongs to one fold."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    order = order[labels[order].argsort(stable=True)]
    fold = torch.empty_like(labels)
    fold[order] = torch.arange(len(labels)) % count
    return fold


def _grouped(labels: Tensor, groups: Tensor, n_groups: int, count: int, seed: int) -> Tensor:
    """Groups from the largest to the smallest, each to the fold that has the fewest pictures of its classes."""
    of_group = torch.zeros(n_groups, int(labels.max()) + 1)
    of_group.index_put_((groups, labels), torch.ones(len(labels)), accumulate=True)
    order = torch.randperm(n_groups, generator=torch.Generator().manual_seed(seed))
    order = order[of_group.sum(1)[order].argsort(descending=True, stable=True)]
    share = of_group / of_group.sum(0).clamp(min=1)  # of each class that is in the group
    held, fold = torch.zeros(count, of_group.shape[1]), torch.empty(n_groups, dtype=torch.int64)
    for group in order.tolist():
        crowd = held @ share[group] + 1e-3 * held.sum(1) / len(
            labels
        )  # the second term decides between equals: the smallest fold
        fold[group] = int(crowd.argmin())
        held[fold[group]] += of_group[group]
    return fold[groups]
