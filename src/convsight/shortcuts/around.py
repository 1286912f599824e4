"""Do the surroundings of a class alone turn other classes' objects into it?

Every recipient keeps its own object, set into the surroundings of a picture of the class, and, as the control, of
a picture of a third class: neither the class nor the recipient's own, whose surroundings would hold it fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Generator, Tensor

from convsight.network.classifier import Classifier
from convsight.shortcuts.candidates import Candidate
from convsight.shortcuts.cutouts import Cutouts
from convsight.shortcuts.sample import Half, Sample, affordable
from convsight.shortcuts.search import CONFIRM, EXPLORE, WORTH, Tried, carriers
from convsight.shortcuts.surroundings import PARTS, Surroundings, lot
from convsight.shortcuts.transplant import Effect, transplant

DRAWS = 3  # donors of each sort that every recipient is measured with; for choosing, one is enough
ALONE, WITHOUT = (
    0.9,
    0.3,
)  # a half of the surroundings is named if it does so much of the whole, and the other so little
LEAST_ABLE = 6  # pictures of the class, and recipients, whose object can be cut out


def explored_around(net: Classifier, half: Half, target: int, cutouts: Cutouts, seed: int) -> list[Tried]:
    """The surroundings of the class, whole and in halves, tried on the half for choosing; none where too few
    objects can be cut out.
    """
    generator = Generator().manual_seed(seed * 1019 + target)
    able = cutouts.able(half.pixels)
    mine, others = ((half.labels == target) & able), ((half.labels != target) & able)
    onto = _recipients(half, able, target, affordable(EXPLORE, half.size), generator)
    if min(len(onto), int(mine.sum())) < LEAST_ABLE:
        return []
    whole = Surroundings(cutouts=cutouts).telling(half.pixels[mine], half.pixels[others])
    donors = _donors(half, half, able, Candidate(whole), target, onto, 1, generator)
    probes = [replace(whole, part=part) for part in PARTS]
    return [_measured(net, half, Candidate(probe), target, onto, *donors) for probe in probes]


def chosen_around(tried: Sequence[Tried]) -> Tried | None:
    """The whole surroundings, or the half of them that does what the whole does while the other does little;
    None if it is not worth measuring.
    """
    if not tried:
        return None
    whole, *halves = tried
    best = max(halves, key=lambda t: t.worth)
    least = min(t.worth for t in halves)
    part = best.worth >= ALONE * whole.worth and least <= WITHOUT * whole.worth
    one = best if part else whole
    return one if one.worth >= WORTH else None


def confirmed_around(net: Classifier, sample: Sample, t: Tried, seed: int) -> Tried | None:
    """The chosen part measured on the other half; None where too few objects can be cut out there."""
    generator = Generator().manual_seed(seed * 1021 + t.target)
    half = sample.confirm
    able = t.candidate.probe.able(half.pixels)
    onto = _recipients(half, able, t.target, affordable(CONFIRM, half.size), generator)
    if min(len(onto), int((able & (half.labels == t.target)).sum())) < LEAST_ABLE:
        return None
    donors = _donors(half, sample.explore, able, t.candidate, t.target, onto, DRAWS, generator)
    return _measured(net, half, t.candidate, t.target, onto, *donors)


def _recipients(half: Half, able: Tensor, target: int, n: int, generator: Generator) -> Int64[Tensor, " n"]:
    fit = half.recipients(target, len(half.pixels), generator)
    return fit[able[fit]][:n]


def _donors(
    half: Half,
    reference: Half,
    able: Tensor,
    candidate: Candidate,
    target: int,
    onto: Tensor,
    draws: int,
    generator: Generator,
) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"]]:
    """For every recipient `draws` times a picture of the class that has its usual surroundings, and one of a
    third class; where there is none, another of the recipient's own.
    """
    usual, _ = carriers(candidate, half, reference, target)
    usual = usual[able[usual]]
    mine = usual if len(usual) else (able & (half.labels == target)).nonzero().flatten()
    of = lot(mine, draws * len(onto), generator)
    others = torch.empty_like(of)
    labels = half.labels[onto.repeat(draws)]
    for k in labels.unique().tolist():
        third = able & (half.labels != target) & (half.labels != k)
        pool = third if third.any() else able & (half.labels == k)
        here = labels == k
        others[here] = lot(pool.nonzero().flatten(), int(here.sum()), generator)
    return of, others


def _measured(
    net: Classifier, half: Half, candidate: Candidate, target: int, onto: Tensor, of: Tensor, others: Tensor
) -> Tried:
    draws = len(of) // len(onto)
    many, p = onto.repeat(draws), half.pixels
    effect = transplant(net, candidate.probe, target, p[many], p[of], p[others])
    return Tried(target, candidate, half, Effect(effect.flipped, effect.control, draws), many, of, others)
