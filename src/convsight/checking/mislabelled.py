"""Which labels are probably wrong? Confident learning from what a probe says of pictures it did not learn from.

Source: Northcutt, Jiang & Chuang 2021, "Confident learning", arXiv:1911.00068. A linear head on the features is fitted
to all folds but one and asked about that one. A picture of which it is confident that it is of another class (more
than it is on average of pictures that carry that label) is a suspect. We ask twice: the second heads learn without
the suspects, so that wrong labels spoil them less. Near-duplicates stay in one fold, or they would confirm each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convsight.checking.finding import Finding
from convsight.checking.subject import CheckedPictures
from convsight.progress import span
from convsight.training.cross_validation import out_of_fold
from convsight.training.far import NEAR
from convsight.training.linear_head import fit_head

FOLDS = 5
SURE_OF = 0.9  # least probability of a picture's best class to count it among those that tell which classes are mixed up
MOST_SUSPECTS = 0.1  # of the pictures that the second heads leave out at most: a weak probe suspects too many


@dataclass(frozen=True, eq=False)
class Judged:
    """What is thought of every label. chances: n k, out of fold. suspicion: n, 0 to 1; suggested: n, the likeliest
    other class. suspect: n, those that confident learning counts as wrong. by: whose features the probe had, in words."""

    chances: Float[Tensor, "n k"]
    suspicion: Float[Tensor, " n"]
    suggested: Int64[Tensor, " n"]
    suspect: Bool[Tensor, " n"]
    by: str = ""

    def right(self, labels: Int64[Tensor, " n"]) -> float:
        """The share of pictures of which the probe says what their label says."""
        return float((self.chances.argmax(1) == labels).float().mean())


def judge(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    n_classes: int,
    *,
    groups: Int64[Tensor, " n"] | None = None,
    seed: int = 0,
) -> Judged:
    """Every label judged by heads that did not learn from it; `groups` are near-duplicates."""
    folds = min(FOLDS, len(labels) if groups is None else len(groups.unique()))
    with span(0.0, 0.3):
        strength = fit_head(features, labels, n_outputs=n_classes, groups=groups, seed=seed).strength
    common = {"n_outputs": n_classes, "groups": groups, "strengths": [strength]}
    with span(0.3, 0.65):
        first = judged(out_of_fold(features, labels, folds, seed, **common), labels)
    weights = torch.ones(len(labels))
    worst = (first.suspicion * first.suspect).argsort(descending=True, stable=True)
    weights[worst[: min(int(first.suspect.sum()), int(MOST_SUSPECTS * len(labels)))]] = 0.0
    with span(0.65, 1.0):
        return judged(out_of_fold(features, labels, folds, seed, weights=weights, **common), labels)


def judge_by(
    kinds: Sequence[tuple[str, Callable[[], Float[Tensor, "n d"]]]],
    labels: Int64[Tensor, " n"],
    n_classes: int,
    *,
    groups: Int64[Tensor, " n"] | None = None,
    seed: int = 0,
) -> Judged:
    """Every label judged by the first kind of features that is near enough, or by the one that tells the most labels.

    kinds: what the features are, in words, and a function that makes them; later ones are made only if they are needed.
    """
    found: list[Judged] = []
    for number, (words, make) in enumerate(kinds):
        with span(number / len(kinds), (number + 0.5) / len(kinds)):
            features = make()
        with span((number + 0.5) / len(kinds), (number + 1) / len(kinds)):
            found.append(replace(judge(features, labels, n_classes, groups=groups, seed=seed), by=words))
        if found[-1].right(labels) >= NEAR:
            break
    return max(found, key=lambda each: each.right(labels))


def judged(chances: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Judged:
    """Suspicion and suspects by these out-of-fold probabilities.

    Suspicion is 1 − p(given) / (p(given) + Σ p(other) · weight), where the weight of another class is how often it
    carries the given label (`confusion`): 1 for all where labels are wrong at random. Of classes that are never told
    surely a low p(given) says less, so it counts √(t / t(given)) times, with the mean p(given) t of the label that is
    told most surely.

    >>> chances = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.9, 0.1]])
    >>> found = judged(chances, torch.tensor([0, 0, 1, 1]))
    >>> found.suspect.tolist(), found.suggested.tolist(), found.suspicion.argmax().item()
    ([False, False, False, True], [1, 1, 0, 0], 3)
    """
    suggested = chances.scatter(1, labels[:, None], -1.0).argmax(1)
    others = (chances * confusion(chances, labels)[:, labels].T).sum(1)
    given = chances.gather(1, labels[:, None])[:, 0]
    told = own_chances(chances, labels)
    easier = (told.max() / told[labels].clamp(min=1e-6)).sqrt()
    suspicion = 1 - (easier * given / (given + others).clamp(min=1e-12)).clamp(max=1)
    suspect = confident_of(chances, labels) != labels
    return Judged(chances, suspicion, suggested, suspect)


def confusion(chances: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Float[Tensor, "k k"]:
    """How often each class (row) carries each label (column), against the average of all pairs; 0 on the diagonal.

    Counted on the pictures of which the probe is sure: of those that are surely of class j, how many carry the label g,
    less the number that the probe's own probabilities expect if no label were wrong. The more the counts concentrate on
    few pairs of classes, the more they are used: not at all where they vary no more than by chance, wholly where each
    class is mistaken for one other class only.
    """
    k = chances.shape[1]
    sureness, best = chances.max(1)
    sure = sureness >= SURE_OF
    more = F.one_hot(labels, k).float() - chances
    excess = torch.zeros(k, k).index_add_(0, best[sure], more[sure]).clamp(min=0).fill_diagonal_(0)
    others = ~torch.eye(k, dtype=torch.bool)
    mean = float(excess[others].mean())
    if k < 3 or mean == 0:
        return others.float()
    # the variance by chance is Poisson's, with two standard errors on top
    chance = mean * (1 + 2 * math.sqrt(2 / (int(others.sum()) - 1)))
    spread = (float(excess[others].var(unbiased=False)) - chance) / mean**2
    concentrated = min(1.0, max(0.0, spread / (k - 2)))
    counted = (excess + mean) / (2 * mean)
    return (1 + concentrated * (counted - 1)) * others


def own_chances(chances: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Float[Tensor, " k"]:
    """The mean probability that pictures of each label get for it; 0 for labels that no picture carries."""
    k = chances.shape[1]
    own = chances.gather(1, labels[:, None])[:, 0]
    return torch.zeros(k).index_add_(0, labels, own) / torch.bincount(labels, minlength=k).clamp(min=1)


def confident_of(chances: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
    """The class that each picture is counted to by the confident joint; its own label where there is none.

    A class counts where its probability reaches the mean that pictures with its label get; of several the likeliest.
    """
    counts = torch.bincount(labels, minlength=chances.shape[1])
    means = torch.where(counts > 0, own_chances(chances, labels), torch.inf)
    reached = chances >= means - 1e-6
    best = torch.where(reached, chances, -1.0).argmax(1)
    return torch.where(reached.any(1), best, labels)


def mislabelled(
    subject: CheckedPictures, found: Judged, least: float, copies_of: Counter[int]
) -> Iterator[Finding]:
    """A row for every suspect of which the probe is at least so sure, 0 to 1. copies_of: how many copies a picture has."""
    labels = subject.labels
    assert labels is not None  # the caller judged them
    chosen = (found.suspect & (found.suspicion >= least)).nonzero()[:, 0]
    for i in chosen.tolist():
        given, suggested = subject.name(i), subject.classes[int(found.suggested[i])]
        said = found.chances[i]
        copies = copies_of[i]
        yield Finding(
            subject.chosen.ids[i], "mislabelled", given, suggested, round(float(found.suspicion[i]), 3),
            subject.chosen.splits[i], "",
            f"Labelled {given}; a probe that did not see it says {suggested} ({float(said[found.suggested[i]]):.0%}, "
            f"{given} {float(said[labels[i]]):.0%})."
            + (f" It has {copies} {'copy' if copies == 1 else 'copies'}." if copies else ""),
            "Accept or edit its row in relabel.csv.",
        )  # fmt: skip
