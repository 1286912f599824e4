"""What would a statistic alone tell? Image properties that predict the class without a look at the object.

Each property is cut into eight equally filled stretches; the class that is commonest in a stretch of the training folds
is said of the pictures of the fold held out. Every class counts the same, so that chance is 1/k. Torralba & Efros 2011
("Unbiased look at dataset bias") show how far such properties reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.checking.finding import Finding
from convsight.checking.properties import Properties
from convsight.checking.subject import CheckedPictures
from convsight.training.cross_validation import out_of_fold
from convsight.training.folds import folds

STRETCHES = 8
FOLDS = 5
SKILL = 0.25  # of the way from chance to certainty that a property must go to be a finding
LEAST = 40  # pictures, below which nothing can be said


@dataclass(frozen=True)
class Told:
    """How far one property, or all together, tell the class: mean recall of the classes, out of fold, and chance."""

    name: str
    recall: float
    chance: float
    best: int = -1  # the class that it tells best
    best_recall: float = 0.0

    @property
    def skill(self) -> float:
        """0 for chance, 1 for certainty."""
        return (self.recall - self.chance) / (1 - self.chance)


def tell(properties: Properties, labels: Int64[Tensor, " n"], k: int, seed: int = 0) -> list[Told]:
    """What each property tells of the class, and all of them together (named ""), the best first.

    Empty where the pictures are too few to say.
    """
    counts = torch.bincount(labels, minlength=k)
    present = (counts >= FOLDS).nonzero()[:, 0]
    if len(labels) < LEAST or len(present) < 2:
        return []
    keep = torch.isin(labels, present)
    labels, values = labels[keep], properties.values[keep]
    fold = folds(len(labels), FOLDS, labels=labels, seed=seed)
    told, codes = [], []
    for column, name in enumerate(properties.names):
        code = _stretches(values[:, column])
        if code is None:
            continue
        codes.append(torch.nn.functional.one_hot(code, STRETCHES + 1).float())
        told.append(_told(name, _by_stretch(code, labels, fold, k), labels, present))
    if len(codes) > 1:
        said = out_of_fold(torch.cat(codes, 1), labels, FOLDS, seed, n_outputs=k, strengths=[0.03])
        told.append(_told("", said.argmax(1), labels, present))
    return sorted(told, key=lambda each: -each.recall)


def _told(name: str, said: Tensor, labels: Tensor, present: Tensor) -> Told:
    recalls = torch.stack([(said[labels == c] == c).float().mean() for c in present])
    best = int(recalls.argmax())
    return Told(name, float(recalls.mean()), 1 / len(present), int(present[best]), float(recalls[best]))


def _stretches(values: Float[Tensor, " n"]) -> Int64[Tensor, " n"] | None:
    """Which of eight equally filled stretches each value is in, 8 for unknown ones; None if all are the same."""
    known = values[~values.isnan()]
    if not len(known) or float(known.max() - known.min()) < 1e-6:
        return None
    edges = torch.quantile(known, torch.arange(1, STRETCHES) / STRETCHES).unique()
    code = torch.bucketize(values.nan_to_num(0.0), edges, right=True)
    return torch.where(values.isnan(), STRETCHES, code)


def _by_stretch(code: Tensor, labels: Tensor, fold: Tensor, k: int) -> Int64[Tensor, " n"]:
    """The class that each picture's stretch has most of in the other folds, relative to how many it has at all."""
    said = torch.zeros_like(labels)
    for number in range(FOLDS):
        kept, held = fold != number, fold == number
        counts = torch.zeros(STRETCHES + 1, k)
        counts.index_put_((code[kept], labels[kept]), torch.ones(int(kept.sum())), accumulate=True)
        share = counts / torch.bincount(labels[kept], minlength=k).clamp(min=1)
        said[held] = share.argmax(1)[code[held]]
    return said


def telling(subject: CheckedPictures, properties: Properties, told: list[Told]) -> Iterator[Finding]:
    """A row for each property that tells the class, shown by an ordinary picture of the class it tells best."""
    labels = subject.labels
    assert labels is not None  # the caller asked about them
    for each in told:
        if not each.name or each.skill < SKILL:
            continue
        name = subject.classes[each.best]
        values = properties.of(each.name)
        own = (labels == each.best) & ~values.isnan()
        index = int(torch.where(own, (values - values[own].median()).abs(), torch.inf).argmin())
        yield Finding(
            subject.chosen.ids[index], "statistic", name, "", round(each.recall, 3), subject.chosen.splits[index], "",
            f"The {each.name} alone tells the class of {each.recall:.0%} (chance {each.chance:.0%}), of {name} "
            f"{each.best_recall:.0%}: {name} has a median of {float(values[own].median()):.3g}, the others of "
            f"{float(values[~own & ~values.isnan()].median()):.3g}.",
            f"Take {name} and the others under the same conditions; audit a network trained on them for it.",
        )  # fmt: skip
