"""How is a verdict put into words that anyone understands?"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convsight.shortcuts.probes import Probe, Region
from convsight.shortcuts.surroundings import PARTS, Surroundings
from convsight.shortcuts.transplant import Effect

ASPECTS = {
    "border": ("the border", "that border", "borders"),
    "patch": ("a small patch, wherever it is", "that patch", "patches cut from the same places"),
    "background": ("the background's brightness", "that background level", "background levels"),
    "brightness": ("the exposure", "that exposure", "exposures"),
    "colour": ("the tint", "that tint", "tints"),
    "blur": ("the blur", "that blur", "sharpness"),
    "compression": ("the traces of JPEG compression", "those traces", "compression"),
    "overlay": ("a layer that lies over every picture alike", "that layer", "layers"),
    "pattern": ("a fixed fine pattern", "that pattern", "fine structure"),
    "surroundings": ("its surroundings", "those surroundings", "surroundings"),
}
TITLES = {
    "place": "pixels of a place",
    "border": "borders",
    "patch": "patches at any place",
    "background": "background level",
    "brightness": "exposure",
    "colour": "tint",
    "blur": "blur",
    "compression": "JPEG compression",
    "overlay": "fixed layers",
    "pattern": "fixed patterns",
    "surroundings": "surroundings",
}
FEW = 4  # so many other classes are called by their names


def share(value: float) -> str:
    """A share in whole percent, nothing without a sign.

    >>> share(-0.003), share(-0.03), share(0.126)
    ('0%', '-3%', '13%')
    """
    return f"{round(value, 2) + 0.0:.0%}"


def place_of(mask: Tensor) -> str:
    """Where in the picture a mask lies: "top-left corner", "left edge", "middle", "rim" (all around), ...

    >>> import torch
    >>> corner = torch.zeros(28, 28, dtype=torch.bool); corner[1:5, 1:5] = True
    >>> place_of(corner)
    'top-left corner'
    >>> rim = torch.ones(28, 28, dtype=torch.bool); rim[3:-3, 3:-3] = False
    >>> place_of(rim)
    'rim'
    """
    h, w = mask.shape
    y, x = (float(i.float().mean()) for i in mask.nonzero().T)
    vertical = _third((y + 0.5) / h, "top", "bottom")
    horizontal = _third((x + 0.5) / w, "left", "right")
    if vertical and horizontal:
        return f"{vertical}-{horizontal} corner"
    if vertical or horizontal:
        return f"{vertical or horizontal} edge"
    inner = mask[h // 3 : h - h // 3, w // 3 : w - w // 3]
    return "middle" if inner.float().mean() > 0.2 else "rim"


def aspect(probe: Probe) -> tuple[str, str, str]:
    """The cue in words: with an article, with "that", and in the plural for the control."""
    if isinstance(probe, Region) and probe.kind_name == "place":
        place = place_of(probe.where)
        return f"the {place}", f"that {place.split()[-1]}", f"{place.split()[-1]}s"
    if isinstance(probe, Surroundings):
        return (PARTS[probe.part], *ASPECTS["surroundings"][1:])
    return ASPECTS[probe.kind_name]


def claim_around(
    target: str,
    others: Sequence[str],
    probe: Surroundings,
    effect: Effect,
    accuracy: tuple[float, float | None],
    found: bool,
) -> str:
    """The verdict on surroundings in two or three sentences; others: the other classes' names."""
    title = _beginning(target)
    leans = f"{title} leans on {PARTS[probe.part]}."
    if not found:
        leans = f"{title} and {PARTS[probe.part]}: not counted as a shortcut."
    place = f"{PARTS[probe.part].replace('its', 'the')} of"
    whose = listed(others) if len(others) <= FEW else "other classes'"
    given = (
        f" Put in {place} {target} pictures, {effect.flip_rate:.0%} of {whose} pictures are called {target}"
        f" (in other surroundings: {effect.control_rate:.0%})."
    )
    moved = ""
    if found and accuracy[1] is not None:
        moved = (
            f" {title} in other surroundings is recognised {accuracy[1]:.0%} of the time, in its usual ones"
            f" {accuracy[0]:.0%}."
        )
    return leans + given + moved


def claim(
    target: str, probe: Probe, effect: Effect, accuracy: tuple[float, float | None] | None, found: bool
) -> str:
    """The verdict in two or three sentences."""
    (on, that, others), title = aspect(probe), _beginning(target)
    leans = f"{title} leans on {on}." if found else f"{title} and {on}: not counted as a shortcut."
    pasted = (
        f" Giving {that} of {target} pictures to pictures of other classes turns {effect.flip_rate:.0%} of"
        f" them into {target} (other classes' {others}: {effect.control_rate:.0%})."
    )
    without = ""
    if accuracy is not None and accuracy[1] is not None and found:
        without = (
            f" Without it, {target} is recognised {accuracy[1]:.0%} of the time, with it {accuracy[0]:.0%}."
        )
    return leans + pasted + without


def _beginning(name: str) -> str:
    """A class's name at the beginning of a sentence."""
    return name[:1].upper() + name[1:]


def listed(names: Sequence[str]) -> str:
    """`a, b and c`"""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _third(share: float, first: str, last: str) -> str:
    return first if share < 1 / 3 else last if share > 2 / 3 else ""
