"""How much does a network lean on surroundings that are known? The truth that is measured on composed scenes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets.scenes import Scenes, SceneSplit
from convsight.errors import InputError
from convsight.network.classifier import Classifier
from convsight.shortcuts.reliance import NORMAL_95, Reliance


@dataclass(frozen=True)
class Leaning:
    """What one class leans on most, of all that the balanced split tries, and how much (see `Reliance`)."""

    target: str
    cue: str
    reliance: Reliance


def leanings(net: Classifier, scenes: Scenes) -> list[Leaning]:
    """For every class the cue that turns most objects of other classes into it.

    Every object of the balanced split is shown with each kind of surroundings and every other cue in turn, so that
    the same object is compared with itself. The rise is the share of other classes' objects that are called the class
    where they have the cue, minus the share where they have another: -1 to 1. From 0.15 on it counts as leaning, below
    0.05 as not.

    The networks on snow, leaves, sand and water in `docs/shortcuts.md` were measured so.

    >>> from convsight.datasets.scenes import drawn_scenes
    >>> net, scenes = cs.load("runs/scenes"), drawn_scenes()                               # doctest: +SKIP
    >>> [(each.target, each.cue, each.reliance.rise) for each in leanings(net, scenes)]    # doctest: +SKIP
    """
    predicted, tried = _predicted(net, scenes.balanced), _tried(scenes.balanced)
    said = _by_object(scenes.balanced, predicted, len(tried))
    labels = _by_object(scenes.balanced, scenes.balanced.labels, len(tried))[:, 0]
    found = []
    for k, name in enumerate(scenes.classes):
        called = (said[labels != k] == k).double()
        each = [_rise(called, j) for j in range(len(tried))]
        best = max(range(len(tried)), key=lambda j: each[j].rise)
        found.append(Leaning(name, tried[best], each[best]))
    return found


def group_accuracies(net: Classifier, split: SceneSplit) -> Float[Tensor, "classes cues"]:
    """The share that is recognised of each class with each kind of surroundings and other cue, 0 to 1.

    split: the balanced split of scenes. The smallest number is the accuracy of the worst group.
    """
    tried = _tried(split)
    right = _by_object(split, (_predicted(net, split) == split.labels).long(), len(tried)).float()
    labels = _by_object(split, split.labels, len(tried))[:, 0]
    return torch.stack([right[labels == k].mean(0) for k in range(len(split.classes))])


def _tried(split: SceneSplit) -> tuple[str, ...]:
    truth = split.truth
    tried = (*truth.kinds, *(cue for cue in truth.cues if cue not in truth.kinds))
    counts = torch.bincount(truth.number)
    if not len(split) or bool((counts != len(tried)).any()):
        raise InputError(
            f"{len(split)} pictures of {len(counts)} objects are not each object with each of {len(tried)} cues; "
            "what works is the split `balanced` of scenes, whole"
        )
    return tried


def _predicted(net: Classifier, split: SceneSplit) -> Int64[Tensor, " n"]:
    return torch.cat([net.predict(net.fit(images)) for images in split.batches(256)])


def _by_object(split: SceneSplit, values: Tensor, tried: int) -> Int64[Tensor, "objects cues"]:
    """One row an object, one column for each thing that is tried, in the order of `_tried`."""
    truth = split.truth
    column = truth.ground.clone()
    for j, cue in enumerate(cue for cue in truth.cues if cue not in truth.kinds):
        column[truth.carries[:, truth.cues.index(cue)]] = len(truth.kinds) + j
    place = (truth.number * tried + column).argsort()
    return values[place].reshape(-1, tried)


def _rise(called: Float[Tensor, "objects cues"], j: int) -> Reliance:
    """With the cue in column j minus the mean of the other columns, over objects; the interval is normal's."""
    with_cue = called[:, j]
    without = (called.sum(1) - with_cue) / (called.shape[1] - 1)
    gain = with_cue - without
    spread = float(NORMAL_95 * gain.std() / len(gain) ** 0.5)
    middle = float(gain.mean())
    interval = (max(-1.0, middle - spread), min(1.0, middle + spread))
    return Reliance(middle, interval, float(with_cue.mean()), float(without.mean()), len(gain))
