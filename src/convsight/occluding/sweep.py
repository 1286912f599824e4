"""What does the network answer for every position of an occluder, in the least time that keeps it exact?

The incremental engine where the network has a fixed program and the changed regions are enough less work,
checked at every call against masked pictures run whole; the dense loop everywhere else. The notes say which
it was and why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.occluding.answers import (
    CHECKED,
    Answers,
    Reading,
    answer,
    corners,
    error_at,
    joined,
    run_whole,
)
from convsight.occluding.cost import note, worthwhile
from convsight.occluding.engine import Engine
from convsight.occluding.lending import borrow, give_back
from convsight.occluding.occluders import Occluders
from convsight.occluding.programs import known_program
from convsight.occluding.trace import Program
from convsight.progress import report

TOLERANCE = {"exact": 1e-4, "fast": 2e-3}  # of the largest effect: what the self-check lets pass
MINDS_LAYOUT = (RuntimeError, ValueError, IndexError, TypeError)  # what an operation raises on windows
TRACED = 6  # pictures that finding a network's program costs


def sweep(
    net: Classifier,
    pixels: Float[Tensor, "n c h w"],
    fill: Float[Tensor, "n c h w"],
    occluders: Occluders,
    readings: Sequence[Reading] = (),
    mode: str = "exact",
) -> Answers:
    """Every class's logit and every reading, for each picture and position."""
    work = Sweep(net, pixels, fill, occluders, tuple(readings), mode)
    work.run(work.every)
    return work.answers()


