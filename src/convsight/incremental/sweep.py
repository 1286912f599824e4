"""What does the network answer for every position of an occluder, in the least time that keeps it exact?

The incremental engine where the network has a fixed program and the changed regions are enough less work,
checked at every call against masked pictures run whole; the dense loop everywhere else. The notes say which
it was and why.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.chunks import chunk_size, in_chunks
from convsight.classifier import Classifier
from convsight.incremental.answers import Answers, Reading, answer, joined
from convsight.incremental.cost import note, worthwhile
from convsight.incremental.engine import Engine
from convsight.incremental.lending import borrow, give_back
from convsight.incremental.trace import Program, program_of
from convsight.interventions import interventions
from convsight.occluders import Occluders
from convsight.progress import report

TOLERANCE = {"exact": 1e-4, "fast": 2e-3}  # of the largest effect: what the self-check lets pass
CHECKED = 4  # positions that every call also runs whole, corners among them
MINDS_LAYOUT = (RuntimeError, ValueError, IndexError, TypeError)  # what an operation raises on windows
TRACED = 6  # pictures that finding a network's program costs

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
        n, m, k = len(self.pixels), len(self.occluders), len(self.net.classes)
        self.logits, self.clean_logits = torch.full((n, m, k), torch.nan), torch.empty(n, k)
        self.read = torch.full((len(self.readings), n, m), torch.nan)
        self.clean_read = torch.empty(len(self.readings), n)
        self._done, self._every = np.zeros(m, dtype=bool), np.arange(m)
        self._program, self._engine, self._checked = None, None, False
        self._group = max(1, chunk_size(self.pixels.shape[1:]) // m)  # pictures that are answered together
        self._program = self._worthwhile_program()
        if self._program is None:
            self._run_clean()

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
        return self._engine

    def _run_incremental(self, program: Program, places: np.ndarray) -> None:
        for group in _slices(len(self.pixels), self._group):
            engine = self._engine_for(program, group.stop - group.start)
            engine.load(self.pixels[group], self.fill[group], self.readings, group.start)
            done = 0
            for part, logits, found in engine.answers(places):
                if self.mode == "fast" and not bool(logits.isfinite().all()):
                    raise RuntimeError("there are numbers that the fast mode cannot hold")
                self._keep(group, part, logits, found)
                done += len(part)
                self._report(group, done / len(places))
            self._keep_clean(group, *engine.clean())
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
        done = group.start + (group.stop - group.start) * share
        report(done / len(self.pixels), f"occlusion: {done / len(self.pixels):.0%} of the positions")

    def _keep(self, group: slice, places: np.ndarray, logits: Tensor, found: Sequence[Tensor]) -> None:
        where = slice(None) if np.array_equal(places, self._every) else torch.from_numpy(places)
        self._done[places] = True
        self.logits[group, where] = logits
        for kept, values in zip(self.read, found, strict=True):
            kept[group, where] = values

    def _keep_clean(self, group: slice, logits: Tensor, found: Sequence[Tensor]) -> None:
        self.clean_logits[group] = logits
        for kept, values in zip(self.clean_read, found, strict=True):
            kept[group] = values

    def self_check(self, places: np.ndarray) -> float:
        """The largest error at a few positions run whole, corners included, as a share of the largest effect.

        An effect below a twentieth of the score itself is taken as that twentieth: float32 rounds there.
        """
        checked = _corners(places, self.occluders.grid[1])
        worst = 0.0
        for i in range(min(len(self.pixels), len(checked))):
            at = np.array(checked[i :: len(self.pixels)])
            hidden = self.occluders.hide(self.pixels[i], self.fill[i], at)
            wanted, read = self._right_answer(hidden, i)
            pairs = [(self.logits[i], self.clean_logits[i], wanted)]
            pairs += list(zip(self.read[:, i], self.clean_read[:, i], read, strict=True))
            for values, clean, right in pairs:
                worst = max(worst, _error(values.numpy(), clean.numpy(), right.numpy(), places, at))
        return worst

    def _right_answer(self, hidden: Tensor, picture: int) -> tuple[Tensor, list[Tensor]]:
        """The network's own scores, and readings of its steps run one by one, which needs no recording."""
        if self._program is None or not self.readings:
            return answer(self.net, hidden, self.readings, picture)
        indices = [self.net.layers[r.layer].index for r in self.readings]
        with torch.no_grad():
            logits = self.net.forward(hidden).cpu()
            seen = self._program.run(self.net.normalise(hidden), indices)
        return logits, [r.of(seen[i], picture).cpu() for r, i in zip(self.readings, indices, strict=True)]


def _error(
    values: np.ndarray, clean: np.ndarray, right: np.ndarray, places: np.ndarray, at: np.ndarray
) -> float:
    """Of the values at the positions `at`, beside what is right; all `places` say how large the effect is."""
    answered = values if len(places) == len(values) else values[places]
    with np.errstate(invalid="ignore"):
        effect = max(float(np.abs(answered - clean).max()), 0.05 * float(np.abs(answered).max()), 1e-30)
        error = float(np.abs(values[at] - right).max()) / effect
    return error if error == error else float("inf")


def _corners(places: np.ndarray, columns: int) -> list[int]:
    """A few of the positions: the middle, then corners of the grid."""
    mirrored = places - 2 * (places % columns)  # the other two corners are its first and last
    order = [len(places) // 2, places.argmin(), mirrored.argmin(), mirrored.argmax(), places.argmax()]
    return [int(places[at]) for at in dict.fromkeys(order)][:CHECKED]


def known_program(net: Classifier) -> Program | None:
    """The network's program, traced once for the weights that it has; inside of edits, for them alone."""
    if interventions(net):
        return program_of(net)
    found = _PROGRAMS.get(net)
    if found is None or found[0] != net.weights_hash:
        found = (net.weights_hash, program_of(net))
        _PROGRAMS[net] = found
    return found[1]


def quick_program(net: Classifier) -> Program | None:
    """The program if it is known already and nothing is recorded or edited: running it needs no hooks."""
    found = _PROGRAMS.get(net)
    known = found is not None and found[0] == net.weights_hash and not interventions(net)
    return found[1] if found is not None and known else None


def _slices(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
