"""What is asked of the network with a patch at each position, and what does it answer when run whole?

Running every masked picture whole is the definition that the incremental engine must meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.errors import ModelError
from convsight.network.changes import every_module
from convsight.network.classifier import Classifier
from convsight.network.inputs import first_tensor
from convsight.network.interventions import interventions
from convsight.results.gaps import Gaps

CHECKED = 4  # positions that every call also runs whole, corners among them


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
    gaps: Gaps | None = None  # positions that were left out


def answer(
    net: Classifier, pixels: Tensor, readings: Sequence[Reading], picture: int
) -> tuple[Tensor, list[Tensor]]:
    """Logits m k and each reading m of m variants of one picture."""
    recording = net.record(*dict.fromkeys(r.layer for r in readings)) if readings else nullcontext({})
    with torch.no_grad(), recording as seen:
        logits = net.forward(pixels).cpu()
    return logits, [reading.of(seen[reading.layer], picture).cpu() for reading in readings]


def run_whole(net: Classifier, pixels: Tensor, channels_last: bool = False) -> Tensor:
    """`net.forward` without gradients, in less time for a small network; the pixels may be overwritten.

    Modes, the random state and hooks are treated as there; what is asked once per module is asked in one walk.
    Small convolutions are quicker where pictures lie with their `channels_last`; a network that minds gets them as ever.
    """
    if channels_last:
        try:
            return run_whole(net, _channels_last(pixels))
        except ModelError:
            pass
    cuda = torch.cuda.is_initialized()
    if cuda or interventions(net):
        with torch.no_grad():
            return net.forward(pixels)
    like = first_tensor(net.module)
    plain = like.is_cpu and like.dtype == pixels.dtype and pixels.is_cpu
    inside = pixels if plain and net.mean is net.std is None else net.normalise(pixels)
    training = [m for m in every_module(net.module) if m.training]
    with torch.no_grad(), net._lock:
        state = torch.get_rng_state()
        try:
            for m in training:
                m.training = False
            return net.forward_inside(inside)
        finally:
            torch.set_rng_state(state)
            for m in training:
                m.training = True


def _channels_last(pixels: Tensor) -> Tensor:
    """The same pictures, where one channel too is laid out as the last: that torch tells by the strides alone."""
    n, c, h, w = pixels.shape
    cells = pixels if c == 1 else pixels.permute(0, 2, 3, 1)
    cells = cells.contiguous()
    return cells.as_strided((n, c, h, w), (h * w * c, 1, w * c, c), cells.storage_offset())


def error_at(
    values: np.ndarray, clean: np.ndarray, right: np.ndarray, places: np.ndarray, at: np.ndarray
) -> float:
    """Of the values at the positions `at`, beside what is right; all `places` say how large the effect is."""
    answered = values if len(places) == len(values) else values[places]
    with np.errstate(invalid="ignore"):
        effect = max(float(np.abs(answered - clean).max()), 0.05 * float(np.abs(answered).max()), 1e-30)
        error = float(np.abs(values[at] - right).max()) / effect
    return error if error == error else float("inf")


def corners(places: np.ndarray, columns: int) -> list[int]:
    """A few of the positions: the middle, then corners of the grid."""
    mirrored = places - 2 * (places % columns)  # the other two corners are its first and last
    order = [len(places) // 2, places.argmin(), mirrored.argmin(), mirrored.argmax(), places.argmax()]
    return [int(places[at]) for at in dict.fromkeys(order)][:CHECKED]


def joined(parts: Sequence[tuple[Tensor, list[Tensor]]]) -> tuple[Tensor, list[Tensor]]:
    """Chunks of one picture's positions, one after the other."""
    return torch.cat([p[0] for p in parts]), [torch.cat(r) for r in zip(*(p[1] for p in parts), strict=True)]
