"""Which pictures are kept out of training, so that every class is kept out in proportion?"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from convsight.errors import InputError


def hold_out(
    labels: Tensor, share: float | int, seed: int
) -> tuple[Int64[Tensor, " rest"], Int64[Tensor, " held"]]:
    """Split 0..n-1 reproducibly into (rest, held out), every class in proportion, both sorted.

    labels: classes `n`, or positions `n m`, which are split without classes. share: a fraction below 1, or a
    whole number of pictures. Every class keeps a picture in the rest, and gives one if it has two and there
    is room, so that fewer than asked may be held out of many tiny classes.

    >>> rest, held = hold_out(torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), 0.25, seed=0)
    >>> len(rest), len(held)
    (6, 2)
    """
    n = len(labels)
    wanted = min(round(n * share), max(n - 1, 0)) if 0 < share < 1 else int(share)
    if share < 0 or (share >= 1 and share != wanted) or wanted >= max(n, 1):
        raise InputError(
            f"cannot hold out {share} of {n} pictures; give a fraction below 1 or fewer pictures"
        )
    held = stratified(labels, wanted, seed, leave=1)
    rest = torch.ones(n, dtype=torch.bool)
    rest[held] = False
    return rest.nonzero().flatten(), held


def stratified(labels: Tensor, wanted: int, seed: int, leave: int = 0) -> Int64[Tensor, " wanted"]:
    """Choose `wanted` of 0..n-1, every class in proportion, leaving at least `leave` of each; sorted."""
    groups = labels.long() if labels.ndim == 1 else torch.zeros(len(labels), dtype=torch.int64)
    sizes = torch.bincount(groups).tolist()
    generator = Generator().manual_seed(seed)
    chosen = []
    for k, quota in enumerate(_quotas(sizes, [max(size - leave, 0) for size in sizes], wanted)):
        members = (groups == k).nonzero().flatten()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:quota]])
    return torch.cat(chosen).sort().values if chosen else torch.empty(0, dtype=torch.int64)


def _quotas(sizes: list[int], most: list[int], wanted: int) -> list[int]:
    """Largest-remainder shares of `wanted` within `most`, at least one of each class while there is room."""
    exact = [wanted * size / max(sum(sizes), 1) for size in sizes]
    quotas = [min(int(share), top) for share, top in zip(exact, most, strict=True)]
    while sum(quotas) < wanted:
        open_classes = [k for k in range(len(sizes)) if quotas[k] < most[k]]
        if not open_classes:
            break
        neediest = max(open_classes, key=lambda k: (quotas[k] == 0, exact[k] - quotas[k], -k))
        quotas[neediest] += 1
    for k in (k for k, top in enumerate(most) if top and not quotas[k]):
        richest = max(range(len(sizes)), key=lambda j: (quotas[j], -j))
        if quotas[richest] > 1:
            quotas[k], quotas[richest] = 1, quotas[richest] - 1
    return quotas
