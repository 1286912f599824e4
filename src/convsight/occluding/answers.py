"""What is asked of the network with a patch at each position, and what does it answer when it is run whole?

Running every hidden picture whole is the definition that the incremental engine must meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.results.gaps import Gaps


@dataclass(frozen=True, eq=False)
class Reading:
    """One number read from a layer: a channel's sum over places, its largest value, or one cell of it."""

    layer: str
    channels: Int[Tensor, " n"]  # one per picture
    how: str | tuple[int, int] = "sum"

    def of_map(self, chosen: Tensor) -> Float[Tensor, " m"]:
        """Read it from the channel's values: m h w, or m for a layer without places."""
        chosen = chosen.float()
        if isinstance(self.how, tuple):
            return chosen[:, self.how[0], self.how[1]]
        flat = chosen.flatten(1) if chosen.ndim > 1 else chosen[:, None]
        return flat.sum(1) if self.how == "sum" else flat.amax(1)


@dataclass(frozen=True, eq=False)
class Answers:
    """For n pictures and m positions: every class's logit, and each reading, hidden and clean."""

    logits: Float[Tensor, "n m k"]
    readings: tuple[Float[Tensor, "n m"], ...]
    clean_logits: Float[Tensor, "n k"]
    clean_readings: tuple[Float[Tensor, " n"], ...]
    notes: tuple[str, ...] = ()
    gaps: Gaps | None = None  # positions that were left out


def answer(
    net: Classifier, pixels: Tensor, readings: Sequence[Reading], picture: int
) -> tuple[Tensor, list[Tensor]]:
    """Scores m k and each reading m of m variants of one picture, each run whole."""
    recording = net.record(*dict.fromkeys(r.layer for r in readings)) if readings else nullcontext({})
    with torch.no_grad(), recording as seen:
        logits = net.forward(pixels).cpu()
    return logits, [r.of_map(seen[r.layer][:, int(r.channels[picture])]).cpu() for r in readings]


def joined(parts: Sequence[tuple[Tensor, list[Tensor]]]) -> tuple[Tensor, list[Tensor]]:
    """The answers to chunks of one picture's positions, put together."""
    return torch.cat([p[0] for p in parts]), [torch.cat(r) for r in zip(*(p[1] for p in parts), strict=True)]


class Collected:
    """The answers to n pictures at m positions, which come in any order; what is not there yet is NaN."""

    def __init__(self, pictures: int, positions: int, outputs: int, readings: int):
        self._done = np.zeros(positions, dtype=bool)
        self.logits = torch.full((pictures, positions, outputs), torch.nan)
        self.clean_logits = torch.full((pictures, outputs), torch.nan)
        self.read = [torch.full((pictures, positions), torch.nan) for _ in range(readings)]
        self.clean_read = [torch.full((pictures,), torch.nan) for _ in range(readings)]

    def keep(self, group: slice, places: np.ndarray, logits: Tensor, found: Sequence[Tensor]) -> None:
        """The answers of a group of pictures at some positions."""
        where = torch.from_numpy(places)
        self._done[places] = True
        self.logits[group, where] = logits
        for kept, values in zip(self.read, found, strict=True):
            kept[group, where] = values

    def keep_clean(self, group: slice, logits: Tensor, found: Sequence[Tensor]) -> None:
        """The answers to a group of whole pictures."""
        self.clean_logits[group] = logits
        for kept, values in zip(self.clean_read, found, strict=True):
            kept[group] = values

    def answered(self) -> np.ndarray:
        """The positions that are answered so far."""
        return self._done.nonzero()[0]

    def answers(self, notes: Sequence[str]) -> Answers:
        return Answers(self.logits, tuple(self.read), self.clean_logits, tuple(self.clean_read), tuple(notes))
