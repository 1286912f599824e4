"""Is it the surroundings that turn a picture, or is its object weakened by having been cut out and pasted?

A cut-out loses a paw here and keeps a rim of grass there, so the network is less sure of it, and a slight push turns what
would have stood. How much that is is measured on the picture itself: its object is set into surroundings that look like its
own, and the change of its scores there is taken off its scores in any other surroundings.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.shortcuts.sample import Half
from convsight.shortcuts.surroundings import Surroundings
from convsight.shortcuts.transplant import Effect, channels_last

ALIKE = 2  # surroundings like its own that every object is set into


def steadied(
    net: Classifier,
    half: Half,
    probe: Surroundings,
    target: int,
    onto: Tensor,
    others: Tensor,
    scores: tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]],
    draws: int,
) -> Effect:
    """The effect of surroundings with what pasting alone does taken off, where the control is of a third class.

    onto, others: indices of recipients and of their control donors, pair by pair. scores: of the recipients in the class's
    surroundings, and in those of the control donors. A recipient in the surroundings of its own class, which
    may hold it fast, counts for nothing, unless there are only two classes.
    """
    once = onto[: len(onto) // draws]
    change = disturbance(net, half, probe, once).repeat(draws, 1)
    flipped, control = (turned(net, each - change, target) for each in scores)
    third = half.labels[onto] != half.labels[others]
    if third.any():
        flipped, control = flipped & third, control & third
    return Effect(flipped, control, draws)


def turned(net: Classifier, scores: Float[Tensor, "n k"], target: int) -> Bool[Tensor, " n"]:
    """Which pictures with these scores are called the class."""
    return net.reader.predicted(net.chances(scores)) == target


def disturbance(net: Classifier, half: Half, probe: Surroundings, onto: Tensor) -> Float[Tensor, "n k"]:
    """How the scores of each picture change when its object is set into the most similar surroundings of other pictures."""
    alike = most_alike(half, probe, onto)
    p = half.pixels
    pasted = [net.scores(channels_last(probe.paste(p[onto], p[of]))) for of in alike]
    return torch.stack(pasted).mean(0) - net.scores(channels_last(p[onto]))


def most_alike(half: Half, probe: Surroundings, onto: Tensor) -> list[Tensor]:
    """For each of `onto` the pictures whose surroundings are described most alike, the nearest first, itself left out."""
    able = probe.able(half.pixels).nonzero().flatten()
    values = probe.cutouts.described(half.pixels[able])
    values = (values - values.mean(0)) / values.std(0).clamp(min=1e-6)
    place = torch.searchsorted(able, onto)
    apart = torch.cdist(values[place], values)
    apart[torch.arange(len(onto)), place] = float("inf")
    nearest = apart.topk(min(ALIKE, len(able) - 1), largest=False).indices
    return [able[column] for column in nearest.T]
