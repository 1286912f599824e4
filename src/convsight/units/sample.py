"""Which pictures of a data set are units asked about, when not all of them need be?"""

from __future__ import annotations

from convsight.datasets import Dataset, Split
from convsight.datasets.sampling import stratified
from convsight.errors import InputError

SPLITS = ("test", "validation", "train")


def sample(data: Dataset, split: str, most: int) -> tuple[Split, str]:
    """At most `most` pictures of a split, classes in proportion, and a phrase that says which they are.

    The choice depends on the split alone, so that equal knobs mean equal pictures.
    """
    whole = data.splits[split]
    if not len(whole):
        have = ", ".join(name for name, each in data.splits.items() if len(each))
        raise InputError(f"{data.name} has no {split} pictures; it has some in: {have}")
    if len(whole) <= most:
        return whole, f"all {len(whole):,} {split} pictures of {data.name}"
    chosen = whole.take(stratified(whole.labels, most, seed=0))
    return chosen, f"{len(chosen):,} of the {len(whole):,} {split} pictures of {data.name}"
