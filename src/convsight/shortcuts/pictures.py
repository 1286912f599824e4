"""Which pictures of a data set does an audit look at: those kept for testing, or all of them together?"""

from __future__ import annotations

import torch

from convsight.datasets import Dataset, Split
from convsight.errors import DataError, InputError
from convsight.features.selection import Selection

FEWEST = 12  # pictures of a class: one half chooses what to test, the other half measures it
ALL = "all"


def auditable_classes(pictures: Split | Selection) -> int:
    """How many classes have the pictures that an audit needs."""
    labels = pictures.labels
    return 0 if labels is None or labels.ndim != 1 else int((torch.bincount(labels) >= FEWEST).sum())


def split_to_audit(data: Dataset) -> str:
    """ "test" where two classes have enough test pictures, else "all": every split's pictures together."""
    return "test" if auditable_classes(data.test) >= 2 else ALL


def pictures_to_audit(data: Dataset, split: str | None) -> tuple[Split | Selection, str]:
    """The pictures of a split, "all", or None for what `split_to_audit` chooses; and a remark about that choice.

    Raises InputError if there is no such split, DataError if the pictures have no one class.
    """
    name = split or split_to_audit(data)
    if name not in (*data.splits, ALL):
        raise InputError(f"no split '{name}'; there are {', '.join(data.splits)}, all", given=name)
    if data.task != "classify":
        raise DataError(
            f"{data.name} has no one class a picture (its task is {data.task!r}): shortcuts are of classes"
        )
    if name != ALL:
        return data.splits[name], ""
    chosen = Selection.of(data, ALL)
    if split is not None or not len(data.train):
        return chosen, ""
    return chosen, (
        f"No two classes have {FEWEST} test pictures, so the pictures of all splits were audited together, also "
        "those that the network was trained on."
    )
