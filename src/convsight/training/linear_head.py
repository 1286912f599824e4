"""Which linear layer on top of given features answers best, and how strongly should its weights be held small?

A probe: the network that makes the features stays as it is, one linear layer is fitted to what it says of all pictures.
That is a convex problem with one answer, found in seconds by L-BFGS, and it has a single knob, chosen on pictures that
the fit did not see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from convsight.errors import DataError, InputError, check_known
from convsight.progress import report
from convsight.training.folds import folds
from convsight.training.head_solver import Scale, Solver, loss_of_each

STRENGTHS = tuple(10.0 ** (half / 2) for half in range(2, -11, -1))  # 10 down to 1e-5
FEW = 1000  # below so many pictures, one held-out fifth would be too few to choose by: five folds choose
MOST = 20_000  # to choose the strength, so many pictures are enough
TASKS = ("classify", "binary", "multilabel", "regress")


@dataclass(frozen=True, eq=False)
class LinearHead:
    """scores = features · weightᵀ + bias, and how they were found.

    weight: k d and bias: k, for features as they come (their standardisation is folded in). strength: of the penalty.
    tried: each strength that was tried with its loss on held-out pictures, in the order of trying.
    """

    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]
    task: str
    strength: float
    tried: tuple[tuple[float, float], ...] = ()

    def scores(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Logits; of a regression the numbers themselves."""
        return F.linear(features.to(self.weight), self.weight, self.bias)

    def answers(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Probabilities: a softmax over classes, a sigmoid for each label; of a regression the numbers."""
        scores = self.scores(features)
        if self.task == "classify":
            return scores.softmax(1)
        return scores if self.task == "regress" else scores.sigmoid()

    def layer(self) -> nn.Linear:
        """The head as a layer to put on top of a network."""
        made = nn.Linear(self.weight.shape[1], self.weight.shape[0], device="meta").to_empty(device="cpu")
        with torch.no_grad():
            made.weight.copy_(self.weight)
            made.bias.copy_(self.bias)
        return made


def fit_head(
    features: Float[Tensor, "n d"],
    targets: Shaped[Tensor, "n ..."],
    task: str = "classify",
    *,
    n_outputs: int | None = None,
    validation: tuple[Float[Tensor, "m d"], Shaped[Tensor, "m ..."]] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    weights: Float[Tensor, " n"] | None = None,
    groups: Int64[Tensor, " n"] | None = None,
    seed: int = 0,
) -> LinearHead:
    """The linear layer that minimises mean loss + strength/2 · ‖W‖² on standardised features.

    features: any finite numbers; each column is brought to mean 0 and spread 1 inside. targets: class numbers n
        ("classify"), 0 or 1 n ("binary"), 0 and 1 n k ("multilabel"), numbers n k ("regress"). The loss is
        cross-entropy, binary cross-entropy averaged over labels, or half the mean squared error in units of each
        number's spread. The bias is not held small. With n pictures, strength is 1/(n·C) of scikit-learn.
    n_outputs: classes, if not all of them occur in `targets`.
    strengths: those to choose from, strongest first; one alone is taken as it is. The lowest loss on held-out pictures
        decides: on `validation` if given, else on five inner folds (below 1,000 pictures) or on one fifth; of more than
        20,000 pictures so many are tried with. Trying ends once the loss has risen twice.
    weights: of each picture in the mean, such as `balanced(labels)` for rare classes.
    groups: pictures with the same number (near-duplicates) are held out together.

    Raises InputError for shapes or a task that do not fit, DataError for features that are not finite.

    >>> x = torch.tensor([[0.0], [1.0], [3.0], [4.0]])
    >>> fit_head(x, torch.tensor([0, 0, 1, 1]), strengths=[0.1]).answers(x).argmax(1)
    tensor([0, 0, 1, 1])
    """
    _check(features, targets, task, strengths)
    count = n_outputs or _outputs(targets, task)
    problem = _Problem(task, count, weights)
    strongest_first = sorted(strengths, reverse=True)
    if len(strongest_first) == 1:
        return problem.fit(features, targets, strongest_first[0])
    if validation is not None:
        some = _some(len(features), seed)
        tried = problem.of(some).losses(features[some], targets[some], *validation, strongest_first)
    else:
        tried = _inner(problem, features, targets, strongest_first, groups, seed)
    best = min(tried, key=lambda pair: pair[1])[0]
    return problem.fit(features, targets, best, tuple(tried))


def balanced(labels: Int64[Tensor, " n"], n_classes: int | None = None) -> Float[Tensor, " n"]:
    """A weight for each picture so that all classes weigh the same together; the mean weight is 1.

    >>> balanced(torch.tensor([0, 0, 0, 1]))
    tensor([0.6667, 0.6667, 0.6667, 2.0000])
    """
    counts = torch.bincount(labels, minlength=n_classes or 0).float()
    present = int((counts > 0).sum())
    return (len(labels) / (present * counts.clamp(min=1)))[labels]


def _check(features: Tensor, targets: Tensor, task: str, strengths: Sequence[float]) -> None:
    check_known(task, TASKS, f"no linear head for the task {task!r}")
    if features.ndim != 2 or len(features) != len(targets) or not len(features):
        raise InputError(
            f"features n d and n targets are needed, not {tuple(features.shape)} and {tuple(targets.shape)}"
        )
    if not strengths or min(strengths) < 0:
        raise InputError(f"strengths are one or more numbers from 0, not {strengths}")
    if not bool(features.isfinite().all()):
        bad = int((~features.isfinite()).any(1).sum())
        raise DataError(f"the features of {bad} of {len(features)} pictures are not finite numbers")


def _outputs(targets: Tensor, task: str) -> int:
    if task == "classify":
        return int(targets.max()) + 1
    return 1 if targets.ndim == 1 else targets.shape[1]


def _some(n: int, seed: int) -> Int64[Tensor, " m"] | slice:
    """All of n pictures, or `MOST` of more, drawn by `seed`."""
    if n <= MOST:
        return slice(None)
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:MOST]


def _inner(
    problem: _Problem,
    features: Tensor,
    targets: Tensor,
    strengths: Sequence[float],
    groups: Tensor | None,
    seed: int,
) -> list[tuple[float, float]]:
    """The loss of each strength on held-out parts of the pictures, averaged over folds."""
    some = _some(len(features), seed)
    features, targets, problem = features[some], targets[some], problem.of(some)
    groups = None if groups is None else groups[some]
    labels = targets if problem.task in ("classify", "binary") else None
    fold = folds(len(features), min(5, len(features)), labels=labels, groups=groups, seed=seed)
    chosen = range(int(fold.max()) + 1) if len(features) < FEW else [0]
    found: list[dict[float, float]] = []
    for number in chosen:
        kept, held = (fold != number).nonzero()[:, 0], (fold == number).nonzero()[:, 0]
        if not len(kept) or not len(held):
            continue
        parts = (features[kept], targets[kept], features[held], targets[held])
        found.append(dict(problem.of(kept).losses(*parts, strengths)))
    common = [s for s in strengths if all(s in each for each in found)]
    return [(s, sum(each[s] for each in found) / max(len(found), 1)) for s in common] or [(strengths[0], 0.0)]


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is minimised: the task's loss over pictures, each with its weight, and the penalty."""

    task: str
    count: int
    weights: Tensor | None = None

    def of(self, some: Tensor | slice) -> _Problem:
        return _Problem(self.task, self.count, None if self.weights is None else self.weights[some])

    def fit(
        self,
        features: Tensor,
        targets: Tensor,
        strength: float,
        tried: tuple[tuple[float, float], ...] = (),
    ) -> LinearHead:
        scale = Scale.of(features, targets if self.task == "regress" else None)
        weight, bias = self._solver(scale, features, targets)(strength)
        return LinearHead(*scale.unscaled(weight, bias), self.task, strength, tried)

    def losses(
        self,
        features: Tensor,
        targets: Tensor,
        held_features: Tensor,
        held_targets: Tensor,
        strengths: Sequence[float],
    ) -> list[tuple[float, float]]:
        """Each strength with the loss on held-out pictures, until that has risen twice."""
        scale = Scale.of(features, targets if self.task == "regress" else None)
        solve = self._solver(scale, features, targets)
        held, truth = scale.scaled(held_features), self._truth(scale, held_targets)
        found: list[tuple[float, float]] = []
        for done, strength in enumerate(strengths):
            report(done / len(strengths), f"linear head: trying strength {strength:.3g}")
            weight, bias = solve(strength)
            loss = float(loss_of_each(self.task)(F.linear(held, weight, bias), truth).mean())
            found.append((strength, loss))
            if len(found) > 2 and loss > found[-2][1] > found[-3][1]:
                break
        return found

    def _solver(self, scale: Scale, features: Tensor, targets: Tensor) -> Solver:
        truth = self._truth(scale, targets)
        return Solver(scale.scaled(features), truth, self.weights, loss_of_each(self.task), self.count)

    def _truth(self, scale: Scale, targets: Tensor) -> Tensor:
        if self.task == "classify":
            return targets.long()
        truth = targets.float().reshape(len(targets), self.count)
        return (truth - scale.target_mean) / scale.target_spread if self.task == "regress" else truth
