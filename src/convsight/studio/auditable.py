"""Can this network be audited with these pictures, and if not, what would work?

The page asks this when it opens, so the audit itself is not imported here: its statistics take a second to
load.
"""

from __future__ import annotations

import torch

from convsight.datasets import Dataset, Split
from convsight.network.classifier import Classifier

FEWEST = 12  # pictures of a class, as `audit.sample.draw_sample` asks; half choose a cue, half measure it
WORKS = f"two classes or more with at least {FEWEST} pictures each: --data FOLDER, a sub-folder a class"


def audited_split(data: Dataset) -> Split:
    """The pictures that an audit looks at: those kept for testing, where there are any."""
    return next((data.splits[n] for n in ("test", "validation", "train") if len(data.splits[n])), data.test)


def no_audit(net: Classifier, data: Dataset | None) -> str:
    """Why there can be no audit, and what would work; "" if there can."""
    if not net.one_class:
        return (
            f"{net.name} does not say one class a picture (its task is {net.task!r}); shortcuts are looked for in "
            "networks that tell classes apart. What works: one label against the rest, output=lambda out: out[:, k]."
        )
    if data is None:
        return f"No data set is open with this network. What works: {WORKS}."
    split = audited_split(data)
    if split.labels.ndim != 1 or not split.classes:
        return f"The pictures of {data.name} carry no classes. What works: {WORKS}."
    unknown = [name for name in split.classes if name not in net.classes]
    if unknown:
        return (
            f"The network knows no class {unknown[0]!r}, which {data.name} has. What works: its own classes."
        )
    counts = torch.bincount(split.labels)
    enough, most = int((counts >= FEWEST).sum()), int(counts.max()) if len(counts) else 0
    if enough < 2:
        return (
            f"{data.name} has {len(split):,} pictures, at most {most} of one class: too few to choose a cue on "
            f"one half and measure it on the other. What works: {WORKS}."
        )
    return ""
