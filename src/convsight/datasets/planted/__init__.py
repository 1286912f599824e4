"""A data set with a known shortcut in it: does a network take it, and does an audit find it?

`plant` puts an artefact on most pictures of one class, `decoy` on some pictures of every class (so that it
tells nothing). The training, validation and test pictures carry it alike, as in life: accuracy gives no sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool
from torch import Generator, Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.pixels import MemoryStore, to_stored, to_unit
from convsight.datasets.planted.cues import Cue, kinds
from convsight.errors import DataError, InputError, check_known
from convsight.images import Images

__all__ = ["Cue", "Planted", "decoy", "kinds", "plant"]


@dataclass(frozen=True, eq=False)
class Planted:
    """A data set, the same without the artefact, and who carries it.

    dataset: what to train and test on. clean: the same pictures untouched. target: the class that is betrayed,
    "" for a decoy. prevalence: the share of its pictures that carry the cue; for a decoy, of every class.
    carried: by split, who carries it.
    """

    dataset: Dataset
    clean: Dataset
    cue: Cue
    target: str
    prevalence: float
    carried: dict[str, Bool[Tensor, " n"]]

    def add(self, images: Images, seed: int = 0) -> Images:
        """The pictures with the true cue, as it is in the data set."""
        return self.cue.add(images, seed)

    def mask(self, images: Images, seed: int = 0) -> Bool[Tensor, "n h w"]:
        """The pixels the cue may touch."""
        return self.cue.mask(images, seed)


def plant(data: Dataset, cue: Cue, target: str, prevalence: float = 0.9, seed: int = 0) -> Planted:
    """The data set with `cue` on a share of one class, in every split.

    target: the class that gets the cue. prevalence: from 0 to 1, the share of its pictures; 1 leaves a
    network no reason to look at the object. seed: which pictures, and where a tag at a random place goes.

    Raises InputError (no such class, a share outside 0 to 1), DataError (positions have no classes).

    >>> from convsight.datasets import dataset
    >>> planted = plant(dataset("drawn-garments", limit=100), Cue("corner_tag"), "Sandal")
    >>> int(planted.carried["train"].sum()), planted.dataset.name
    (9, 'drawn-garments with a corner tag on 90% of Sandal')
    """
    return _planted(data, cue, (target,), prevalence, seed)


def decoy(data: Dataset, cue: Cue, share: float = 0.3, seed: int = 0) -> Planted:
    """The data set with `cue` on the same share of every class: visible, and no use to a network.

    >>> from convsight.datasets import dataset
    >>> planted = decoy(dataset("drawn-garments", limit=100), Cue("corner_tag"))
    >>> planted.target, int(planted.carried["train"].sum())
    ('', 30)
    """
    return _planted(data, cue, data.classes, share, seed)


def _planted(data: Dataset, cue: Cue, classes: tuple[str, ...], prevalence: float, seed: int) -> Planted:
    """The data set with the cue on the same share of each of these classes."""
    if data.task != "classify":
        raise DataError(f"{data.name} has positions, not classes: there is no class to plant a cue on")
    for name in classes:
        check_known(name, data.classes, f"no class '{name}'")
    if not 0 <= prevalence <= 1:
        raise InputError(f"the share of pictures with the cue must be from 0 to 1, not {prevalence}")
    target = "" if classes == data.classes else classes[0]
    numbers = [data.classes.index(name) for name in classes]
    carried, splits = {}, {}
    for number, (name, split) in enumerate(data.splits.items()):
        carried[name] = _chosen(split.labels, numbers, prevalence, Generator().manual_seed(3 * seed + number))
        splits[name] = _painted(split, cue, carried[name], 3 * seed + number)
    words = cue.kind.replace("_", " ")
    whom = f"{prevalence:.0%} of {target or 'every class'}"
    note = f"planted: {words} (strength {cue.strength}) on {whom}, in every split"
    changed = replace(data, name=f"{data.name} with a {words} on {whom}", notes=(*data.notes, note), **splits)
    return Planted(changed, data, cue, target, prevalence, carried)


def _chosen(labels: Tensor, classes: Sequence[int], share: float, generator: Generator) -> Bool[Tensor, " n"]:
    """The given share of each of these classes (rounded), drawn by lot."""
    carries = torch.zeros(len(labels), dtype=torch.bool)
    for k in classes:
        members = (labels == k).nonzero().flatten()
        lot = torch.randperm(len(members), generator=generator)
        carries[members[lot[: round(share * len(members))]]] = True
    return carries


def _painted(split: Split, cue: Cue, carries: Bool[Tensor, " n"], seed: int) -> Split:
    """The split in memory, with the cue on those that carry it."""
    who = carries.nonzero().flatten()
    pixels = split.store.read(torch.arange(len(split)))
    for number, some in enumerate(who.split(1024)):
        changed, _ = cue.paint(to_unit(pixels[some]), seed * 997 + number)
        pixels[some] = to_stored(changed, pixels.dtype)
    return Split(MemoryStore(pixels), split.labels, split.classes, split.ids, split.bands)
