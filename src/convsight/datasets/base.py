"""What is a data set: which splits does it have, and how do its pictures come out?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import xxhash
from jaxtyping import Shaped
from torch import Generator, Tensor

from convsight.datasets.content import digest_of_split
from convsight.datasets.pixels import Store, to_unit
from convsight.datasets.sampling import stratified
from convsight.errors import InputError
from convsight.images import Images
from convsight.imaging.choosing import Bands, as_bands, as_indices
from convsight.imaging.fitting import Loss, as_size, losses_in_words
from convsight.picture import Size


class Split:
    """One part of a data set: labelled pictures that come out one by one, as selections or in batches.

    labels: int64 `n` (class index) or float32 `n m` (positions in pixels). ids: one name a picture.

    >>> from convsight.datasets.pixels import MemoryStore
    >>> split = Split(MemoryStore(torch.zeros(5, 1, 8, 8, dtype=torch.uint8)), torch.arange(5), ("a",) * 5)
    >>> len(split), split[1:3].labels.tolist(), [len(batch) for batch in split.batches(2)]
    (5, [1, 2], [2, 2, 1])
    """

    def __init__(
        self,
        store: Store,
        labels: Tensor,
        classes: Sequence[str] = (),
        ids: Sequence[str] | None = None,
        bands: Bands = None,
    ):
        self.store, self.labels, self.classes = store, labels, tuple(classes)
        self.bands = as_bands(bands, store.channels) if store.channels not in (1, 3) else None
        self.ids = tuple(ids) if ids is not None else tuple(map(str, range(len(store))))
        if not len(store) == len(labels) == len(self.ids):
            raise InputError(
                f"{len(store)} pictures, {len(labels)} labels and {len(self.ids)} ids differ in number"
            )

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Images:
        chosen = as_indices(index, len(self))
        return self._images(chosen, self.store.read(chosen))

    def __iter__(self) -> Iterator[Images]:
        return self.batches(1)

    def __repr__(self) -> str:
        h, w = self.size
        where = "in memory" if self.pixels is not None else "read from disk"
        return f"Split({len(self)} × {self.channels} × {h} × {w}, {where})"

    @property
    def pixels(self) -> Shaped[Tensor, "n c h w"] | None:
        """All pixels if they are in memory (uint8, or float32 in [0, 1] where 8 bits lose something), or None."""
        return getattr(self.store, "pixels", None)

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return self.store.size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB, or any other number."""
        return self.store.channels

    @property
    def counts(self) -> tuple[int, ...]:
        """How many pictures each class has; () for positions."""
        if self.labels.ndim != 1:
            return ()
        return tuple(torch.bincount(self.labels, minlength=len(self.classes)).tolist())

    def batches(
        self, batch_size: int, *, generator: Generator | None = None, drop_last: bool = False
    ) -> Iterator[Images]:
        """Every picture once, in batches: shuffled if a generator is given, otherwise in order."""
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        n = len(self)
        order = torch.arange(n) if generator is None else torch.randperm(n, generator=generator)
        chunks = [c for c in order.split(batch_size) if len(c) == batch_size or not drop_last] if n else []
        for chosen, pixels in zip(chunks, self.store.stream(chunks), strict=True):
            yield self._images(chosen, pixels)

    def take(self, index: slice | Sequence[int] | Tensor) -> Split:
        """The split of the chosen pictures, in the order chosen."""
        chosen = as_indices(index, len(self))
        ids = [self.ids[i] for i in chosen.tolist()]
        return Split(self.store.take(chosen), self.labels[chosen], self.classes, ids, self.bands)

    def fit(self, size: int | Size | None = None, channels: int | None = None, fit: str = "crop") -> Split:
        """The same pictures at another size or as grey or RGB (see `Images.fit`)."""
        size = as_size(size)
        if size in (None, self.size) and channels in (None, self.channels):
            return self
        return Split(self.store.fit(size, channels, fit), self.labels, self.classes, self.ids, self.bands)

    @cached_property
    def content_hash(self) -> str:
        """32 hexadecimal digits that change with any picture, label or name (see `datasets.content`)."""
        return digest_of_split(self)

    def _images(self, chosen: Tensor, pixels: Tensor) -> Images:
        ids = tuple(self.ids[i] for i in chosen.tolist())
        return Images(to_unit(pixels), self.labels[chosen], self.classes or None, ids, bands=self.bands)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures to train on, to choose by (validation, taken out of train) and to test on.

    classes: names the labels point into; () for positions and for pictures without labels. task: "classify",
    "multilabel" (labels n k of 0 and 1), "regress" or "locate". outputs: names of the numbers to predict for
    the last two. notes: remarks a reader of results should know.
    found: the folder in which a set known by name was found, "" for all others.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    task: str = "classify"
    outputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    found: str = ""

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return self.train.size

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB, or any other number."""
        return self.train.channels

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @cached_property
    def content_hash(self) -> str:
        """The same hexadecimal digits for the same pictures, labels, names and splits, and others for others."""
        parts = [split.content_hash for split in self.splits.values()]
        return xxhash.xxh3_128_hexdigest(
            repr((self.name, self.classes, self.outputs, self.task, parts)).encode()
        )

    def describe(self) -> str:
        """A few lines for a person: what it is, how much of it, and what to know about it."""
        kind = {1: "grey", 3: "colour"}.get(self.channels, f"with {self.channels} channels")
        numbers = f"{'positions' if self.task == 'locate' else 'numbers'}: {', '.join(self.outputs)}"
        what = f"{len(self.classes)} classes: {', '.join(self.classes)}" if self.classes else numbers
        counts = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        lines = [
            f"{self.name}: {self.size[0]}×{self.size[1]} {kind}, {counts}",
            what if self.classes or self.outputs else "no labels",
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(lines)

    def fit(self, size: int | Size | None = None, channels: int | None = None, fit: str = "crop") -> Dataset:
        """All splits at another size or as grey or RGB; not for positions, which are in pixels.

        `notes` say where more than a fifth of every picture is cut away.
        """
        if self.task == "locate" and as_size(size) not in (None, self.size):
            raise InputError(
                f"the positions of {self.name} are in pixels of its {self.size[0]}×{self.size[1]} pictures"
            )
        fitted = {name: split.fit(size, channels, fit) for name, split in self.splits.items()}
        wanted = as_size(size) or self.size
        lost = [Loss.of("every picture", self.size, wanted, fit)] if wanted != self.size else []
        return replace(self, **fitted, notes=(*self.notes, *losses_in_words(lost, wanted)))

    def shown(self, bands: Sequence[int] | str) -> Dataset:
        """The same pictures, of which these channels are shown (see `Images`); "pages" shows each in grey."""
        chosen = as_bands(bands, self.channels)
        return replace(
            self,
            **{
                name: Split(split.store, split.labels, split.classes, split.ids, chosen)
                for name, split in self.splits.items()
            },
        )

    def limited(self, limit: int | None, seed: int = 0) -> Dataset:
        """At most `limit` pictures of every split, classes in proportion: for a quick look."""
        if limit is None:
            return self
        if limit < 1:
            raise InputError(f"limit must be at least 1 picture a split, not {limit}")
        fewer = {
            name: split.take(stratified(split.labels, limit, seed)) if len(split) > limit else split
            for name, split in self.splits.items()
        }
        return replace(self, **fewer)
