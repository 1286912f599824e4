"""How much does a network lean on a cue that is known? This is the truth that an audit is measured against.

A network need not learn a cue that was planted. So the truth is not what was planted but what the network
does: how many more pictures of other classes it calls `target` once the cue is put on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Generator, Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier

RELIES, DOES_NOT = 0.15, 0.05  # rise from which a network leans on a cue, and below which it does not
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Reliance:
    """The rise in flips to one class that the true cue makes, with its 95% interval.

    rise: share of other classes' pictures called the target with the cue, minus the share without, -1 to 1.
    with_cue, without: the two shares. n: pictures.
    """

    rise: float
    interval: tuple[float, float]
    with_cue: float
    without: float
    n: int

    @property
    def learned(self) -> bool | None:
        """True from a rise of 0.15, False below 0.05, None between: neither a shortcut nor clearly none."""
        if self.rise >= RELIES:
            return True
        return False if self.rise < DOES_NOT else None


def reliance(
    net: Classifier,
    images: Images,
    add: Callable[[Images], Images],
    target: int,
    *,
    n: int = 1000,
    seed: int = 0,
) -> Reliance:
    """How many more pictures of other classes become `target` when `add` puts the true cue on them.

    images: labelled pictures without the cue; those of the target are left out, and at most `n` of the others
    (drawn with `seed`) are used. add: for a planted data set `planted.add`. target: index of the class.

    The interval is that of a difference of paired shares (`paired_interval`). Raises InputError without labels.

    >>> import convsight as cs
    >>> from convsight.datasets.planted import Cue
    >>> net, data = cs.load("runs/tagged"), cs.dataset("fashion-mnist")                    # doctest: +SKIP
    >>> reliance(net, data.test[:], Cue("corner_tag").add, target=5).rise                  # doctest: +SKIP
    """
    others = (_labels(images) != target).nonzero().flatten()
    lot = torch.randperm(len(others), generator=Generator().manual_seed(seed))[:n]
    clean = images[others[lot].sort().values]
    before, after = net.predict(clean) == target, net.predict(add(clean)) == target
    low, high = paired_interval(before, after)
    without, with_cue = _share(before), _share(after)
    return Reliance(with_cue - without, (low, high), with_cue, without, len(clean))


def paired_interval(
    before: Bool[Tensor, " n"], after: Bool[Tensor, " n"], z: float = NORMAL_95
) -> tuple[float, float]:
    """Interval of mean(after) - mean(before) where both were seen on the same pictures, half a count added
    to each of the four cells (Agresti and Min 2005, doi 10.1002/sim.1781).

    >>> import torch
    >>> paired_interval(torch.zeros(100, dtype=torch.bool), torch.ones(100, dtype=torch.bool))[0] > 0.94
    True
    """
    n = len(before) + 2
    gained, lost = (int(c.sum()) + 0.5 for c in (after & ~before, before & ~after))
    middle = (gained - lost) / n
    spread = z * math.sqrt(max(gained + lost - (gained - lost) ** 2 / n, 0)) / n
    return max(-1.0, middle - spread), min(1.0, middle + spread)


@dataclass(frozen=True)
class Groups:
    """Accuracy in the four groups that a cue divides labelled pictures into, each 0 to 1.

    A network that leans on the cue is bad at its class without it and at the other classes with it; the data
    it was trained on holds hardly any of either, so its test accuracy does not say so.
    """

    target_with: float
    target_without: float
    others_with: float
    others_without: float

    @property
    def worst(self) -> float:
        """The lower of the two groups that the training data lack."""
        return min(self.target_without, self.others_with)


def groups(net: Classifier, without: Images, with_cue: Images, target: int) -> Groups:
    """How good is the network where the cue agrees with the class, and where it does not?

    without, with_cue: the same labelled pictures, all without and all with the cue. target: index of the class
    the cue belongs to.
    """
    labels = _labels(without)
    own = labels == target
    right, right_cued = net.predict(without) == labels, net.predict(with_cue) == labels
    shares = (_share(group) for group in (right_cued[own], right[own], right_cued[~own], right[~own]))
    return Groups(*shares)


def _labels(images: Images) -> Int64[Tensor, " n"]:
    if images.labels is None:
        raise InputError("labelled pictures are needed, to tell the class of the cue from the others")
    return images.labels


def _share(which: Tensor) -> float:
    return float(which.double().mean()) if len(which) else 0.0
