"""Which training pictures are worth another look? Those the network still finds hard, and some of the others.

After one epoch the network is right and sure about most pictures: they hardly move its weights, and cost as much as
the rest. So between the first epoch and the last, an epoch shows the pictures that had the largest losses when they
were last seen (the ranking of Loshchilov and Hutter 2015, arXiv 1511.06343), and a sample of the others, drawn anew
each time, so that the network does not forget them. The last epoch shows everything. The first shows everything or a
part; a picture that it leaves out counts as hardest until it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from lightning_fabric import Fabric
from torch import Generator, Tensor


@dataclass(frozen=True)
class Share:
    """How many pictures an epoch shows: the `hardest`, and as many as `drawn` from the `easier` others."""

    hardest: int
    drawn: int = 0
    easier: int = 0

    def __len__(self) -> int:
        return self.hardest + self.drawn


def share(
    pictures: int, epoch: int, epochs: int, hardest: float, easier: float, opening: float = 1.0
) -> Share:
    """Of `pictures` in `epoch` (from 0) of `epochs`: the share `hardest`, and the share `easier` of the rest.

    The first epoch of several shows the share `opening`, drawn by lot.

    >>> share(100, 0, 8, 0.4, 0.25), share(100, 1, 8, 0.4, 0.25)
    (Share(hardest=100, drawn=0, easier=0), Share(hardest=40, drawn=15, easier=60))
    >>> share(100, 0, 8, 0.4, 0.25, opening=0.5)
    Share(hardest=0, drawn=50, easier=100)
    """
    if epoch == 0 and opening < 1 < epochs:
        return Share(0, max(1, round(opening * pictures)), pictures)
    if epoch in (0, epochs - 1) or hardest >= 1:
        return Share(pictures)
    hard = max(1, round(hardest * pictures))  # an epoch of nothing would have no loss
    return Share(hard, round(easier * (pictures - hard)), pictures - hard)


def shown(
    share: Share, losses: Float[Tensor, " n"], generator: Generator
) -> tuple[Int64[Tensor, " k"], Float[Tensor, " n"]]:
    """The pictures of an epoch in a random order, and for how many each picture of the set then stands.

    An easier picture that was drawn stands also for those that were not. Sums over the epoch, weighted by these
    numbers, estimate sums over the whole set.
    """
    order = torch.randperm(len(share), generator=generator)
    stands_for = torch.ones(len(losses))
    if not share.easier:
        return order, stands_for
    ranked = losses.cpu().argsort(descending=True, stable=True)
    hard, easy = ranked[: share.hardest], ranked[share.hardest :]
    drawn = easy[torch.randperm(len(easy), generator=generator)[: share.drawn]]
    stands_for[drawn] = share.easier / max(share.drawn, 1)
    return torch.cat([hard, drawn])[order], stands_for


@dataclass
class LastLosses:
    """The loss at which each training picture was last seen; infinite where it never was.

    `before` decides what an epoch shows and does not change during it; `now` collects the losses of that epoch.
    """

    before: Tensor = field(default_factory=lambda: torch.empty(0))
    now: Tensor = field(default_factory=lambda: torch.empty(0))

    def start(self, pictures: int, device: torch.device) -> None:
        """Nothing seen yet, unless a checkpoint says otherwise."""
        if len(self.before) != pictures:
            self.before = torch.full((pictures,), torch.inf)
            self.now = self.before.clone()
        self.before, self.now = self.before.to(device), self.now.to(device)

    def note(self, chosen: Int64[Tensor, " b"], losses: Float[Tensor, " b"]) -> None:
        self.now[chosen.to(self.now.device)] = losses.detach().float()

    def close(self, fabric: Fabric) -> None:
        """After an epoch: of several processes each saw other pictures, and all must choose alike."""
        if fabric.world_size > 1:
            seen = (self.now != self.before).float()
            fresh = torch.where(seen > 0, self.now, torch.zeros_like(self.now))
            fresh, seen = fabric.all_reduce(torch.stack([fresh, seen]), reduce_op="sum")
            self.now = torch.where(seen > 0, fresh / seen.clamp(min=1), self.before)
        self.before = self.now.clone()
