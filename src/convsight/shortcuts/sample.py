"""Which pictures does an audit look at, and how are those for choosing kept apart from those for measuring?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from convsight.datasets import Split
from convsight.errors import DataError
from convsight.features.selection import Selection
from convsight.network.batching import chunk_size
from convsight.network.classifier import Classifier
from convsight.shortcuts.pictures import FEWEST

PER_CLASS = 240
LARGE = 96 * 96  # pixels from which pictures cost so much that fewer are used


def affordable(n: int, size: tuple[int, int]) -> int:
    """`n` for small pictures, two fifths of it for large ones.

    >>> affordable(100, (28, 28)), affordable(100, (224, 224))
    (100, 40)
    """
    return n if size[0] * size[1] < LARGE else max(1, round(0.4 * n))


@dataclass(frozen=True, eq=False)
class Half:
    """Pictures with their classes (as the network numbers them) and what the network says of each."""

    pixels: Float[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    predicted: Int64[Tensor, " n"]
    ids: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[2], self.pixels.shape[3]

    def joined(self, other: Half) -> Half:
        """The pictures of this half, then those of the other."""

        def both(name: str) -> Tensor:
            return torch.cat([getattr(self, name), getattr(other, name)])

        return Half(both("pixels"), both("labels"), both("predicted"), self.ids + other.ids)

    def of(self, target: int) -> Tensor:
        """Indices of the pictures of the class."""
        return (self.labels == target).nonzero().flatten()

    def donors(self, target: int, n: int, generator: Generator) -> Tensor:
        """`n` indices of pictures of the class, each as often as any other."""
        return _drawn(self.of(target), n, generator)

    def others(self, target: int, n: int, generator: Generator) -> Tensor:
        """`n` indices of pictures of other classes, an equal number of each."""
        classes = [k for k in self.labels.unique().tolist() if k != target]
        each = -(-n // len(classes))
        drawn = torch.cat([_drawn(self.of(k), each, generator) for k in classes])
        return drawn[torch.randperm(len(drawn), generator=generator)[:n]]

    def recipients(self, target: int, n: int, generator: Generator) -> Tensor:
        """At most `n` different pictures (indices) that are neither of the class nor predicted as it."""
        fit = ((self.labels != target) & (self.predicted != target)).nonzero().flatten()
        return fit[torch.randperm(len(fit), generator=generator)[:n]]


@dataclass(frozen=True, eq=False)
class Sample:
    """The two halves: `explore` to choose what to test, `confirm` to measure it on pictures not yet seen."""

    explore: Half
    confirm: Half
    targets: tuple[int, ...]  # classes with enough pictures
    few: tuple[str, ...]  # names of those with too few

    @property
    def halves(self) -> tuple[Half, Half]:
        return self.explore, self.confirm

    @property
    def size(self) -> tuple[int, int]:
        return self.explore.size

    @property
    def n(self) -> int:
        return len(self.explore.pixels) + len(self.confirm.pixels)


def draw_sample(
    net: Classifier,
    split: Split | Selection,
    *,
    per_class: int | None = None,
    least: int = FEWEST,
    seed: int = 0,
) -> Sample:
    """At most `per_class` pictures of every class (240, of large ones 96), half of them for each purpose.

    Raises DataError if fewer than two classes have `least` pictures: nothing can be pasted onto others then.
    """
    labels = _labels(net, split)
    drawn = halves_of_classes(net, split, per_class, seed)
    first, second = ([both[i] for both in drawn.values()] for i in range(2))
    enough = [k for k, both in drawn.items() if sum(map(len, both)) >= least]
    few = [k for k in drawn if k not in enough]
    if len(enough) < 2:
        most = int(torch.bincount(labels).max()) if len(labels) else 0
        raise DataError(
            f"too few pictures to audit: {len(enough)} of {len(first)} classes have the {least} pictures that"
            f" are needed (most have {most} or fewer); half of them choose what to test and the others"
            " measure it. Give more pictures with --data, or --split all"
        )
    names = tuple(net.classes[k] for k in few)
    halves = [_half(net, split, torch.cat(part), labels) for part in (first, second)]
    return Sample(halves[0], halves[1], tuple(enough), names)


def halves_of_classes(
    net: Classifier, split: Split | Selection, per_class: int | None = None, seed: int = 0
) -> dict[int, tuple[Int64[Tensor, " m"], Int64[Tensor, " k"]]]:
    """For each class, by the network's number, which of its pictures an audit takes, by lot: indices of those to choose
    on and of those to measure on."""
    per_class = per_class or affordable(PER_CLASS, net.input_size)
    labels, generator, drawn = _labels(net, split), Generator().manual_seed(seed), {}
    for k in labels.unique().tolist():
        members = (labels == k).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator)[:per_class]]
        drawn[k] = (members[: len(members) // 2], members[len(members) // 2 :])
    return drawn


def _half(net: Classifier, split: Split | Selection, index: Tensor, labels: Tensor) -> Half:
    index = index.sort().values
    step = chunk_size((net.channels, *net.input_size))
    pixels = torch.cat([net.fit(split[part]).pixels for part in index.split(step)])
    return Half(pixels, labels[index], net.predict(pixels), tuple(split.ids[i] for i in index.tolist()))


def _labels(net: Classifier, split: Split | Selection) -> Int64[Tensor, " n"]:
    """The class of each picture, as the network numbers it."""
    assert split.labels is not None, "only pictures of one class each are audited"
    return _numbers(net, split)[split.labels]


def _numbers(net: Classifier, split: Split | Selection) -> Int64[Tensor, " k"]:
    """For each class of the split its index among the network's."""
    if not split.classes or split.classes == net.classes:
        return torch.arange(len(net.classes))
    missing = [name for name in split.classes if name not in net.classes]
    if missing:
        raise DataError(
            f"the data has classes that the network does not know: {', '.join(missing[:8])}; it knows"
            f" {', '.join(net.classes[:20])}"
        )
    return torch.tensor([net.classes.index(name) for name in split.classes])


def _drawn(members: Tensor, n: int, generator: Generator) -> Tensor:
    rounds = [torch.randperm(len(members), generator=generator) for _ in range(-(-n // len(members)))]
    return members[torch.cat(rounds)[:n]]
