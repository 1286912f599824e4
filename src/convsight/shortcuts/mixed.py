"""How do surroundings stop saying anything about the class? Every object gets those of a class drawn by lot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64, Shaped
from torch import Generator, Tensor

from convsight.datasets.pixels import Store, to_stored, to_unit
from convsight.picture import Size
from convsight.shortcuts.surroundings import Surroundings, lot


class Mixed:
    """A store whose pictures come out in surroundings of other pictures, newly drawn each time.

    share: of the pictures, how many are changed. For each of those a class is drawn, every class as likely, and a
    picture of it gives its surroundings: after that they say nothing of any class, not only of the one that a
    verdict is about. Pictures whose object cannot be cut out stay as they are, and give nothing.
    """

    def __init__(
        self,
        store: Store,
        labels: Int64[Tensor, " n"],
        probe: Surroundings,
        share: float,
        generator: Generator,
    ):
        self.store, self.labels, self.probe = store, labels, probe
        self.share, self.generator = share, generator
        self.size, self.channels = store.size, store.channels
        self.members = [(labels == k).nonzero().flatten() for k in labels.unique().tolist()]

    def __len__(self) -> int:
        return len(self.store)

    def read(self, indices: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
        return self._mixed(self.store.read(indices))

    def stream(self, batches: Sequence[Tensor]) -> Iterator[Shaped[Tensor, "b c h w"]]:
        return (self._mixed(pixels) for pixels in self.store.stream(batches))

    def take(self, indices: Int64[Tensor, " b"]) -> Mixed:
        return self._over(self.store.take(indices), self.labels[indices])

    def fit(self, size: Size | None, channels: int | None, fit: str = "crop") -> Mixed:
        return self._over(self.store.fit(size, channels, fit), self.labels)

    def _over(self, store: Store, labels: Tensor) -> Mixed:
        return Mixed(store, labels, self.probe, self.share, self.generator)

    def _mixed(self, pixels: Shaped[Tensor, "b c h w"]) -> Shaped[Tensor, "b c h w"]:
        chosen = (torch.rand(len(pixels), generator=self.generator) < self.share).nonzero().flatten()
        if not len(chosen):
            return pixels
        onto = to_unit(pixels[chosen])
        of = to_unit(self.store.read(self._donors(len(chosen))))
        able = (self.probe.able(onto) & self.probe.able(of)).view(-1, 1, 1, 1)
        changed = pixels.clone()
        changed[chosen] = to_stored(torch.where(able, self.probe.paste(onto, of), onto), pixels.dtype)
        return changed

    def _donors(self, n: int) -> Int64[Tensor, " n"]:
        """Indices of `n` pictures, of every class as many as chance gives."""
        classes = torch.randint(len(self.members), (n,), generator=self.generator)
        drawn = torch.empty(n, dtype=torch.int64)
        for k, members in enumerate(self.members):
            here = classes == k
            drawn[here] = lot(members, int(here.sum()), self.generator)
        return drawn
