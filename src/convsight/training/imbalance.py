"""What if some classes have many more pictures than others?"""

from __future__ import annotations

from jaxtyping import Float, Shaped
from torch import Tensor

from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.training.linear_head import balanced

BALANCES = ("none", "weights", "auto")
UNEVEN = 3  # "auto" weighs classes once the largest has this many times the pictures of the smallest
MOST = 10  # times the mean weight at most, so that a class of two pictures does not decide everything


def weights_for(labels: Shaped[Tensor, "n ..."], task: str, balance: str) -> Float[Tensor, " n"] | None:
    """A weight for each picture's loss so that rare classes count as much as others; None: all alike.

    balance: "none", "weights" (every class the same in sum, one picture at most ten times the mean), or "auto", which
    weights where the largest class has three times as many pictures as the smallest.
    """
    if task not in ("classify", "binary"):
        if balance == "weights":
            raise InputError(f"balance='weights' is for one class a picture, not for the task '{task}'")
        return None
    if balance == "none" or (balance == "auto" and not uneven(labels)):
        return None
    return balanced(labels).clamp(max=MOST)


def uneven(labels: Shaped[Tensor, " n"]) -> bool:
    counts = labels.long().bincount()
    counts = counts[counts > 0]
    return int(counts.max()) >= UNEVEN * int(counts.min())


def unevenness(data: Dataset, task: str, balance: str) -> tuple[str, ...]:
    """A sentence for the user where rare classes weigh more, or could."""
    if task not in ("classify", "binary") or not len(data.train) or not uneven(data.train.labels):
        return ()
    counts = dict(zip(data.classes, data.train.counts, strict=True))
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    words = f"{counts[most]} training pictures are {most}, {counts[least]} are {least}"
    if balance == "none":
        return (f"{words}; --balance weights lets rare classes weigh as much as the others.",)
    return (f"{words}: rare classes weigh more in the loss (--balance none does without).",)
