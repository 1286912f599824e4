"""What does the network answer for every position of an occluder, when it is run on each masked picture?

This is the definition that the incremental engine must meet, and what it falls back to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.chunks import chunk_size, in_chunks
from convsight.classifier import Classifier
from convsight.occluders import Occluders
from convsight.progress import report


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
    with torch.no_grad(), net.record(*dict.fromkeys(r.layer for r in readings)) as seen:
        logits = net.forward(pixels).cpu()
    return logits, [reading.of(seen[reading.layer], picture).cpu() for reading in readings]


def sweep_dense(
    net: Classifier,
    pixels: Float[Tensor, "n c h w"],
    fill: Float[Tensor, "n c h w"],
    occluders: Occluders,
    readings: Sequence[Reading] = (),
) -> Answers:
    """Run the whole network on every masked picture, in batches of bounded memory."""
    size = chunk_size(pixels.shape[1:])
    hidden, clean = [], []
    for i in range(len(pixels)):

        def run(part: slice, i: int = i) -> tuple[Tensor, list[Tensor]]:
            report((i + part.start / len(occluders)) / len(pixels), f"position {part.start}")
            return answer(net, occluders.hide(pixels[i], fill[i], part), readings, i)

        hidden.append(joined(in_chunks(run, len(occluders), size)))
        clean.append(answer(net, pixels[i : i + 1], readings, i))
    return collected(hidden, clean, len(readings))


def joined(parts: Sequence[tuple[Tensor, list[Tensor]]]) -> tuple[Tensor, list[Tensor]]:
    """Chunks of one picture's positions, one after the other."""
    return torch.cat([p[0] for p in parts]), [torch.cat(r) for r in zip(*(p[1] for p in parts), strict=True)]


def collected(hidden: Sequence, clean: Sequence, readings: int) -> Answers:
    """Answers from each picture's (logits, readings), hidden and clean."""
    return Answers(
        torch.stack([h[0] for h in hidden]),
        tuple(torch.stack([h[1][r] for h in hidden]) for r in range(readings)),
        torch.cat([c[0] for c in clean]),
        tuple(torch.cat([c[1][r] for c in clean]) for r in range(readings)),
    )
