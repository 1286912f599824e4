"""How are all positions of an occluder answered, recomputing only what each one changes?

For a group of pictures: run the program once on the clean pictures and keep the maps that windows are cut
from; then, for chunks of positions, carry out a plan made for that chunk.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.occluding.answers import Reading
from convsight.occluding.clean_maps import CleanMaps
from convsight.occluding.occluders import Occluders
from convsight.occluding.plan import Planner, Values, logical, physical
from convsight.occluding.positions import Positions
from convsight.occluding.rules import RULES
from convsight.occluding.simplify import simplified
from convsight.occluding.tail import WAITING, Tail
from convsight.occluding.trace import Program, Step

Answer = tuple[np.ndarray, Tensor, list[Tensor]]  # positions, their scores and readings
KEPT_PLANS = 64
SCORES = -2  # the number of the scores among a plan's values; the readings are −3, −4, ...


class Engine:
    """One network, one set of positions, groups of `pictures` pictures.

    `read` are the indices of the values that are read beside the scores. With `compiled`, convolutions run on
    compiled kernels where there are some for them. With `keep_clean`, every clean map is kept, for occluders that
    are moved later.
    """

    def __init__(
        self,
        net: Classifier,
        program: Program,
        occluders: Occluders,
        read: tuple[int, ...],
        pictures: int,
        compiled: bool = False,
        keep_clean: bool = False,
    ):
        self.net, self.read, self.pictures, self.keep_clean = net, read, pictures, keep_clean
        self.key = self.key_of(net, occluders, read, pictures, compiled)
        self.program = simplified(program, read, compiled)
        self.positions = Positions(net, self.program, occluders, read, pictures, compiled)
        # Weights are laid out for the largest windows, so these stay when the occluder is moved.
        self.largest = self.positions.largest()
        self.fill = CleanMaps(
            (pictures, *net.input_size, net.channels), torch.empty(0, dtype=net.dtype, device=net.device)
        )
        self.readings: tuple[Reading, ...] = ()
        self._kept_maps: dict[int, CleanMaps] = {}
        self._plans: dict[bytes, Planner] = {}
        self._clean: Values = {}
        self._inside = torch.empty(0)
        self._first = 0

    def move(self, occluders: Occluders) -> None:
        """Take other positions on the same pictures, whose clean maps stay."""
        self.positions = self.positions.moved(occluders)
        self._plans.clear()

    @staticmethod
    def key_of(
        net: Classifier, where: Occluders, read: tuple[int, ...], pictures: int, compiled: bool
    ) -> tuple:
        """Equal for engines of one program that can stand in for each other; the program stands for the weights."""
        return net.device, where.size, where.grid, where.boxes, where.masks is None, read, pictures, compiled

    # ---- the clean pictures --------------------------------------------------------------------------------

    def load(self, pixels: Tensor, fill: Tensor, readings: Sequence[Reading], first: int) -> None:
        """Take a group of clean pictures, the first of which is number `first` of all that `readings` know."""
        self._first, self.readings = first, tuple(readings)
        self._inside = self.net.normalise(pixels)
        wanted = (-1, self.program.output, *self.read, *self._kept_maps)
        self._clean = self.program.run(self._inside, wanted, keep=self.keep_clean or not self._kept_maps)
        self.show(fill)
        for index, kept in self._kept_maps.items():
            kept.load(self._maps(index))

    def show(self, fill: Tensor) -> None:
        """Take other pictures (n c h w in [0, 1]) whose pixels the occluder shows."""
        self.fill.load(physical(self.net.normalise(fill), (2, 3)))

    def clean(self) -> tuple[Tensor, list[Tensor]]:
        """Scores (pictures k) and readings (pictures) of the clean pictures."""
        which = torch.arange(self.pictures)
        found = []
        for reading, index in zip(self.readings, self.read, strict=True):
            channels = reading.channels[self._first : self._first + self.pictures]
            found.append(reading.of_map(self._clean[index][which, channels]).cpu())
        return self.net.rows(self._clean[self.program.output], self.pictures).cpu(), found

    def _maps(self, index: int) -> Tensor:
        if index not in self._clean:
            self._clean[index] = self.program.run(self._inside, (index,))[index]
        places = (2, 3) if index < 0 else self.program.steps[index].field.places
        return physical(self._clean[index], places or (2, 3))

    def clean_maps_of(self, index: int) -> CleanMaps:
        """The clean maps of a value, and room for windows beside them."""
        if index not in self._kept_maps:
            maps = self._maps(index)
            self._kept_maps[index] = CleanMaps(tuple(maps.shape), maps)  # type: ignore[arg-type]
            self._kept_maps[index].load(maps)
        return self._kept_maps[index]

    def numbers(self) -> int:
        """How many numbers its tables hold."""
        return sum(kept.numbers() for kept in self._kept_maps.values())

    # ---- answers -------------------------------------------------------------------------------------------

    def answers(self, places: np.ndarray) -> Iterator[Answer]:
        """What `run` answers for one chunk of `places` after the other, for the loaded group."""
        waiting: list[tuple[np.ndarray, Values]] = []
        parts = list(self.positions.chunks(places))
        if len(parts) <= KEPT_PLANS:  # all are planned while every clean map is still there
            for part in parts:
                self.plan(part)
        for part in parts:
            waiting.append((part, self._up_to_tail(part)))
            if self.positions.tail is None or sum(v[SCORES].numel() for _, v in waiting) > WAITING:
                yield from self._finished(waiting)
                waiting = []
        yield from self._finished(waiting)

    def run(self, places: np.ndarray) -> tuple[Tensor, list[Tensor]]:
        """Scores (pictures m k) and readings (pictures m) of one chunk of positions, for the loaded group."""
        ((_, scores, read),) = self._finished([(places, self._up_to_tail(places))])
        return scores, read

    def _up_to_tail(self, places: np.ndarray) -> Values:
        """A chunk's readings, and its scores or what the tail computes them from."""
        plan = self.plan(places)
        if not self.keep_clean:  # what windows are cut from has been copied into tables
            kept = (self.program.output, *self.read)
            self._clean = {i: v for i, v in self._clean.items() if i in kept}
        return plan.run()

    def _finished(self, waiting: list[tuple[np.ndarray, Values]]) -> Iterator[Answer]:
        if self.positions.tail is not None and waiting:
            self._run_tail(self.positions.tail, waiting)
        for places, values in waiting:
            shape = (self.pictures, len(places))
            scores = self.net.rows(values[SCORES], math.prod(shape)).view(*shape, -1)
            read = [values[SCORES - 1 - r].view(shape).cpu() for r in range(len(self.read))]
            yield places, scores.cpu(), read

    def _run_tail(self, tail: Tail, waiting: list[tuple[np.ndarray, Values]]) -> None:
        """Replace what the tail reads by the scores, and add the readings of the tail's own steps."""
        source = torch.cat([values.pop(SCORES) for _, values in waiting])
        found = tail.run(source, self.read)
        sizes = [self.pictures * len(places) for places, _ in waiting]
        starts = itertools.accumulate(sizes, initial=0)
        for (places, values), start, size in zip(waiting, starts, sizes, strict=False):
            part = slice(start, start + size)
            values[SCORES] = found[self.program.output][part]
            picture = torch.arange(self.pictures).repeat_interleave(len(places))
            for r, index in enumerate(self.read):
                if index in found:
                    values[SCORES - 1 - r] = self._read_of(r, found[index][part], picture)

    # ---- planning ------------------------------------------------------------------------------------------

    def plan(self, places: np.ndarray) -> Planner:
        """The plan of a chunk; some plans are kept for the groups that follow."""
        key = places.tobytes()
        if key not in self._plans:
            if len(self._plans) >= KEPT_PLANS:
                self._plans.clear()
            self._plans[key] = self._planned(places)
        return self._plans[key]

    def _planned(self, places: np.ndarray) -> Planner:
        where = self.positions
        plan = Planner(
            self.program, where.changed, self.clean_maps_of, RULES, self._inside, tuple(self._inside.shape[1:]),
            np.repeat(np.arange(self.pictures), len(places)), np.tile(places, self.pictures), self.largest,
            compiled=where.compiled,
        )  # fmt: skip
        found: list[int] = []  # readings that later segments have to keep
        for number, stretch in enumerate(where.stretches()):
            inside = {step.index for step in stretch.steps}
            carried = [i for i in self._crossing(stretch.steps[0].index) if number] + found
            found += [SCORES - 1 - r for r, index in enumerate(self.read) if index in inside]
            kept = self._crossing(stretch.steps[-1].index + 1) + found
            plan.begin(math.ceil(stretch.size), carried, kept)
            if not number:
                self._plan_input(plan)
            self._plan_steps(plan, stretch.steps)
        plan.begin(len(plan), [where.end, *found], [SCORES, *found])
        plan.emit(SCORES, plan.whole(where.end), [where.end])
        return plan

    def _plan_steps(self, plan: Planner, steps: Sequence[Step]) -> None:
        for step in steps:
            plan.add(step)
            for r, index in enumerate(self.read):
                if index == step.index:
                    self._plan_reading(plan, r)

    def _crossing(self, before: int) -> list[int]:
        """Values from before a step that it, or a later one, reads."""
        read = {p for step in self.positions.head if step.index >= before for p in step.parents}
        return sorted(i for i in {*read, self.positions.end} if i < before)

    def _plan_input(self, plan: Planner) -> None:
        """The pictures' windows with the fill in them."""
        window, occluders = plan.wanted(-1), self.positions.occluders
        plan.windows[-1] = window
        clean, fill = self.clean_maps_of(-1), self.fill
        if window is None:
            picture = plan.by_part(torch.from_numpy(plan.picture).to(self.net.device))
            covers = plan.by_part(occluders.cover(plan.places)[..., None].to(self.net.device))

            def hide_whole(values: Values) -> Tensor:
                which = picture[plan.turn]
                shown = torch.where(covers[plan.turn], fill.maps()[which], clean.maps()[which])
                return logical(shown, (2, 3))

            plan.emit(-1, hide_whole, [])
            return
        rows, columns = window.rows.cells(), window.columns.cells()
        cover = occluders.cover_at(plan.places, rows, columns)[..., None].to(self.net.device)
        everywhere = bool(cover.all())
        index = plan.by_part(fill.index(plan.picture, rows, columns, None))
        covered = plan.by_part(cover)

        def hide(values: Values) -> Tensor:
            shown = fill.gather(index[plan.turn])
            if everywhere:
                return shown
            return torch.where(covered[plan.turn], shown, clean.gather(index[plan.turn]))

        plan.emit(-1, hide, [])

    def _plan_reading(self, plan: Planner, r: int) -> None:
        """Read a value as soon as it is there: later steps may overwrite it."""
        value = plan.whole(self.read[r])
        pictures = plan.by_part(torch.from_numpy(plan.picture))

        def read(values: Values) -> Tensor:
            return self._read_of(r, value(values), pictures[plan.turn])

        plan.emit(SCORES - 1 - r, read, [self.read[r]])

    def _read_of(self, r: int, value: Tensor, picture: Tensor) -> Tensor:
        reading = self.readings[r]
        channels = reading.channels[self._first : self._first + self.pictures][picture]
        return reading.of_map(value[torch.arange(len(picture)), channels])
