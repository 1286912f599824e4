"""Can this network be audited with these pictures, and if not, what would work?

The page asks this when it opens, so the audit itself is not imported here: its statistics take a second to
load.
"""

from __future__ import annotations

import torch

from convsight.datasets import Dataset
from convsight.features.selection import Selection
from convsight.network.classifier import Classifier
from convsight.shortcuts.pictures import FEWEST, split_to_audit

WORKS = f"two classes or more with at least {FEWEST} pictures each: --data FOLDER, a sub-folder a class"


def no_audit(net: Classifier, data: Dataset | None) -> str:
    """Why there can be no audit, and what would work; "" if there can."""
    if not net.one_class:
        return (
            f"{net.name} does not say one class a picture (its task is {net.task!r}); shortcuts are looked for in "
            "networks that tell classes apart. What works: one label against the rest, output=lambda out: out[:, k]."
        )
    if data is None:
        return f"No data set is open with this network. What works: {WORKS}."
    pictures = Selection.of(data, split_to_audit(data))
    if pictures.labels is None or not pictures.classes:
        return f"The pictures of {data.name} carry no classes. What works: {WORKS}."
    unknown = [name for name in pictures.classes if name not in net.classes]
    if unknown:
        return (
            f"The network knows no class {unknown[0]!r}, which {data.name} has. What works: its own classes."
        )
    counts = torch.bincount(pictures.labels)
    enough, most = int((counts >= FEWEST).sum()), int(counts.max()) if len(counts) else 0
    if enough < 2:
        return (
            f"{data.name} has {len(pictures):,} pictures, at most {most} of one class: too few to choose a cue on "
            f"one half and measure it on the other. What works: {WORKS}."
        )
    return ""
