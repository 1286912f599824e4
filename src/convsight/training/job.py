"""What is to be trained, on what, and how?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.datasets import Dataset, Split
from convsight.training.focus import Share, share
from convsight.training.precision import Precision
from convsight.training.recipe import Recipe
from convsight.training.tasks import SCORE

PIXELS_TO_MEASURE = (
    2**26
)  # numbers that mean and std are measured on; larger sets give evenly spaced pictures


@dataclass(frozen=True)
class Job:
    """One training: what on what, with which settings, and where its checkpoints go.

    mean and std (one a channel) are those of the training pixels in [0, 1]; `about` is what a checkpoint must
    agree with to be resumed. pieces: in how many pieces a batch goes through (`memory_need`).
    """

    data: Dataset
    network: nn.Module
    recipe: Recipe
    seed: int
    mean: Float[Tensor, " c"]
    std: Float[Tensor, " c"]
    folder: Path
    about: Mapping[str, Any]
    precision: Precision
    pieces: int = 1

    @property
    def task(self) -> str:
        return self.about.get("task", self.data.task)

    @property
    def score(self) -> str:
        """What the log calls the number beside the loss."""
        return SCORE[self.task]

    def share(self, epoch: int) -> Share:
        """How many of the training pictures `epoch` (from 0) shows."""
        recipe = self.recipe
        return share(
            len(self.data.train), epoch, recipe.epochs, recipe.hardest, recipe.easier, recipe.opening
        )

    def steps_in(self, epoch: int) -> int:
        """Updates in `epoch`: whole batches only; the order changes, so another epoch shows the remainder."""
        return max(1, len(self.share(epoch)) // self.recipe.batch_size)

    def steps_before(self, epoch: int) -> int:
        return sum(map(self.steps_in, range(epoch)))

    @property
    def steps(self) -> int:
        return self.steps_before(self.recipe.epochs)


def mean_and_std(split: Split) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Per channel, of pixels in [0, 1]; of evenly spaced pictures if there are very many."""
    h, w = split.size
    stride = max(1, -(-len(split) * split.channels * h * w // PIXELS_TO_MEASURE))
    chunks = torch.arange(0, len(split), stride).split(500)
    total, squares, count = torch.zeros(split.channels), torch.zeros(split.channels), 0
    total, squares = total.double(), squares.double()
    for pixels in split.store.stream(chunks):
        values = pixels.double() / (1 if pixels.is_floating_point() else 255)
        total += values.sum((0, 2, 3))
        squares += values.square().sum((0, 2, 3))
        count += len(pixels) * h * w
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt().clamp(min=1e-3)
    return mean.float(), std.float()
