"""Which pictures are there twice, and which of a test set were seen in training?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from convsight.checking.finding import Finding
from convsight.checking.subject import CheckedPictures
from convsight.features.copies import Copy
from convsight.features.selection import SPLITS


def groups_of(pairs: Sequence[Copy], n: int) -> Int64[Tensor, " n"]:
    """A number for each picture, the same for copies of one another and for copies of copies.

    >>> groups_of([Copy(0, 2, 1.0, False, 1.0), Copy(2, 3, 1.0, True, 1.0)], 4).tolist()
    [0, 1, 0, 0]
    """
    ends = [pair.first for pair in pairs], [pair.second for pair in pairs]
    joined = coo_matrix((np.ones(len(pairs)), ends), (n, n))
    return torch.from_numpy(connected_components(joined, directed=False)[1]).long()


def copied(subject: CheckedPictures, pairs: Sequence[Copy]) -> Iterator[Finding]:
    """A row for each pair: the picture to take away, and which other one stays.

    Of two splits the test picture stays and the training picture goes, so that what was measured stays comparable.
    """
    splits, ids = subject.chosen.splits, subject.chosen.ids
    for pair in pairs:
        goes, stays = sorted((pair.first, pair.second), key=lambda i: (SPLITS.index(splits[i]), -i))
        labels = [subject.name(i) for i in (goes, stays)]
        differ = f" The other is labelled {labels[1]}." if labels[0] != labels[1] else ""
        leak = splits[goes] != splits[stays]
        where = f" of {splits[stays]}" if leak else ""
        action = f"Keep one of the two: this one can go from {splits[goes]}{', as relabel.csv suggests' if leak else ''}."
        yield Finding(
            ids[goes], "leak" if leak else "duplicate", labels[0], labels[1] if differ else "", pair.alike,
            splits[goes], ids[stays], f"A copy of {ids[stays]}{where}: {pair.how}.{differ}",
            f"Keep one, and settle its label: {labels[0]} or {labels[1]}." if differ and not leak else action,
        )  # fmt: skip
