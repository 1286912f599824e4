"""What does the network answer for every position of an occluder, in the least time that keeps it exact?

The incremental engine where the network has a fixed program and the changed regions are enough less work,
checked at every call against hidden pictures run whole; the dense loop everywhere else. The notes say which
it was and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.occluding import compiled
from convsight.occluding.answers import Answers, Collected, Reading, answer, joined
from convsight.occluding.cost import is_large, note, worthwhile
from convsight.occluding.engine import Engine
from convsight.occluding.lending import borrow, give_back
from convsight.occluding.occluders import Occluders
from convsight.occluding.programs import known_program
from convsight.occluding.self_check import CHECKED, TOLERANCE, largest_error
from convsight.occluding.trace import Program
from convsight.progress import report_count

MODES = ("auto", "exact", "dense", "fast")  # "fast" is an older name of "auto"
UNFIT_FOR_WINDOWS = (RuntimeError, ValueError, IndexError, TypeError)  # what an operation raises on windows
TRACED = 6  # pictures run whole take as long as finding a network's program


def sweep(
    net: Classifier,
    pixels: Float[Tensor, "n c h w"],
    fill: Float[Tensor, "n c h w"],
    occluders: Occluders,
    readings: Sequence[Reading] = (),
    mode: str = "auto",
) -> Answers:
    """Every class's score and every reading, for each picture and position."""
    work = Sweep(net, pixels, fill, occluders, tuple(readings), mode)
    work.run(np.arange(len(occluders)))
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
        n, m = len(self.pixels), len(self.occluders)
        self._found = Collected(n, m, len(self.net.classes), len(self.readings))
        self._group = max(1, chunk_size(self.pixels.shape[1:]) // m)  # pictures that are answered together
        self._engine, self._checked, self._compiled = None, False, False
        self._before = 0  # positions answered before the present run
        self._program = None if self.mode == "dense" else self._fixed_program()
        if self._program is not None:
            self._compiled = self._wants_compiled(self._program)
            self._program = self._if_worthwhile(self._program)
        if self._program is None:
            self._run_clean()

    def answers(self) -> Answers:
        return self._found.answers(self.notes)

    def answered(self) -> np.ndarray:
        """The positions that are answered so far."""
        return self._found.answered()

    def run(self, places: np.ndarray, check: bool = True) -> None:
        """Answer these positions. The first call with `check` also compares a few of them with pictures run whole."""
        self._before = len(np.setdiff1d(self.answered(), places))
        if self._program is None:
            self._run_dense(places)
            return
        try:
            with torch.no_grad():
                self._run_incremental(self._program, places)
        except UNFIT_FOR_WINDOWS as error:
            self._fall_back(f"An operation could not be run on windows ({error})", places)
            return
        if check and not self._checked:
            self._checked = True
            self._check(self._program, places)

    def _check(self, program: Program, places: np.ndarray) -> None:
        given = self.net, program, self.pixels, self.fill, self.occluders, self.readings
        error = largest_error(*given, self._found, places)
        words = f"off by {error:.0e} of the largest effect"
        if error > TOLERANCE:
            self._fall_back(f"The self-check was {words}", places)
        else:
            checked = min(CHECKED, len(places))
            self.notes.append(f"Self-check on {checked} positions, corners included: {words}.")

    def _fall_back(self, why: str, places: np.ndarray) -> None:
        """Answer everything again: without compiled kernels, and if that fails too, with every picture run whole."""
        places, self._engine, self._checked = np.union1d(places, self.answered()), None, False
        if self._compiled and self._program is not None:
            self._compiled = False
            self.notes[:] = [f"{why} with compiled kernels: they were left out."]
            self._program = self._if_worthwhile(self._program)
        else:
            self.notes[:] = [f"{why}: every position was run whole."]
            self._program = None
        if self._program is None:
            self._run_clean()
        self.run(places)

    # ---- the way that is taken -----------------------------------------------------------------------------

    def _fixed_program(self) -> Program | None:
        """The network's program; where there is none, or it is not worth finding, a note says why."""
        if self.net.dtype not in (torch.float32, torch.float64):
            self.notes.append(f"The network works in {self.net.dtype}: every position was run whole.")
            return None
        if len(self.occluders) * len(self.pixels) < 2 * (CHECKED + TRACED):
            self.notes.append("So few positions are quickest run whole.")
            return None
        program = known_program(self.net)
        if program is None:
            self.notes.append("The network has no fixed program: every position was run whole.")
        return program

    def _wants_compiled(self, program: Program) -> bool:
        """Whether compiled kernels are there and pay; where they would pay but are not there, a note says why."""
        if self.mode == "exact" or not compiled.suits(self.net):
            return False
        if not is_large(program, len(self.occluders) * len(self.pixels)):
            return False
        why_not = compiled.why_not()
        if why_not:
            self.notes.append(f"Compiled kernels would be quicker, but {why_not}.")
        return not why_not

    def _if_worthwhile(self, program: Program) -> Program | None:
        positions = self._engine_for(program, min(len(self.pixels), self._group)).positions
        if not worthwhile(positions, len(self.pixels), CHECKED):
            self.notes.append(
                "A patch changes nearly everything in this network: every position was run whole."
            )
            return None
        words = " Compiled kernels computed the convolutions." if self._compiled else ""
        self.notes.insert(0, note(positions) + words)
        return program

    # ---- carrying it out -----------------------------------------------------------------------------------

    def _engine_for(self, program: Program, pictures: int) -> Engine:
        if self._engine is None or self._engine.pictures != pictures:
            self._give_back(program)
            indices = tuple(self.net.layers[r.layer].index for r in self.readings)
            self._engine = borrow(program, self.net, self.occluders, indices, pictures, self._compiled)
        return self._engine

    def _give_back(self, program: Program) -> None:
        if self._engine is not None and give_back(program, self._engine):
            self._engine = None

    def _run_incremental(self, program: Program, places: np.ndarray) -> None:
        for first in range(0, len(self.pixels), self._group):
            group = slice(first, min(first + self._group, len(self.pixels)))
            engine = self._engine_for(program, group.stop - first)
            engine.load(self.pixels[group], self.fill[group], self.readings, first)
            done = 0
            for part, logits, found in engine.answers(places):
                if self._compiled and not bool(logits.isfinite().all()):
                    raise RuntimeError("there are scores that are no finite numbers")
                self._found.keep(group, part, logits, found)
                done += len(part)
                self._report(group, done, len(places))
            self._found.keep_clean(group, *engine.clean())
        self._give_back(program)

    def _run_clean(self) -> None:
        for i in range(len(self.pixels)):
            one = slice(i, i + 1)
            self._found.keep_clean(one, *answer(self.net, self.pixels[one], self.readings, i))

    def _run_dense(self, places: np.ndarray) -> None:
        size = chunk_size(self.pixels.shape[1:])
        for i, pixels in enumerate(self.pixels):

            def run(part: slice, i: int = i, pixels: Tensor = pixels) -> tuple[Tensor, list[Tensor]]:
                hidden = self.occluders.hide(pixels, self.fill[i], places[part])
                self._report(slice(i, i + 1), part.stop, len(places))
                return answer(self.net, hidden, self.readings, i)

            logits, found = joined(in_chunks(run, len(places), size))
            self._found.keep(slice(i, i + 1), places, logits[None], [f[None] for f in found])

    def _report(self, group: slice, done: int, places: int) -> None:
        """`done` of the positions of this run, of which there are `places`, are answered for a group of pictures."""
        in_this_run = group.start * places + (group.stop - group.start) * done
        total = len(self.pixels) * len(self.occluders)
        report_count(len(self.pixels) * self._before + in_this_run, total, "positions", "occlusion")
