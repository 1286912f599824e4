"""Does an aspect alone turn pictures into the class, and more often than the same aspect taken from other
classes?
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from convsight.network.classifier import Classifier
from convsight.shortcuts.probes import Probe


@dataclass(frozen=True, eq=False)
class Effect:
    """Which recipients became the class with the class's own aspect, and which with that of other classes.

    draws: how often every recipient was tried, each time with other donors; the recipients come `draws` times
    one after another. What chance there is in the donors is averaged out; the recipients are what is counted.
    """

    flipped: Bool[Tensor, " n"]
    control: Bool[Tensor, " n"]
    draws: int = 1

    @property
    def n(self) -> int:
        """The number of recipients."""
        return len(self.flipped) // self.draws

    @property
    def flip_rate(self) -> float:
        return float(self.flipped.float().mean())

    @property
    def control_rate(self) -> float:
        return float(self.control.float().mean())

    @property
    def difference(self) -> float:
        return self.flip_rate - self.control_rate

    @property
    def steps(self) -> Float[Tensor, " n"]:
        """For each recipient how much more often the class's own aspect turned it, -1 to 1."""
        return (self.flipped.double() - self.control.double()).view(self.draws, self.n).mean(0)

    @property
    def p_value(self) -> float:
        """McNemar's exact test, one-sided: of the recipients that differ, how many favour the class. With
        several draws this is the sign test.
        """
        for_it, against = int((self.steps > 0).sum()), int((self.steps < 0).sum())
        return binomial_tail(for_it, for_it + against)

    def interval(self, seed: int = 0, rounds: int = 2000) -> tuple[float, float]:
        """95% interval of the difference, recipients drawn anew (percentile bootstrap)."""
        values, counts = self.steps.unique(return_counts=True)
        generator = Generator().manual_seed(seed)
        drawn = torch.multinomial(counts / self.n, self.n * rounds, True, generator=generator)
        means = values[drawn].view(rounds, self.n).mean(1).sort().values
        return float(means[int(0.025 * rounds)]), float(means[int(0.975 * rounds) - 1])


def transplant(
    net: Classifier, probe: Probe, target: int, onto: Tensor, of_class: Tensor, of_others: Tensor
) -> Effect:
    """What carrying the aspect over does to each of `onto`, with donors of the class and of other classes."""
    flipped = net.predict(channels_last(probe.paste(onto, of_class))) == target
    control = net.predict(channels_last(probe.paste(onto, of_others))) == target
    return Effect(flipped, control)


def channels_last(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """The same pictures, with a pixel's channels side by side in memory: on a processor networks take half to three
    quarters of the time for them (max pooling a fifth) and say the same to a millionth.
    """
    return pixels.contiguous(memory_format=torch.channels_last)


def binomial_tail(successes: int, n: int) -> float:
    """The probability of at least that many heads in n fair throws; 1 for no throws.

    >>> binomial_tail(9, 10)
    0.0107421875
    """
    return sum(math.comb(n, i) for i in range(successes, n + 1)) / 2**n if n else 1.0


def holm(p_values: list[float]) -> list[float]:
    """p-values adjusted for having made them all (Holm 1979): each claim stands at its own adjusted value.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = worst
    return adjusted
