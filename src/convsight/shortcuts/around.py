"""Do the surroundings of a class alone turn other classes' objects into it?

The object of every recipient is cut out and set into the surroundings of a picture of the class. As the control it is
set into those of a picture of another class (which may be the recipient's own class) that do not look like the class's.
The effect is how much more often it is called the class in the first than in the second. Whether that is chance, or comes
from cutting out alone, is tested with control pictures of third classes only (`steadied`), because in surroundings of its
own class the recipient keeps its class more easily.
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
from convsight.shortcuts.probes import backgrounds_vary
from convsight.shortcuts.sample import Half, Sample, affordable
from convsight.shortcuts.search import CONFIRM, EXPLORE, WORTH, Tried, carriers, tried_on
from convsight.shortcuts.steadied import steadied, turned
from convsight.shortcuts.surroundings import PARTS, Surroundings, lot
from convsight.shortcuts.transplant import Effect

DRAWS = 3  # donors of each sort that every recipient is measured with; for choosing, one is enough
# a half of the surroundings is named if it does at least the first share of what the whole does, and the other half
# at most the second
ALONE, WITHOUT = 0.9, 0.3
LEAST_ABLE = 6  # pictures of the class, and recipients, whose object can be cut out


def explored_around(net: Classifier, half: Half, target: int, cutouts: Cutouts, seed: int) -> list[Tried]:
    """The surroundings of the class, whole and in halves, tried on the half for choosing; none where too few
    objects can be cut out, or where all pictures lie on one plain level: what is pasted then is the object's remains.
    """
    if not backgrounds_vary(half.pixels):
        return []
    generator = Generator().manual_seed(seed * 1019 + target)
    able = cutouts.able(half.pixels)
    mine, others = ((half.labels == target) & able), ((half.labels != target) & able)
    onto = _recipients(half, able, target, affordable(EXPLORE, half.size), generator)
    if min(len(onto), int(mine.sum())) < LEAST_ABLE:
        return []
    whole = Surroundings(cutouts=cutouts).telling(half.pixels[mine], half.pixels[others])
    donors = _donors(half, half, able, Candidate(whole), target, onto, 1, generator)
    probes = [replace(whole, part=part) for part in PARTS]
    return [tried_on(net, half, Candidate(probe), target, onto, *donors) for probe in probes]


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
    of, others = _donors(half, sample.explore, able, t.candidate, t.target, onto, DRAWS, generator)
    many, p, probe = onto.repeat(DRAWS), half.pixels, t.candidate.probe
    assert isinstance(probe, Surroundings)
    there, elsewhere = (net.scores(probe.paste(p[many], p[donors])) for donors in (of, others))
    effect = Effect(turned(net, there, t.target), turned(net, elsewhere, t.target), DRAWS)
    steady = steadied(net, half, probe, t.target, many, others, (there, elsewhere), DRAWS)
    return Tried(t.target, t.candidate, half, effect, many, of, others, steady)


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
    """For every recipient `draws` times a picture of the class that has its usual surroundings, and another picture
    whose surroundings are not like those, of every other class as likely.
    """
    usual, _ = carriers(candidate, half, reference, target)
    usual = usual[able[usual]]
    mine = usual if len(usual) else (able & (half.labels == target)).nonzero().flatten()
    of = lot(mine, draws * len(onto), generator)
    unlike = able & (candidate.probe.strength(half.pixels) <= candidate.probe.limit(torch.zeros(0)))
    pools = []
    for k in half.labels.unique().tolist():
        members = able & (half.labels == k)
        pool = members & unlike if int((members & unlike).sum()) > 1 else members
        if k != target and int(pool.sum()) > 1:
            pools.append(pool.nonzero().flatten())
    pools = pools or [(able & (half.labels != target)).nonzero().flatten()]
    others = torch.stack([lot(pool, len(of), generator) for pool in pools])
    chosen = torch.randint(len(pools), (len(of),), generator=generator)
    others = others[chosen, torch.arange(len(of))]
    return of, _another(others, onto.repeat(draws), pools, chosen)


def _another(others: Tensor, onto: Tensor, pools: list[Tensor], chosen: Tensor) -> Tensor:
    """The same donors, with the next of its class for a recipient that would get its own surroundings back."""
    same = others == onto
    after = torch.zeros_like(others)
    for k, pool in enumerate(pools):
        here = chosen == k
        after[here] = pool[(torch.searchsorted(pool, others[here]) + 1) % len(pool)]
    return torch.where(same, after, others)
