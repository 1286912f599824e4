"""How is the best linear layer on standardised features found, in memory that does not grow with the classes?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SCORES = 2**23  # scores whose loss and gradient are computed at once: 32 MB each
STEPS = 200  # of L-BFGS for one strength at most


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and spread of each feature, and of each number that is to be predicted."""

    mean: Tensor
    spread: Tensor
    target_mean: Tensor
    target_spread: Tensor

    @classmethod
    def of(cls, features: Tensor, targets: Tensor | None) -> Scale:
        features = features.float()
        mean, spread = features.mean(0), spread_of(features)
        if targets is None:
            return cls(mean, spread, torch.zeros(1).to(mean), torch.ones(1).to(mean))
        numbers = targets.float().reshape(len(targets), -1)
        return cls(mean, spread, numbers.mean(0), spread_of(numbers))

    def scaled(self, features: Tensor) -> Tensor:
        return (features.float() - self.mean).div_(self.spread)

    def unscaled(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The same layer for features, and numbers, as they come."""
        weight = weight / self.spread
        bias = bias - weight @ self.mean
        return weight * self.target_spread[:, None], bias * self.target_spread + self.target_mean


def spread_of(columns: Tensor) -> Tensor:
    """Standard deviation; 1 for a column that does not vary, which then is 0 everywhere."""
    spread, largest = columns.std(0, correction=0), torch.maximum(columns.amax(0), -columns.amin(0))
    return torch.where(spread > 1e-6 * largest.clamp(min=1e-12), spread, 1.0)


class Solver:
    """L-BFGS over the head's weights; each call goes on from the last solution ("warm start")."""

    def __init__(
        self,
        features: Tensor,
        truth: Tensor,
        weights: Tensor | None,
        loss: Callable[[Tensor, Tensor], Tensor],
        count: int,
    ):
        self.features, self.truth, self.loss = features, truth, loss
        self.share = torch.full((len(features),), 1 / len(features), device=features.device)
        if weights is not None:
            self.share = weights.to(self.share) / weights.sum()
        step = max(1, SCORES // count)
        self.rows = [slice(first, first + step) for first in range(0, len(features), step)]
        self.weight = torch.zeros(count, features.shape[1], device=features.device, requires_grad=True)
        self.bias = torch.zeros(count, device=features.device, requires_grad=True)

    def __call__(self, strength: float) -> tuple[Tensor, Tensor]:
        search = torch.optim.LBFGS(
            [self.weight, self.bias], max_iter=STEPS, tolerance_grad=1e-5, tolerance_change=1e-7,
            history_size=20, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def objective() -> Tensor:
            search.zero_grad()
            value = strength / 2 * self.weight.square().sum()
            value.backward()
            for rows in self.rows:
                scores = F.linear(self.features[rows], self.weight, self.bias)
                part = self.loss(scores, self.truth[rows]) @ self.share[rows]
                part.backward()
                value = value.detach() + part.detach()
            return value

        with torch.enable_grad():
            search.step(objective)
        return self.weight.detach().clone(), self.bias.detach().clone()


def loss_of_each(task: str) -> Callable[[Tensor, Tensor], Tensor]:
    """(scores n k, truth) -> the loss of each picture."""
    if task == "classify":
        return lambda scores, truth: F.cross_entropy(scores, truth, reduction="none")
    if task == "regress":
        return lambda scores, truth: (scores - truth).square().mean(1) / 2
    return lambda scores, truth: F.binary_cross_entropy_with_logits(scores, truth, reduction="none").mean(1)
