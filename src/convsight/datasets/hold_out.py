"""Which pictures are kept out of training, so that every class is kept out in proportion?"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from convsight.datasets.sampling import stratified
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
