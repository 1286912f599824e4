"""How does an aspect of pictures stop saying anything about the class? By giving it to random pictures and
taking it from others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Generator, Tensor

from convsight.datasets import Dataset, Split
from convsight.datasets.pixels import Store, to_stored, to_unit
from convsight.picture import Size
from convsight.shortcuts.mixed import Mixed
from convsight.shortcuts.probes import Pixels, Probe
from convsight.shortcuts.surroundings import Surroundings, lot

SEEN = 300  # pictures of the class, and of the others, from which carriers are learned
TELLS = 0.2  # carriers can be told if so many of the class are carriers


@dataclass(frozen=True, eq=False)
class Exchange:
    """An aspect, and the strength from which a picture counts as carrying it; None where carriers cannot be
    told.
    """

    probe: Probe
    limit: float | None = None

    def carries(self, pictures: Pixels) -> Bool[Tensor, " n"]:
        """Which pictures carry the aspect; none where that cannot be told."""
        if self.limit is None:
            return torch.zeros(len(pictures), dtype=torch.bool)
        return self.probe.strength(pictures) > self.limit

    def given(self, onto: Pixels, of: Pixels) -> Pixels:
        """`onto` with the aspect of `of`; those that have it already stay as they are."""
        pasted = self.probe.paste(onto, of).clamp(0, 1)
        return torch.where(self.carries(onto)[:, None, None, None], onto, pasted)

    def taken(self, onto: Pixels, of: Pixels) -> Pixels | None:
        """`onto` with the aspect of `of` instead of its own; None if the aspect cannot be taken away."""
        without = self.probe.remove(onto, of)
        return None if without is None else without.clamp(0, 1)


def exchange(probe: Probe, of_target: Pixels, of_others: Pixels) -> Exchange:
    """The aspect with its limit, learned from some pictures of the class and of the others."""
    limit = probe.limit(probe.strength(of_others))
    share = float((probe.strength(of_target) > limit).float().mean())
    return Exchange(probe, limit if share > TELLS else None)


class Swapped:
    """A store whose pictures come out with the aspect of another picture, newly drawn each time.

    share: of the pictures, how many are changed. All of those are given the aspect of a picture of the target
    class, and from half it is taken away again, for that of another class: it says nothing of the class any
    more, and neither do the traces that taking it away leaves. What cannot be taken away (a blur) is lessened
    in half of them. Places and strengths are drawn anew for every batch. The draws come from `generator` in
    the order in which pictures are read.
    """

    def __init__(
        self,
        store: Store,
        labels: Int64[Tensor, " n"],
        aspect: Exchange,
        target: int,
        share: float,
        generator: Generator,
    ):
        self.store, self.labels, self.aspect, self.target = store, labels, aspect, target
        self.share, self.generator = share, generator
        self.size, self.channels = store.size, store.channels

    def __len__(self) -> int:
        return len(self.store)

    def read(self, indices: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
        return self._swapped(self.store.read(indices))

    def stream(self, batches: Sequence[Tensor]) -> Iterator[Shaped[Tensor, "b c h w"]]:
        return (self._swapped(pixels) for pixels in self.store.stream(batches))

    def take(self, indices: Int64[Tensor, " b"]) -> Swapped:
        return self._over(self.store.take(indices), self.labels[indices])

    def fit(self, size: Size | None, channels: int | None, fit: str = "crop") -> Swapped:
        return self._over(self.store.fit(size, channels, fit), self.labels)

    def _over(self, store: Store, labels: Tensor) -> Swapped:
        return Swapped(store, labels, self.aspect, self.target, self.share, self.generator)

    def _swapped(self, pixels: Shaped[Tensor, "b c h w"]) -> Shaped[Tensor, "b c h w"]:
        chosen = torch.rand(len(pixels), generator=self.generator) < self.share
        who = chosen.nonzero().flatten()
        if not len(who):
            return pixels
        coins = torch.rand(len(who), generator=self.generator) < 0.5
        given, taken = self._both_ways(to_unit(pixels[who]))
        changed = pixels.clone()
        changed[who] = to_stored(torch.where(coins.view(-1, 1, 1, 1), given, taken), pixels.dtype)
        return changed

    def _both_ways(self, onto: Pixels) -> tuple[Pixels, Pixels]:
        probe = self.aspect.probe
        of, others = self._donors(len(onto))
        given = replace(self.aspect, probe=probe.anew(self.generator)).given(onto, of)
        taken = self.aspect.taken(given, others)
        less = probe.lessened(given, self.generator)
        if taken is not None and less is not None:
            coins = torch.rand(len(onto), 1, 1, 1, generator=self.generator) < 0.5
            taken = torch.where(coins, taken, less)
        taken = next((way for way in (taken, less) if way is not None), given)
        return probe.varied(given, self.generator), probe.varied(taken, self.generator)

    def _donors(self, n: int) -> tuple[Pixels, Pixels]:
        """`n` pictures of the target class, those that carry the aspect first, and `n` of other classes."""
        own = self.labels == self.target
        of = to_unit(self.store.read(drawn(own, 2 * n, self.generator)))
        first = (~self.aspect.carries(of)).int().argsort(stable=True)[:n]
        of = of[first[torch.randperm(n, generator=self.generator)]]
        return of, to_unit(self.store.read(drawn(~own, n, self.generator)))


def swapped(data: Dataset, probe: Probe, target: int, share: float, seed: int = 0) -> Dataset:
    """The data set whose training pictures come out with swapped aspects; the other splits as they are."""
    train = data.train
    generator = Generator().manual_seed(seed)
    if isinstance(probe, Surroundings):
        mixed = Mixed(train.store, train.labels, probe, share, generator)
        return replace(data, train=Split(mixed, train.labels, train.classes, train.ids, train.bands))
    aspect = learned(train, probe, target, generator)
    store = Swapped(train.store, train.labels, aspect, target, share, generator)
    return replace(data, train=Split(store, train.labels, train.classes, train.ids, train.bands))


def learned(split: Split, probe: Probe, target: int, generator: Generator) -> Exchange:
    """The aspect, with who carries it learned from some pictures of a split."""
    own = split.labels == target
    index = [drawn(members, SEEN, generator) for members in (own, ~own)]
    of, others = (to_unit(split.store.read(i)) for i in index)
    return exchange(probe.refined(of, others), of, others)


def drawn(members: Bool[Tensor, " n"], n: int, generator: Generator) -> Int64[Tensor, " m"]:
    """Indices of `n` of the marked pictures, each as likely, with repetition."""
    return lot(members.nonzero().flatten(), n, generator)
