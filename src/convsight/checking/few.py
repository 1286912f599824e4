"""Of which classes are there too few pictures to learn from, or to judge a network by?"""

from __future__ import annotations

from collections.abc import Iterator

from convsight.checking.finding import Finding
from convsight.checking.subject import CheckedPictures
from convsight.training.evaluate import wilson

LEAST_TRAIN, LEAST_TEST = 20, 10


def few(subject: CheckedPictures) -> Iterator[Finding]:
    """A row for each class with few training or few test pictures, shown by its first picture."""
    if subject.labels is None:
        return
    needed = {"train": LEAST_TRAIN, "test": LEAST_TEST}
    for split, least in needed.items():
        part = subject.data.splits[split]
        if not len(part):
            continue
        for k, count in enumerate(part.counts):
            if count >= least:
                continue
            name = subject.classes[k]
            first = (part.labels == k).nonzero()
            index = subject.chosen.find(_id(subject, split, int(first[0]))) if len(first) else None
            yield Finding(
                "" if index is None else subject.chosen.ids[index], "few", name, "", None, split, "",
                f"{name} has {count} {split} {'picture' if count == 1 else 'pictures'}{_so(split, count)}.",
                f"Add at least {least - count} of {name} to {split}, or join it with another class.",
            )  # fmt: skip


def _so(split: str, count: int) -> str:
    if split != "test" or not count:
        return ""
    low, _ = wilson(count, count)
    return f": even if all are recognised, its accuracy is only known to be above {low:.0%}"


def _id(subject: CheckedPictures, split: str, index: int) -> str:
    own = subject.data.splits[split].ids[index]
    return own if subject.chosen.find(own) is not None else f"{split}/{own}"
