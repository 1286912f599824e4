"""Which variations of a picture would change its label, or cannot be made here? They are left out, and that is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from convsight.errors import MissingExtra
from convsight.training.augment import Augment
from convsight.training.photo_augment import can_vary_photos

SIDES = {"left", "right", "links", "rechts", "clockwise", "counterclockwise", "anticlockwise"}
COLOURS = {
    "red", "green", "blue", "yellow", "orange", "purple", "violet", "pink", "brown", "black", "white", "grey", "gray",
    "golden", "silver", "ripe", "unripe",
}  # fmt: skip


def harmless(augment: Augment, task: str, classes: Sequence[str]) -> tuple[Augment, tuple[str, ...]]:
    """The variations that keep the label a person would give, and a sentence for each that was left out.

    Letters, digits and classes told by a side are not mirrored; classes told by a colour keep theirs; where something
    is, or how many there are, does not survive a crop.
    """
    kept, told = augment, []
    words = {word for name in classes for word in re.split(r"[^a-z]+", name.lower()) if word}
    if kept.flip and (words & SIDES or _signs(classes)):
        kept = replace(kept, flip="")
        told.append("Pictures are not mirrored: the classes' names say that their sides matter.")
    if kept.colour and kept.hues and (named := sorted(words & COLOURS)):
        kept = replace(kept, hues=False)
        told.append(f"Colours are not varied, only light: classes are called {', '.join(named[:4])}.")
    if kept.crop and task in ("regress", "locate"):
        kept = replace(kept, crop=0.0)
        told.append("Pictures are not cropped: the numbers to tell may depend on what would be cut away.")
    return kept, tuple(told)


def makeable(augment: Augment, asked: bool) -> tuple[Augment, tuple[str, ...]]:
    """The variations that can be made with what is installed, and a sentence about those that cannot.

    A recipe goes on without crops and colours where torchvision is missing. Where they were `asked` for by name,
    MissingExtra is raised, before anything is computed.
    """
    if not (augment.crop or augment.colour) or can_vary_photos():
        return augment, ()
    if asked:
        raise MissingExtra("torchvision", "vision", "cropping or recolouring training pictures")
    return replace(augment, crop=0.0, colour=0.0), (
        "Pictures are not cropped, lit or coloured differently while the network learns: that needs torchvision, which"
        " is not installed. pip install 'convsight[vision]' brings it, and often makes the network better.",
    )


def _signs(classes: Sequence[str]) -> bool:
    """Whether the classes are letters or digits: most of them have a name of one sign."""
    return bool(classes) and sum(len(name.strip()) == 1 for name in classes) > len(classes) / 2
