"""Of which classes are there too few pictures to learn from, or to judge a network by?"""

from __future__ import annotations

from collections.abc import Iterator

from convsight.checking.finding import Finding
from convsight.checking.subject import CheckedPictures
from convsight.training.evaluate import wilson

LEAST = {"train": 20, "test": 10}  # pictures of a class
NAMED = {"train": "training", "test": "test"}


def few(subject: CheckedPictures) -> Iterator[Finding]:
    """A row for each class with few training or few test pictures, shown by its first picture."""
    if subject.labels is None:
        return
    parts = {split: subject.data.splits[split] for split in LEAST if len(subject.data.splits[split])}
    counts = {split: part.counts for split, part in parts.items()}
    for k, name in enumerate(subject.classes):
        short = {split: counts[split][k] for split in parts if counts[split][k] < LEAST[split]}
        if not short:
            continue
        shown = (_shown(subject, split, k) for split in short)
        have = " and ".join(
            f"{n} {NAMED[split]} {'picture' if n == 1 else 'pictures'}" for split, n in short.items()
        )
        add = " and ".join(f"{LEAST[split] - n} to {split}" for split, n in short.items())
        yield Finding(
            next((id_ for id_ in shown if id_), ""), "few", name, "", None, next(iter(short)), "",
            f"{name} has {have}{_so(short.get('test', 0))}.",
            f"Add at least {add}, or join {name} with another class.",
        )  # fmt: skip


def _shown(subject: CheckedPictures, split: str, k: int) -> str:
    """The id of the first picture of a class in a split; "" where it has none, or it is not among those checked."""
    first = (subject.data.splits[split].labels == k).nonzero()
    index = subject.chosen.find(_id(subject, split, int(first[0]))) if len(first) else None
    return "" if index is None else subject.chosen.ids[index]


def _so(count: int) -> str:
    """What so many test pictures could say of a class at best."""
    if not count:
        return ""
    low, _ = wilson(count, count)
    return f": even if all are recognised, its accuracy is only known to be above {low:.0%}"


def _id(subject: CheckedPictures, split: str, index: int) -> str:
    own = subject.data.splits[split].ids[index]
    return own if subject.chosen.find(own) is not None else f"{split}/{own}"
