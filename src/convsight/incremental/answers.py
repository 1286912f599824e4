"""What is asked of the network with a patch at each position, and what does it answer when run whole?

Running every masked picture whole is the definition that the incremental engine must meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Reading:
    """One number read from a layer: a channel's sum over places, its largest value, or one cell of it."""

    layer: str
    channels: Int[Tensor, " n"]  # one per picture
    how: str | tuple[int, int] = "sum"

    def of(self, value: Tensor, picture: int) -> Float[Tensor, " m"]:
        """Read it from the layer's value for positions of one picture."""
        return self.of_map(value[:, int(self.channels[picture])])

    def of_map(self, chosen: Tensor) -> Float[Tensor, " m"]:
        """Read it from that channel alone: m h w, or m for a layer without places."""
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


def answer(
    net: Classifier, pixels: Tensor, readings: Sequence[Reading], picture: int
) -> tuple[Tensor, list[Tensor]]:
    """Logits m k and each reading m of m variants of one picture."""
    recording = net.record(*dict.fromkeys(r.layer for r in readings)) if readings else nullcontext({})
    with torch.no_grad(), recording as seen:
        logits = net.forward(pixels).cpu()
    return logits, [reading.of(seen[reading.layer], picture).cpu() for reading in readings]


def joined(parts: Sequence[tuple[Tensor, list[Tensor]]]) -> tuple[Tensor, list[Tensor]]:
    """Chunks of one picture's positions, one after the other."""
    return torch.cat([p[0] for p in parts]), [torch.cat(r) for r in zip(*(p[1] for p in parts), strict=True)]
