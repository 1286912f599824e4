"""How does an aspect of pictures stop telling the class? By giving it to some and taking it from others, by lot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Generator, Tensor

from convsight.audit.probes import Probe
from convsight.datasets import Dataset, Split
from convsight.datasets.store import Store
from convsight.picture import Size, to_uint8


class Swapped:
    """A store whose pictures come out with the aspect of another picture, newly drawn each time.

    share: of the pictures, how many are changed. Half of those are given the aspect of a picture of the target
    class, from half it is taken away, for that of another class: it says nothing of the class any more. What
    cannot be taken away (a blur) is given to all of them. The draws come from `generator` in the order in
    which pictures are read.
    """

    def __init__(
        self,
        store: Store,
        labels: Int64[Tensor, " n"],
        probe: Probe,
        target: int,
        share: float,
        generator: Generator,
    ):
        self.store, self.labels, self.probe, self.target = store, labels, probe, target
        self.share, self.generator = share, generator
        self.size, self.channels = store.size, store.channels

    def __len__(self) -> int:
        return len(self.store)

    def read(self, indices: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        return self._swapped(self.store.read(indices))

    def stream(self, batches: Sequence[Tensor]) -> Iterator[UInt8[Tensor, "b c h w"]]:
        return (self._swapped(pixels) for pixels in self.store.stream(batches))

    def take(self, indices: Int64[Tensor, " b"]) -> Swapped:
        return self._over(self.store.take(indices), self.labels[indices])

    def fit(self, size: Size | None, channels: int | None) -> Swapped:
        return self._over(self.store.fit(size, channels), self.labels)

    def _over(self, store: Store, labels: Tensor) -> Swapped:
        return Swapped(store, labels, self.probe, self.target, self.share, self.generator)

    def _swapped(self, pixels: UInt8[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
        chosen = torch.rand(len(pixels), generator=self.generator) < self.share
        who = chosen.nonzero().flatten()
        if not len(who):
            return pixels
        onto, coins = pixels[who].float() / 255, torch.rand(len(who), generator=self.generator) < 0.5
        given, taken = both_ways(onto, *self._donors(len(who)), self.probe)
        changed = pixels.clone()
        changed[who] = to_uint8(
            given if taken is None else torch.where(coins.view(-1, 1, 1, 1), given, taken)
        )
        return changed

    def _donors(self, n: int) -> tuple[Tensor, Tensor]:
        """`n` pictures of the target class and `n` of other classes, in [0, 1]."""
        own = self.labels == self.target
        index = [drawn(members, n, self.generator) for members in (own, ~own)]
        return self.store.read(index[0]).float() / 255, self.store.read(index[1]).float() / 255


def swapped(data: Dataset, probe: Probe, target: int, share: float, seed: int = 0) -> Dataset:
    """The data set whose training pictures come out with swapped aspects; the other splits as they are."""
    train = data.train
    generator = Generator().manual_seed(seed)
    store = Swapped(train.store, train.labels, probe, target, share, generator)
    return replace(data, train=Split(store, train.labels, train.classes, train.ids))


def drawn(members: Bool[Tensor, " n"], n: int, generator: Generator) -> Int64[Tensor, " m"]:
    """Indices of `n` of the marked pictures, each as likely, with repetition."""
    index = members.nonzero().flatten()
    return index[torch.randint(len(index), (n,), generator=generator)]


def both_ways(
    onto: Float[Tensor, "n c h w"],
    of_target: Float[Tensor, "n c h w"],
    of_others: Float[Tensor, "n c h w"],
    probe: Probe,
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"] | None]:
    """The pictures with the aspect of the target class, and with that of others; None if it stays for good."""
    taken = probe.remove(onto, of_others)
    return probe.paste(onto, of_target).clamp(0, 1), None if taken is None else taken.clamp(0, 1)