@dataclass(eq=False)
class Sweep:
    """The answers for n pictures and m positions, which may be asked for in any order."""

    net: Classifier
    pixels: Float[Tensor, "n c h w"]
    fill: Float[Tensor, "n c h w"]
    occluders: Occluders
    readings: tuple[Reading, ...]
    mode: str
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        m = len(self.occluders)
        self._done, self.every, self._checks = np.zeros(m, dtype=bool), np.arange(m), None
        self._program, self._engine, self._checked, self._minds_layout = None, None, False, True
        self._group = max(1, chunk_size(self.pixels.shape[1:]) // m)  # pictures that are answered together
        self._program = self._worthwhile_program()
        if self._program is None:
            self._run_clean()

    @functools.cached_property
    def logits(self) -> Float[Tensor, "n m k"]:
        return torch.full((len(self.pixels), len(self.occluders), len(self.net.classes)), torch.nan)

    @functools.cached_property
    def clean_logits(self) -> Float[Tensor, "n k"]:
        return torch.empty(len(self.pixels), len(self.net.classes))

    @functools.cached_property
    def read(self) -> list[Float[Tensor, "n m"]]:
        return [torch.full((len(self.pixels), len(self.occluders)), torch.nan) for _ in self.readings]

    @functools.cached_property
    def clean_read(self) -> list[Float[Tensor, " n"]]:
        return [torch.empty(len(self.pixels)) for _ in self.readings]

    def answers(self) -> Answers:
        return Answers(
            self.logits, tuple(self.read), self.clean_logits, tuple(self.clean_read), tuple(self.notes)
        )

    def answered(self) -> np.ndarray:
        """The positions that are answered so far."""
        return self._done.nonzero()[0]

    def run(self, places: np.ndarray, check: bool = True) -> None:
        """Answer these positions; the first that are to be checked are compared with whole pictures."""
        if self._program is None:
            self._run_dense(places)
            return
        try:
            with torch.no_grad():
                self._run_incremental(self._program, places)
        except MINDS_LAYOUT as error:
            self._run_whole_instead(f"An operation could not be run on windows ({error})", places)
            return
        if check and not self._checked:
            self._checked = True
            error = self.self_check(places)
            words = f"off by {error:.0e} of the largest effect"
            if error > TOLERANCE[self.mode]:
                self._run_whole_instead(f"The self-check was {words}", self.answered())
            else:
                checked = min(CHECKED, len(places))
                self.notes.append(f"Self-check on {checked} positions, corners included: {words}.")

    def _run_whole_instead(self, why: str, places: np.ndarray) -> None:
        self.notes[:] = [f"{why}: every position was run whole."]
        self._program = self._engine = None
        self._run_clean()
        self._run_dense(np.union1d(places, self.answered()))

    def _run_clean(self) -> None:
        for i in range(len(self.pixels)):
            logits, found = answer(self.net, self.pixels[i : i + 1], self.readings, i)
            self._keep_clean(slice(i, i + 1), logits, found)

    def _worthwhile_program(self) -> Program | None:
        if self.mode == "dense":
            return None
        if self.net.dtype not in (torch.float32, torch.float64):
            self.notes.append(f"The network works in {self.net.dtype}: every position was run whole.")
            return None
        if len(self.occluders) * len(self.pixels) < 2 * (CHECKED + TRACED):
            self.notes.append("So few positions are quickest run whole.")
            return None
        program = known_program(self.net)
        if program is None:
            self.notes.append("The network has no fixed program: every position was run whole.")
            return None
        engine = self._engine_for(program, min(len(self.pixels), self._group))
        self._group = engine.pictures_at_once(self._group)
        if not worthwhile(engine, len(self.pixels), CHECKED):
            self.notes.append(
                "A patch changes nearly everything in this network: every position was run whole."
            )
            return None
        self.notes.append(note(engine))
        return program

    def _engine_for(self, program: Program, pictures: int) -> Engine:
        if self._engine is None or self._engine.pictures != pictures:
            self._give_back(program)
            indices = tuple(self.net.layers[r.layer].index for r in self.readings)
            self._engine = borrow(program, self.net, self.occluders, indices, pictures, self.mode == "fast")
            self._minds_layout = self._engine.minds_layout
        return self._engine

    def _run_incremental(self, program: Program, places: np.ndarray) -> None:
        for group in _slices(len(self.pixels), self._group):
            engine = self._engine_for(program, group.stop - group.start)
            own = (self.pixels, self.fill) if self._is_all(group) else (self.pixels[group], self.fill[group])
            engine.load(*own, self.readings, group.start)
            done = 0
            for part, logits, found in engine.answers(places):
                if self.mode == "fast" and not _finite(logits):
                    raise RuntimeError("there are numbers that the fast mode cannot hold")
                self._keep(group, part, logits, found)
                done += len(part)
                self._report(group, done / len(places))
            self._keep_clean(group, *engine.clean())
        if not self._checked:
            self._checks = self._to_check(places)
        self._give_back(program)

    def _give_back(self, program: Program) -> None:
        if self._engine is not None and give_back(program, self._engine):
            self._engine = None

    def _run_dense(self, places: np.ndarray) -> None:
        size = chunk_size(self.pixels.shape[1:])
        for i, pixels in enumerate(self.pixels):

            def run(part: slice, i: int = i, pixels: Tensor = pixels) -> tuple[Tensor, list[Tensor]]:
                hidden = self.occluders.hide(pixels, self.fill[i], places[part])
                self._report(slice(i, i + 1), part.stop / len(places))
                return answer(self.net, hidden, self.readings, i)

            logits, found = joined(in_chunks(run, len(places), size))
            self._keep(slice(i, i + 1), places, logits[None], [f[None] for f in found])

    def _report(self, group: slice, share: float) -> None:
        done = (group.start + (group.stop - group.start) * share) / len(self.pixels)
        report(done, f"occlusion: {done:.0%} of the positions")

    def _keep(self, group: slice, places: np.ndarray, logits: Tensor, found: Sequence[Tensor]) -> None:
        every = self._are_all(places)
        where = slice(None) if every else torch.from_numpy(places)
        self._done[slice(None) if every else places] = True
        if every and self._is_all(group):
            self.logits = logits.clone(memory_format=torch.contiguous_format)
        else:
            self.logits[group, where] = logits
        for kept, values in zip(self.read, found, strict=True) if found else ():
            kept[group, where] = values

    def _is_all(self, group: slice) -> bool:
        return group.stop - group.start == len(self.pixels)

    def _are_all(self, places: np.ndarray) -> bool:
        return places is self.every or bool(np.array_equal(places, self.every))

    def _keep_clean(self, group: slice, logits: Tensor, found: Sequence[Tensor]) -> None:
        if self._is_all(group):
            self.clean_logits = logits.clone(memory_format=torch.contiguous_format)
        else:
            self.clean_logits[group] = logits
        for kept, values in zip(self.clean_read, found, strict=True) if found else ():
            kept[group] = values

    def _to_check(self, places: np.ndarray) -> tuple[np.ndarray, Tensor]:
        """Positions to be run whole, and the pixels that they hide; known to the engine if they are of all positions."""

        def found() -> tuple[np.ndarray, Tensor]:
            at = np.array(corners(places, self.occluders.grid[1]))
            return at, self.occluders.cover(at)[:, None]

        known = self._engine is not None and self._are_all(places)
        return self._engine.once("to check", found) if known and self._engine else found()

    def self_check(self, places: np.ndarray) -> float:
        """The largest error at a few positions run whole, corners included, as a share of the largest effect.

        The positions are shared out among the pictures. An effect below a twentieth of the score itself is taken as
        that twentieth: float32 rounds there.
        """
        at, cover = self._checks or self._to_check(places)
        pixels, fill, n, which = self.pixels, self.fill, len(self.pixels), torch.empty(0)
        if n > 1 or self.readings:
            which = torch.arange(len(at)) % n
            pixels, fill = pixels[which], fill[which]
        wanted, read = self._right_answer(torch.where(cover.to(pixels.device), fill, pixels), which)
        kept = [(self.logits, self.clean_logits, wanted)]
        if read:
            kept += zip(self.read, self.clean_read, read, strict=True)
        worst = 0.0
        for values, clean, right in [(v.numpy(), c.numpy(), r.numpy()) for v, c, r in kept]:
            for i in range(min(n, len(at))):
                own = slice(i, None, n)
                worst = max(worst, error_at(values[i], clean[i], right[own], places, at[own]))
        return worst

    def _right_answer(self, hidden: Tensor, which: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The network's own scores, and readings of its steps run one by one, which needs no recording."""
        size = max(1, chunk_size(hidden.shape[1:]) // CHECKED)  # the engine still holds its maps beside

        def run(part: slice) -> Tensor:
            return run_whole(self.net, hidden[part], not self._minds_layout).cpu()

        parts = in_chunks(run, len(hidden), size)
        logits = torch.cat(parts) if len(parts) > 1 else parts[0]
        if not self.readings or self._program is None:
            return logits, []
        indices, row = [self.net.layers[r.layer].index for r in self.readings], torch.arange(len(which))
        with torch.no_grad():
            seen = self._program.run(self.net.normalise(hidden), indices)
        each = zip(self.readings, indices, strict=True)
        return logits, [r.of_map(seen[i][row, r.channels[which]]).cpu() for r, i in each]


def _finite(values: Tensor) -> bool:
    return math.isfinite(values.sum().item())


def _slices(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
