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
from convsight.shortcuts.probes import surroundings_vary
from convsight.shortcuts.sample import Half, Sample, affordable
from convsight.shortcuts.search import CONFIRM, EXPLORE, LEAST, LEVEL, Tried, carriers, tried_on
from convsight.shortcuts.steadied import steadied, turned
from convsight.shortcuts.surroundings import PARTS, Surroundings, lot
from convsight.shortcuts.transplant import Effect, channels_last

DRAWS = 3  # donors of each sort that every recipient is measured with; for choosing, one is enough
# a half of the surroundings is named if it does at least the first share of what the whole does, and the other half
# at most the second
ALONE, WITHOUT = 0.9, 0.3
WORTH = 0.03  # least difference of flip rates, on the half for choosing, for surroundings to be measured
SURE = LEVEL / 10  # the p-value with which one half is enough
LEAST_ABLE = 6  # pictures of the class, and recipients, whose object can be cut out


def explored_around(net: Classifier, half: Half, target: int, cutouts: Cutouts, seed: int) -> list[Tried]:
    """The surroundings of the class, whole and in halves, tried on the half for choosing; none where too few
    objects can be cut out, or where most pictures lie on one plain level: what is pasted then is the object's remains.
    """
    if not surroundings_vary(half.pixels, half.labels):
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
    """The whole surroundings, or the half of them that does what the whole does while the other does little, and surely
    less (sign test on the same recipients and donors); None if it is not worth measuring.
    """
    if not tried:
        return None
    whole, *halves = tried
    least, best = sorted(halves, key=lambda t: t.worth)
    part = best.worth >= ALONE * whole.worth and least.worth <= WITHOUT * whole.worth
    surely = Effect(best.effect.flipped, least.effect.flipped).p_value < LEVEL
    one = best if part and surely else whole
    return one if one.worth >= WORTH else None


def confirmed_around(net: Classifier, sample: Sample, t: Tried, seed: int) -> Tried | None:
    """The chosen part measured on the other half; None where too few objects can be cut out there.

    Where that settles nothing, it is also measured on the half for choosing, with the class's usual surroundings learned
    from the other, and both count together. The first look asks a
    tenth of the p-value that is asked in the end, so that two looks hardly raise the chance of a false alarm.
    """
    probe = t.candidate.probe
    assert isinstance(probe, Surroundings)
    first = _measured(net, sample.confirm, sample.explore, probe, t.target, seed * 1021)
    if first is None or settled(first):
        return first
    half = sample.confirm
    mine = probe.able(half.pixels) & (half.labels == t.target)
    others = probe.able(half.pixels) & (half.labels != t.target)
    again = probe.telling(half.pixels[mine], half.pixels[others])
    second = _measured(net, sample.explore, half, again, t.target, seed * 1021 + 500_009)
    return first if second is None else joined(first, second)


def settled(t: Tried) -> bool:
    """Whether more recipients would not change what is said: the interval lies clearly on one side of `LEAST`."""
    low, high = t.effect.interval()
    return high < LEAST or (low > LEAST and t.p_value < SURE)


def joined(first: Tried, second: Tried) -> Tried:
    """The recipients of two halves as those of one, with the first one's candidate."""
    half, n = first.half.joined(second.half), len(first.half.pixels)
    draws = first.effect.draws

    def both(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a.view(draws, -1), b.view(draws, -1)], 1).flatten()

    def effect(a: Effect, b: Effect) -> Effect:
        return Effect(both(a.flipped, b.flipped), both(a.control, b.control), draws)

    onto, of, others = (
        both(getattr(first, name), getattr(second, name) + n) for name in ("onto", "of", "others")
    )
    assert first.steadied is not None and second.steadied is not None
    steady = effect(first.steadied, second.steadied)
    return Tried(
        first.target, first.candidate, half, effect(first.effect, second.effect), onto, of, others, steady
    )


def _measured(
    net: Classifier, half: Half, reference: Half, probe: Surroundings, target: int, seed: int
) -> Tried | None:
    """The effect on one half, with donors that the reference says have the class's usual surroundings."""
    generator = Generator().manual_seed(seed + target)
    able, candidate = probe.able(half.pixels), Candidate(probe)
    onto = _recipients(half, able, target, affordable(CONFIRM, half.size), generator)
    if min(len(onto), int((able & (half.labels == target)).sum())) < LEAST_ABLE:
        return None
    of, others = _donors(half, reference, able, candidate, target, onto, DRAWS, generator)
    many, p = onto.repeat(DRAWS), half.pixels
    there, elsewhere = (net.scores(channels_last(probe.paste(p[many], p[donors]))) for donors in (of, others))
    effect = Effect(turned(net, there, target), turned(net, elsewhere, target), DRAWS)
    steady = steadied(net, half, probe, target, many, others, (there, elsewhere), DRAWS)
    return Tried(target, candidate, half, effect, many, of, others, steady)


def _recipients(half: Half, able: Tensor, target: int, n: int, generator: Generator) -> Int64[Tensor, " n"]:
    fit = (able & (half.labels != target)).nonzero().flatten()
    return fit[torch.randperm(len(fit), generator=generator)][:n]


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
