"""Are the answers right? A few positions are run whole, and compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.occluding.answers import Collected, Reading
from convsight.occluding.occluders import Occluders
from convsight.occluding.trace import Program

TOLERANCE = 1e-4  # of the largest effect: what every way of answering keeps to
CHECKED = 4  # positions that every call also runs whole, corners among them
SMALL_EFFECT = 0.05  # of the score itself: below, float32 rounds too coarsely to be compared with the effect


def chosen(places: np.ndarray, columns: int) -> np.ndarray:
    """A few of the positions on a grid with `columns` columns: the middle, then corners."""
    mirrored = places - 2 * (places % columns)  # its least and greatest belong to the other two corners
    order = [len(places) // 2, places.argmin(), mirrored.argmin(), mirrored.argmax(), places.argmax()]
    return places[list(dict.fromkeys(int(at) for at in order))[:CHECKED]]


def largest_error(
    net: Classifier,
    program: Program,
    pixels: Float[Tensor, "n c h w"],
    fill: Float[Tensor, "n c h w"],
    occluders: Occluders,
    readings: Sequence[Reading],
    found: Collected,
    places: np.ndarray,
) -> float:
    """The largest error at a few of the answered `places`, as a share of the largest effect there.

    The positions are shared out among the pictures. An effect below a twentieth of the score itself is taken as
    that twentieth, because float32 rounds there.
    """
    at = chosen(places, occluders.grid[1])
    picture = torch.arange(len(at)) % len(pixels)
    cover = occluders.cover(at)[:, None].to(pixels.device)
    wanted, read = _run_whole(
        net, program, torch.where(cover, fill[picture], pixels[picture]), readings, picture
    )
    values = [found.logits, *found.read]
    clean, right = [found.clean_logits, *found.clean_read], [wanted, *read]
    worst = 0.0
    for each in zip(values, clean, right, strict=True):
        now, before, true = (tensor.numpy() for tensor in each)
        for i in range(min(len(pixels), len(at))):
            own = slice(i, None, len(pixels))
            worst = max(worst, _error(now[i], before[i], true[own], places, at[own]))
    return worst


def _run_whole(
    net: Classifier, program: Program, hidden: Tensor, readings: Sequence[Reading], picture: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """The network's own scores, and readings of its operations run one by one, which needs no recording."""
    size = max(1, chunk_size(hidden.shape[1:]) // CHECKED)  # the engine still holds its maps
    with torch.no_grad():
        logits = torch.cat(in_chunks(lambda part: net.forward(hidden[part]).cpu(), len(hidden), size))
        if not readings:
            return logits, []
        indices, row = [net.layers[r.layer].index for r in readings], torch.arange(len(picture))
        seen = program.run(net.normalise(hidden), indices)
    each = zip(readings, indices, strict=True)
    return logits, [r.of_map(seen[i][row, r.channels[picture]]).cpu() for r, i in each]


def _error(
    values: np.ndarray, clean: np.ndarray, right: np.ndarray, places: np.ndarray, at: np.ndarray
) -> float:
    """The largest error at the positions `at`; the values at all `places` say how large the effect is."""
    answered = values if len(places) == len(values) else values[places]
    with np.errstate(invalid="ignore"):
        effect = max(
            float(np.abs(answered - clean).max()), SMALL_EFFECT * float(np.abs(answered).max()), 1e-30
        )
        error = float(np.abs(values[at] - right).max()) / effect
    return error if error == error else float("inf")


def within(found: Float[Tensor, " k"], right: Float[Tensor, " k"], clean: Float[Tensor, " k"]) -> bool:
    """Whether one occluder's scores are right to the tolerance."""
    effect = max(float((right - clean).abs().max()), SMALL_EFFECT * float(clean.abs().max()))
    return float((found - right).abs().max()) <= TOLERANCE * effect
