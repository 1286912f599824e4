"""What does the network answer for every position of an occluder, in the least time that keeps it exact?

The incremental engine where the network has a fixed program, checked at every call against masked pictures
run whole; the dense loop everywhere else. The notes say which it was and why.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.chunks import chunk_size
from convsight.classifier import Classifier
from convsight.incremental.cost import note
from convsight.incremental.dense import Answers, Reading, answer, sweep_dense
from convsight.incremental.engine import Engine
from convsight.incremental.trace import Program, program_of
from convsight.occluders import Occluders
from convsight.progress import report

TOLERANCE = {"exact": 1e-4, "fast": 3e-3}  # of the largest effect: what the self-check lets pass
CHECKED = 4  # positions that every call also runs whole, corners among them

_PROGRAMS: weakref.WeakKeyDictionary[Classifier, tuple[str, Program | None]] = weakref.WeakKeyDictionary()


def sweep(
    net: Classifier,
    pixels: Float[Tensor, "n c h w"],
    fill: Float[Tensor, "n c h w"],
    occluders: Occluders,
    readings: Sequence[Reading] = (),
    mode: str = "exact",
) -> Answers:
    """Every class's logit and every reading, for each picture and position."""
    if mode == "dense":
        return sweep_dense(net, pixels, fill, occluders, readings)
    program = known_program(net) if net.dtype in (torch.float32, torch.float64) else None
    if program is None:
        answers = sweep_dense(net, pixels, fill, occluders, readings)
        why = "has no fixed program" if net.dtype == torch.float32 else f"works in {net.dtype}"
        return _noted(answers, f"The network {why}: every position was run whole.")
    with torch.no_grad():
        answers, words = _incremental(net, program, pixels, fill, occluders, tuple(readings), mode == "fast")
    error = self_check(net, pixels, fill, occluders, readings, answers)
    if error > TOLERANCE[mode]:
        again = sweep_dense(net, pixels, fill, occluders, readings)
        words = f"The self-check was off by {error:.0e} of the largest effect: every position was run whole."
        return _noted(again, words)
    checked = (
        f" Self-check on {min(CHECKED, len(occluders))} positions: off by {error:.0e} of the largest effect."
    )
    return _noted(answers, words + checked)


def _noted(answers: Answers, words: str) -> Answers:
    return Answers(
        answers.logits,
        answers.readings,
        answers.clean_logits,
        answers.clean_readings,
        (*answers.notes, words),
    )


def known_program(net: Classifier) -> Program | None:
    """The network's program, traced once for the weights that it has."""
    found = _PROGRAMS.get(net)
    if found is None or found[0] != net.weights_hash:
        found = (net.weights_hash, program_of(net))
        _PROGRAMS[net] = found
    return found[1]


def _incremental(
    net: Classifier,
    program: Program,
    pixels: Tensor,
    fill: Tensor,
    occluders: Occluders,
    readings: tuple,
    fast: bool,
) -> tuple[Answers, str]:
    size = max(1, chunk_size(pixels.shape[1:]) // len(occluders))
    indices = tuple(net.layers[r.layer].index for r in readings)
    logits = torch.empty(len(pixels), len(occluders), len(net.classes))
    read = [torch.empty(len(pixels), len(occluders)) for _ in readings]
    clean_logits = torch.empty(len(pixels), len(net.classes))
    clean_read = [torch.empty(len(pixels)) for _ in readings]
    engine = None
    for first in range(0, len(pixels), size):
        group = slice(first, min(first + size, len(pixels)))
        count = group.stop - group.start
        if engine is None or engine.pictures != count:
            engine = Engine(net, program, occluders, readings, indices, count, fast)
        engine.load(pixels[group], fill[group], first)
        clean_logits[group], found = engine.clean()
        for kept, values in zip(clean_read, found, strict=True):
            kept[group] = values
        for part in engine.chunks():
            report((first + count * part.start / len(occluders)) / len(pixels), f"position {part.start}")
            logits[group, part], found = engine.run(part)
            for kept, values in zip(read, found, strict=True):
                kept[group, part] = values
    assert engine is not None
    return Answers(logits, tuple(read), clean_logits, tuple(clean_read)), note(engine)


def self_check(
    net: Classifier,
    pixels: Tensor,
    fill: Tensor,
    occluders: Occluders,
    readings: Sequence[Reading],
    got: Answers,
) -> float:
    """The largest error at a few positions run whole, corners included, as a share of the largest effect.

    Below float32's own rounding of the scores there is nothing to compare, so that is the smallest effect.
    """
    columns, last = occluders.grid[1], len(occluders) - 1
    corners = [0, columns - 1, last // 2, last - columns + 1, last]
    order = [corners[2], corners[0], corners[4], corners[1], corners[3]]
    worst = 0.0
    for turn, place in enumerate(list(dict.fromkeys(order))[:CHECKED]):
        i = turn % len(pixels)
        wanted, read = answer(net, occluders.hide(pixels[i], fill[i], np.array([place])), readings, i)
        pairs = [(got.logits[i], got.clean_logits[i], wanted[0])]
        pairs += [(r[i], c[i], w[0]) for r, c, w in zip(got.readings, got.clean_readings, read, strict=True)]
        for hidden, clean, value in pairs:
            effect = float((hidden - clean).abs().max())
            floor = 0.05 * float(hidden.abs().max())
            error = float((hidden[place] - value).abs().max())
            worst = max(worst, error / max(effect, floor, 1e-30))
    return worst
