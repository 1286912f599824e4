"""How are the numbers that a network returns to be read: which tensor, in which layout, and what do they mean?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError, ModelError
from convsight.network.endings import NONE, Ending, unsquashed
from convsight.network.outputs import leaves

TASKS = {
    "classify": "one of k classes: probabilities are the softmax of k scores",
    "multilabel": "each of k labels is there or not: probabilities are a sigmoid each",
    "binary": "one of two classes: one score, the probability of the second class is its sigmoid",
    "regress": "n numbers a picture, with names and units",
    "locate": "positions in pixels",
    "segment": "one of k classes at every place: maps n k h w",
    "detect": "boxes with classes, as torchvision's detectors return them",
    "embed": "a vector a picture, compared by its direction",
}
NUMBERS = ("regress", "locate", "embed")  # tasks without probabilities
ONE_CLASS = ("classify", "binary")  # tasks in which each picture is one of the classes


@dataclass(frozen=True, eq=False)
class Reader:
    """What a classifier knows about the outputs of its network.

    `name` is that of the tensor among all that the network returns, or `of` a function of all of it. `layout`
    is "rows" (one row a picture) or "maps" (n k h w). `ending` is the network's last operation where that is a
    softmax or sigmoid; `explain` says whether its output or the score before it is what techniques explain.
    `two` is set where one number speaks for two classes: the first has its negative, or 1 − p.
    """

    task: str
    classes: tuple[str, ...]
    name: str = ""
    of: Callable[[Any], Any] | None = None
    layout: str = "rows"
    ending: Ending = NONE
    explain: str = "output"
    two: bool = False
    thresholds: Float[Tensor, " k"] | None = None

    @property
    def each_threshold(self) -> Float[Tensor, " k"]:
        """From which probability each label counts as there: a half where nothing was said."""
        return torch.full((len(self.classes),), 0.5) if self.thresholds is None else self.thresholds

    @property
    def squash(self) -> str:
        """What the explained values have been through: "", softmax, log_softmax, sigmoid or log_sigmoid."""
        return self.ending.kind if self.explain == "output" else ""

    def tensor(self, output: Any) -> Tensor:
        """The tensor that holds the scores, as the network made it."""
        if self.of is not None:
            value = self.of(output)
            if not isinstance(value, Tensor):
                raise ModelError(
                    f"output=function must return a tensor, one row a picture; it gave {value!r}"
                )
            return value
        if isinstance(output, Tensor) and not self.name:
            return output
        value = leaves(output).get(self.name)
        if value is None:
            raise ModelError(
                f"the network returned no {self.name!r} this time; it has {', '.join(leaves(output))}"
            )
        return value

    def rows(self, value: Tensor, n: int, squash: str | None = None) -> Float[Tensor, "n k"]:
        """The tensor of scores as one row a picture, float32; maps are averaged over their places."""
        if self.layout == "maps":
            return self.maps(value, squash).mean((2, 3))
        flat = value.flatten(1) if value.ndim > 1 and value.shape[0] == n else value.reshape(n, -1)
        return self._both(flat.float(), squash)

    def maps(self, value: Tensor, squash: str | None = None) -> Float[Tensor, "n k h w"]:
        """The tensor of scores as maps, float32."""
        if self.layout != "maps":
            raise InputError("this network gives one row of scores a picture, no maps")
        return self._both(value.float(), squash)

    def _both(self, values: Tensor, squash: str | None) -> Tensor:
        """One number for two classes becomes two: −s and s, 1 − p and p, or log(1 − p) and log p."""
        if not self.two:
            return values
        squash = self.squash if squash is None else squash
        other = 1 - values if squash in ("softmax", "sigmoid") else -values
        if squash.startswith("log_"):
            other = torch.log1p(-values.exp())
        return torch.cat([other, values], 1)

    def scores(self, value: Tensor, n: int) -> Float[Tensor, "n k"]:
        """Rows of what went into the final softmax or sigmoid, worked out from what came out."""
        if self.layout == "maps":
            return self.rows(value, n)
        flat = value.reshape(n, -1).float()
        kind = "sigmoid" if self.two and self.ending.kind == "softmax" else self.ending.kind
        return self._both(unsquashed(flat, kind), "")

    def probabilities(self, values: Tensor, axis: int = 1) -> Tensor:
        """What the explained values say in numbers from 0 to 1, classes along `axis`."""
        self._has_chances()
        if self.squash:
            return values.exp() if self.squash.startswith("log_") else values
        return self.chances(values, axis)

    def chances(self, scores: Tensor, axis: int = 1) -> Tensor:
        """The probabilities that belong to scores from before any final softmax or sigmoid, classes along `axis`."""
        self._has_chances()
        if self.task == "detect":
            return scores
        each = self.two or self.task == "multilabel" or self.ending.kind in ("sigmoid", "log_sigmoid")
        return scores.sigmoid() if each else scores.softmax(axis)

    def predicted(self, chances: Float[Tensor, "n k *places"]) -> Tensor:
        """The class of each picture (or place), from its probabilities; for labels 1 where a threshold is reached."""
        if self.task in ("multilabel", "detect"):
            limits = self.each_threshold.to(chances)
            return (chances >= limits).long()
        if self.two and self.thresholds is not None:
            return (chances[:, 1] >= self.thresholds[-1].to(chances)).long()
        return chances.argmax(1)

    def _has_chances(self) -> None:
        if self.task in NUMBERS:
            raise InputError(
                f"the task {self.task!r} has no probabilities: {TASKS[self.task]}; take net.scores"
            )
