"""Which pictures does a user mean by a query, and are they themselves in the data set?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int64
from torch import Tensor

from convsight.errors import DataNotFound, InputError, closest
from convsight.features.selection import Selection
from convsight.images import Images
from convsight.network.classifier import Classifier

if TYPE_CHECKING:
    from convsight.datasets import Dataset

SAME = 1.01 / 255  # one grey level: what saving as 8 bits and reading again may change


def named_pictures(net: Classifier, query: Any, data: Dataset) -> Any:
    """`query` itself if it is no list of names; else the pictures in the files of these names, or else with
    these ids.

    >>> from convsight.datasets import dataset
    >>> data = dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    >>> net = Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> named_pictures(net, data.test.ids[3], data).labels.tolist() == data.test[3].labels.tolist()
    True
    """
    names = [query] if isinstance(query, str) else query
    if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
        return query
    if all(Path(name).expanduser().is_file() for name in names):
        return net.fit(list(names))
    if any(Path(name).expanduser().exists() for name in names):
        return query
    chosen = Selection.of(data)
    numbers = [chosen.find(name) for name in names]
    if None in numbers:
        missing = names[numbers.index(None)]
        if Path(missing).suffix and all(n is None for n in numbers):
            raise DataNotFound(f"there is no file {missing}, and no picture of {data.name} has that id")
        raise InputError(
            f"no picture {missing!r} in {data.name}",
            given=missing,
            works=closest(missing, chosen.ids, most=3),
        )
    return chosen[[n for n in numbers if n is not None]]


def find_in_set(net: Classifier, query: Images, chosen: Selection) -> tuple[Int64[Tensor, " q"], list[str]]:
    """(the number of each query in the selection, or −1; ids of further exact copies of those found).

    A query is in the set if a picture has the same pixels, up to one grey level; of several, the one with the
    query's id.
    """
    wanted = net.fit(query).pixels.flatten(1)
    sums = wanted.sum(1)
    slack = SAME * wanted.shape[1]
    matches: list[list[int]] = [[] for _ in wanted]
    start = 0
    for batch in chosen.batches(1024):
        rows = net.fit(batch).pixels.flatten(1)
        near = (rows.sum(1)[None] - sums[:, None]).abs() <= slack
        for q, i in near.nonzero().tolist():
            if float((rows[i] - wanted[q]).abs().max()) <= SAME:
                matches[q].append(start + i)
        start += len(batch)
    itself, copies = [], []
    for q, found in enumerate(matches):
        named = [i for i in found if chosen.ids[i] == query.ids[q]]
        itself.append((named or found or [-1])[0])
        copies += [chosen.ids[i] for i in found if i != itself[-1]]
    return torch.tensor(itself), copies
