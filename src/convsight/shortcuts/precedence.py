"""Is it the artefact, the surroundings, or both? An artefact lies in the surroundings, and snow has a tint."""

from __future__ import annotations

from convsight.shortcuts.exposure import Cast, Gain
from convsight.shortcuts.grating import Grating
from convsight.shortcuts.overlay import Overlay
from convsight.shortcuts.patch import Patch
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.probes import Region
from convsight.shortcuts.search import ENOUGH, Tried

STAMPS = (Region, Pattern, Overlay, Grating, Patch)  # the same pixels in every picture: not what nature does
LIGHT = (Cast, Gain)  # what surroundings have too
TRAIT = 0.95  # so that these must do nearly as much as the surroundings which have them


def told_apart(artefact: Tried | None, around: Tried | None) -> list[Tried]:
    """What is to be said of a class, from its best artefact and its surroundings, both measured.

    Transplanted surroundings bring along every artefact that lies in them. So an artefact that is the same in all
    pictures and does most of what they do (`ENOUGH`) is the explanation. A tint or an exposure is the explanation
    only if it does nearly as much as they do (`TRAIT`): surroundings have a tint too, and giving that alone to a
    picture is a part of giving the surroundings. A window whose content varies never explains them. Otherwise the surroundings
    are named, and beside them an artefact that is the same in all pictures, as it has an effect of its own.
    """
    if around is None or artefact is None:
        return [t for t in (artefact, around) if t is not None]
    stamp = isinstance(artefact.candidate.probe, STAMPS) and not artefact.margin
    share = TRAIT if isinstance(artefact.candidate.probe, LIGHT) else ENOUGH
    if not artefact.margin and artefact.worth >= share * around.effect.difference:
        return [artefact]
    return [around, artefact] if stamp else [around]
