"""Which candidate explains a class best, and does it hold on pictures that had no part in choosing it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from convsight.network.classifier import Classifier
from convsight.shortcuts.candidates import Candidate, Patterns, candidates
from convsight.shortcuts.grating import Grating
from convsight.shortcuts.overlay import Overlay
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.probes import Region
from convsight.shortcuts.sample import Half, Sample, affordable
from convsight.shortcuts.transplant import Effect, transplant

EXPLORE, CONFIRM = 96, 400  # recipients a candidate is tried on, and those that it is measured on
WORTH = 0.05  # least difference of flip rates for a candidate to be measured
LEAST = 0.08  # a cue counts as found if the lower end of its interval is above this
LEVEL = 0.01  # and if its p-value, corrected by Holm for everything that was measured, is below this
ENOUGH = 0.8  # the explanation is the smallest change with at least this share of the best one's effect
SAME = 0.3  # with this share of a pattern inside a place, the place is the better description
WHOLE = 0.5  # ... provided that it has this share of the pattern's effect


@dataclass(frozen=True, eq=False)
class Tried:
    """A candidate, the pictures of a half that it was tried on, and what it did to them.

    steadied: of surroundings that were measured, the effect that is tested (see `steadied`); else the effect itself is.
    """

    target: int
    candidate: Candidate
    half: Half
    effect: Effect
    onto: Tensor
    of: Tensor
    others: Tensor
    steadied: Effect | None = None

    @property
    def p_value(self) -> float:
        return (self.steadied or self.effect).p_value

    @property
    def margin(self) -> float:
        return self.candidate.margin

    @property
    def worth(self) -> float:
        return self.effect.difference - self.margin


def explored(net: Classifier, half: Half, target: int, patterns: Patterns, seed: int) -> list[Tried]:
    """Every candidate of the class tried on the half for choosing."""
    generator = Generator().manual_seed(seed * 1009 + target)
    onto = half.recipients(target, affordable(EXPLORE, half.size), generator)
    # the network predicts this class for every picture, so that none is left that could turn into it
    if not len(onto):
        return []
    race = affordable(EXPLORE, half.size) < EXPLORE
    return [
        _try(net, candidate, target, half, half, onto, generator, race)
        for candidate in candidates(net, half, target, patterns, generator)
    ]


def chosen(tried: list[Tried], own: Callable[[Tried], bool] = lambda t: False) -> Tried | None:
    """The smallest change that explains most of what the best candidate does; None if none does enough."""
    places = [t for t in tried if t.margin == 0 and t.worth >= WORTH]
    tried = [t for t in tried if not own(t) and not _in_a_place(t, places)]
    best = max((t.worth for t in tried), default=0.0)
    if best < WORTH:
        return None
    enough = [t for t in tried if t.worth >= ENOUGH * best]
    # waves describe a pattern better than a fit to each pixel
    if any(isinstance(t.candidate.probe, Grating) for t in enough):
        enough = [t for t in enough if type(t.candidate.probe) not in (Pattern, Overlay)]
    return min(enough, key=_changed)


def confirmed(net: Classifier, sample: Sample, t: Tried, seed: int) -> Tried | None:
    """The chosen candidate measured on the other half, on as many recipients as there are; None if there are none."""
    generator = Generator().manual_seed(seed * 1013 + t.target)
    onto = sample.confirm.recipients(t.target, affordable(CONFIRM, sample.size), generator)
    if not len(onto):
        return None
    return _try(net, t.candidate, t.target, sample.confirm, sample.explore, onto, generator)


def carriers(candidate: Candidate, half: Half, reference: Half, target: int) -> tuple[Tensor, bool]:
    """The class's pictures that carry the aspect (most often: have more of it than 98% of other classes'), and
    True if they are enough to tell the class; else all of its pictures and False.
    """
    of = half.of(target)
    others = (reference.labels != target).nonzero().flatten()
    others = others[:: len(others) // affordable(len(others), half.size)]
    limit = candidate.probe.limit(candidate.probe.strength(reference.pixels[others]))
    has = candidate.probe.strength(half.pixels[of]) > limit
    return (of[has], True) if float(has.float().mean()) > 0.2 else (of, False)


def _try(
    net: Classifier,
    candidate: Candidate,
    target: int,
    half: Half,
    reference: Half,
    onto: Tensor,
    generator: Generator,
    race: bool = False,
) -> Tried:
    """The candidate's effect on `onto`. `race`: a part of objects whose effect on a third of the recipients
    is below half of its margin is not tried on the others, as it could hardly reach the margin there (2% of
    those that turn half do).
    """
    members, _ = carriers(candidate, half, reference, target)
    of = members[torch.randint(len(members), (len(onto),), generator=generator)]
    others = half.others(target, len(onto), generator)
    third = len(onto) // 3
    if race and candidate.margin and third:
        tried = tried_on(net, half, candidate, target, *(index[:third] for index in (onto, of, others)))
        if tried.effect.difference < candidate.margin / 2:
            return tried
    return tried_on(net, half, candidate, target, onto, of, others)


def tried_on(
    net: Classifier, half: Half, candidate: Candidate, target: int, onto: Tensor, of: Tensor, others: Tensor
) -> Tried:
    """The candidate carried over to the recipients `onto` from donors of the class, and from `others` as the control."""
    p = half.pixels
    effect = transplant(net, candidate.probe, target, p[onto], p[of], p[others])
    return Tried(target, candidate, half, effect, onto, of, others)


def _in_a_place(t: Tried, places: Sequence[Tried]) -> bool:
    """Whether a pattern lies mostly inside a tag or a frame, which is a candidate of its own without objects'
    outlines.

    A place with less than half of the pattern's effect is only a piece of the pattern.
    """
    pattern = t.candidate.probe
    return isinstance(pattern, Pattern | Overlay) and any(
        isinstance(place.candidate.probe, Region)
        and place.worth >= WHOLE * t.worth
        and pattern.share_in(place.candidate.probe.where) > SAME
        for place in places
    )


def _changed(t: Tried) -> float:
    """The mean change of a pixel, over some of the pictures."""
    onto, of = t.half.pixels[t.onto[:32]], t.half.pixels[t.of[:32]]
    return float((t.candidate.probe.paste(onto, of) - onto).abs().mean())
