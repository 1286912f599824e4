"""Which pictures of a data set are looked at, in which order, and under which names?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convsight.datasets.sampling import stratified
from convsight.errors import InputError, check_known, closest
from convsight.images import Images

if TYPE_CHECKING:
    from convsight.datasets import Dataset, Split

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Selection:
    """Pictures of one or several splits of a data set, numbered through from 0.

    >>> from convsight.datasets import dataset
    >>> chosen = Selection.of(dataset("drawn-garments", n_train=40, n_validation=10, n_test=20), "test", most=10)
    >>> len(chosen), chosen.splits[0], chosen[3].size
    (10, 'test', (28, 28))
    """

    name: str
    classes: tuple[str, ...]
    parts: tuple[tuple[str, Split], ...]
    whole: int  # how many pictures there were before `most` took some of them

    @classmethod
    def of(cls, data: Dataset, split: str = "all", most: int | None = None, seed: int = 0) -> Selection:
        """The pictures of `split` ("all": of every split), at most `most` of them, classes in proportion."""
        check_known(split, (*SPLITS, "all"), f"no split {split!r}")
        wanted = [(name, part) for name, part in data.splits.items() if split in (name, "all") and len(part)]
        whole = sum(len(part) for _, part in wanted)
        if not whole:
            sizes = ", ".join(f"{name} {len(part)}" for name, part in data.splits.items())
            raise InputError(f"the {split} split of {data.name} has no pictures; there are {sizes}")
        if most is not None and most < whole:
            shares = _shares([len(part) for _, part in wanted], most)
            wanted = [
                (name, part.take(stratified(part.labels, share, seed)))
                for (name, part), share in zip(wanted, shares, strict=True)
                if share
            ]
        return cls(data.name, tuple(data.classes), tuple(wanted), whole)

    def __len__(self) -> int:
        return sum(len(part) for _, part in self.parts)

    def __getitem__(self, index: int | Sequence[int] | Tensor) -> Images:
        """The pictures at these numbers, in the order given."""
        chosen = torch.as_tensor([index] if isinstance(index, int) else index).flatten()
        order, taken, start = [], [], 0
        for _, part in self.parts:
            places = ((chosen >= start) & (chosen < start + len(part))).nonzero().flatten()
            if len(places):
                taken.append(part[chosen[places] - start])
                order.append(places)
            start += len(part)
        images = Images.concat(taken)
        back = torch.cat(order).argsort()
        ids = tuple(self.ids[i] for i in chosen.tolist())
        labels = None if images.labels is None else images.labels[back]
        return Images(images.pixels[back], labels, self.classes or None, ids)

    def batches(self, size: int) -> Iterator[Images]:
        """Every picture once, in order."""
        for _, part in self.parts:
            yield from part.batches(size)

    def spans(self, span: range) -> Iterator[Split]:
        """The pictures numbered by `span`, as (parts of) splits."""
        start = 0
        for _, part in self.parts:
            low, high = max(span.start - start, 0), min(span.stop - start, len(part))
            if low < high:
                yield part.take(range(low, high))
            start += len(part)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """One unique name a picture: its own, with its split in front (and a count) where names recur."""
        own = [name for _, part in self.parts for name in part.ids]
        if len(set(own)) == len(own):
            return tuple(own)
        named = [f"{split}/{name}" for (split, part) in self.parts for name in part.ids]
        seen: Counter[str] = Counter()
        unique = []
        for name in named:
            seen[name] += 1
            unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        return tuple(unique)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The split of each picture."""
        return tuple(split for split, part in self.parts for _ in range(len(part)))

    @cached_property
    def labels(self) -> Int64[Tensor, " n"] | None:
        """Class index of each picture, or None for positions."""
        if any(part.labels.ndim != 1 for _, part in self.parts):
            return None
        return torch.cat([part.labels for _, part in self.parts])

    @cached_property
    def rows(self) -> Float[Tensor, "n k"] | None:
        """Several labels of each picture as 0 and 1; None where a picture has one class, or numbers."""
        if not self.classes or any(part.labels.ndim != 2 for _, part in self.parts):
            return None
        return torch.cat([part.labels for _, part in self.parts])

    def find(self, name: str) -> int | None:
        """The number of the picture with this id, or None."""
        return self._numbers.get(name)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.ids)}

    def of_class(self, name: str) -> Bool[Tensor, " n"]:
        """Which pictures carry this label."""
        if name not in self.classes or self.labels is None:
            raise InputError(
                f"no class {name!r} in {self.name}", given=name, works=closest(name, self.classes)
            )
        return self.labels == self.classes.index(name)

    def describe(self) -> str:
        """Words for captions: "10,000 test pictures of fashion-mnist"."""
        names = {split for split, _ in self.parts}
        split = f"{names.pop()} " if len(names) == 1 else ""
        some = f" of {self.whole:,}" if len(self) < self.whole else ""
        return f"{len(self):,}{some} {split}pictures of {self.name}"


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """`most` divided over the splits in proportion, by largest remainder."""
    total = sum(sizes)
    exact = [most * size / total for size in sizes]
    shares = [int(share) for share in exact]
    by_rest = sorted(range(len(sizes)), key=lambda i: shares[i] - exact[i])
    for i in by_rest[: most - sum(shares)]:
        shares[i] += 1
    return shares
