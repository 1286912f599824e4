"""How are all positions of an occluder answered, recomputing only what each one changes?

For a group of pictures: run the program once on the clean pictures and keep the maps that windows are cut
from; then, for chunks of positions, carry out a plan made for that chunk.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from convsight.network.batching import chunk_size
from convsight.network.classifier import Classifier
from convsight.network.intervals import Field, Intervals
from convsight.occluding import alike
from convsight.occluding.answers import Reading
from convsight.occluding.clean_maps import Store
from convsight.occluding.occluders import Occluders
from convsight.occluding.plan import Planner, Values, logical, physical
from convsight.occluding.regions import Changed, changed_by, sides_of
from convsight.occluding.rules import RULES
from convsight.occluding.segments import Stretch, stretches
from convsight.occluding.simplify import simplified
from convsight.occluding.tail import WAITING, Tail
from convsight.occluding.trace import Program, Step

T = TypeVar("T")
Answer = tuple[np.ndarray, Tensor, list[Tensor]]  # positions, their scores and readings
WINDOWS = 54  # positions of one chunk on large pictures: enough for layers whose weights are many
KEPT_PLANS = 64
SCORES = -2  # where a plan leaves the scores, and after them the readings: −3, −4, ...


@dataclass(eq=False)
class Engine:
    """One network, one set of positions, groups of `pictures` pictures."""

    net: Classifier
    program: Program
    occluders: Occluders
    read: tuple[int, ...]  # indices of the values that are read, beside the scores
    pictures: int
    fast: bool = False
    keep_clean: bool = False  # every clean map, for occluders that are moved later
    minds_layout: bool = True  # whether whole pictures have to lie in the network as they came
    stores: dict[int, Store] = field(default_factory=dict)
    plans: dict[bytes, Planner] = field(default_factory=dict)
    prepared: dict[tuple, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.key_of(self.net, self.occluders, self.read, self.pictures, self.fast)
        self.program = simplified(self.program, self.read, self.fast)
        self.live = self.program.live((self.program.output, *self.read))
        tail = Tail.of(self.live, self.program.output)
        self.tail = tail if tail is not None and tail.heavy else None
        self.head = self.live[: -len(self.tail.steps)] if self.tail else self.live
        self.end = self.tail.source if self.tail else self.program.output
        self.move(self.occluders)
        self.fill = Store(
            (self.pictures, *self.net.input_size, self.net.channels),
            torch.empty(0, dtype=self.net.dtype, device=self.net.device),
        )
        self._clean: Values = {}
        self._inside = torch.empty(0)
        self.readings: tuple[Reading, ...] = ()
        self._first = 0

    def move(self, occluders: Occluders) -> None:
        """Take other positions on the same pictures, whose clean maps stay."""
        self.occluders = occluders
        self.plans.clear()
        self.known: dict[str, Any] = {}  # what was worked out about these positions
        height, width = self.net.input_size
        sides, picture = sides_of(occluders), Field(Intervals.of_picture(height), Intervals.of_picture(width))
        known = [(-1, picture, 4), *((s.index, s.field, len(s.shape) + 1) for s in self.live)]
        self.changed: dict[int, Changed | None] = {
            i: changed_by(sides, f) if f.places in ((2, 3), (1, 2)) and dims == 4 else None
            for i, f, dims in known
        }

    @staticmethod
    def key_of(net: Classifier, where: Occluders, read: tuple[int, ...], pictures: int, fast: bool) -> tuple:
        """Equal for engines that can stand in for each other; the program stands for the weights."""
        return net.device, where.size, where.grid, where.boxes, where.masks is None, read, pictures, fast

    # ---- the clean pictures --------------------------------------------------------------------------------

    def load(self, pixels: Tensor, fill: Tensor, readings: Sequence[Reading], first: int) -> None:
        """Take a group of clean pictures, the first of which is number `first` of all that `readings` know."""
        self._first, self.readings = first, tuple(readings)
        self._inside = self.net.normalise(pixels)
        wanted = (-1, self.program.output, *self.read, *self.stores)
        self._clean = self.program.run(self._inside, wanted, keep=self.keep_clean or not self.stores)
        self.show(fill)
        for index, store in self.stores.items():
            store.load(self._maps(index))

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

    def store_of(self, index: int) -> Store:
        if index not in self.stores:
            maps = self._maps(index)
            self.stores[index] = Store(tuple(maps.shape), maps)  # type: ignore[arg-type]
            self.stores[index].load(maps)
        return self.stores[index]

    def pictures_at_once(self, usual: int) -> int:
        """How many pictures are best answered together, if `usual` ones need as much memory as the dense loop."""
        return usual

    def numbers(self) -> int:
        """How many numbers its tables hold."""
        return sum(store.numbers() for store in self.stores.values())

    # ---- chunks --------------------------------------------------------------------------------------------

    def once(self, what: str, work_out: Callable[[], T]) -> T:
        """What `work_out` answers about these positions, asked once."""
        if what not in self.known:
            self.known[what] = work_out()
        return self.known[what]

    def chunks(self, places: np.ndarray) -> Iterator[np.ndarray]:
        """Positions in turn, those whose windows are about as high and as wide together."""
        size = self.once("size", self._chunk_size)
        if size >= len(places):
            return iter([places])
        extents = self.once("extents", lambda: alike.changes(self.changed.values()))
        return alike.chunks(places, self.occluders.grid[1], size, extents)

    def _chunk_size(self) -> int:
        """As many positions as need no more memory than the batches of the dense loop."""
        most = chunk_size((self.net.channels, *self.net.input_size))
        room = most * max(math.prod(s.shape) for s in self.live)
        size = max(WINDOWS, most)
        for stretch in self.stretches():
            if stretch.size > room / stretch.numbers:
                size = min(size, 2 * room // stretch.numbers)
        return max(1, size // self.pictures)

    def stretches(self) -> list[Stretch]:
        """The steps, in stretches that are carried out on some positions at a time."""
        most = max(WINDOWS, chunk_size((self.net.channels, *self.net.input_size)))
        return self.once("stretches", lambda: stretches(self.head, self._numbers, most))

    def _numbers(self, index: int) -> int:
        """Numbers in the largest window of a value."""
        shape = (self.net.channels, *self.net.input_size) if index < 0 else self.program.steps[index].shape
        changed = self.changed[index]
        if changed is None:
            return math.prod(shape)
        return math.prod(shape) * changed.window(slice(None)).area // math.prod(changed.extent)

    def answers(self, places: np.ndarray) -> Iterator[Answer]:
        """What `run` answers for one chunk of `places` after the other, for the loaded group."""
        waiting: list[tuple[np.ndarray, Values]] = []
        parts = list(self.chunks(places))
        if len(parts) <= KEPT_PLANS:  # all are planned while every clean map is still there
            for part in parts:
                self.plan(part)
        for part in parts:
            waiting.append((part, self._head_of(part)))
            if self.tail is None or sum(v[SCORES].numel() for _, v in waiting) > WAITING:
                yield from self._finished(waiting)
                waiting = []
        yield from self._finished(waiting)

    def run(self, places: np.ndarray) -> tuple[Tensor, list[Tensor]]:
        """Scores (pictures m k) and readings (pictures m) of one chunk of positions, for the loaded group."""
        ((_, scores, read),) = self._finished([(places, self._head_of(places))])
        return scores, read

    def _head_of(self, places: np.ndarray) -> Values:
        """A chunk's scores and readings, or what the tail makes them of."""
        plan = self.plan(places)
        if not self.keep_clean:  # the tables have what windows are cut from
            kept = (self.program.output, *self.read)
            self._clean = {i: v for i, v in self._clean.items() if i in kept}
        return plan.run()

    def _finished(self, waiting: list[tuple[np.ndarray, Values]]) -> Iterator[Answer]:
        if self.tail is not None and waiting:
            self._finish(self.tail, waiting)
        for places, values in waiting:
            shape = (self.pictures, len(places))
            scores = self.net.rows(values[SCORES], math.prod(shape)).view(*shape, -1)
            yield (
                places,
                scores.cpu(),
                [values[SCORES - 1 - r].view(shape).cpu() for r in range(len(self.read))],
            )

    def _finish(self, tail: Tail, waiting: list[tuple[np.ndarray, Values]]) -> None:
        """Turn what the tail reads into scores, and into the readings of its own steps."""
        source = torch.cat([values.pop(SCORES) for _, values in waiting])
        found = tail.run(source, self.read, self.program.prepared if self.fast else None)
        sizes = [self.pictures * len(places) for places, _ in waiting]
        starts = itertools.accumulate(sizes, initial=0)
        for (places, values), start, size in zip(waiting, starts, sizes, strict=False):
            part = slice(start, start + size)
            values[SCORES] = found[self.program.output][part]
            picture = torch.arange(self.pictures).repeat_interleave(len(places))
            for r, index in enumerate(self.read):
                if index in found:
                    values[SCORES - 1 - r] = self._read_of(r, found[index][part], picture)

    def plan(self, places: np.ndarray) -> Planner:
        """The plan of a chunk; the last ones are kept for the groups that follow."""
        key = places.tobytes()
        if key not in self.plans:
            if len(self.plans) >= KEPT_PLANS:
                self.plans.clear()
            self.plans[key] = self._planned(places)
        return self.plans[key]

    def _planned(self, places: np.ndarray) -> Planner:
        plan = Planner(
            self.program, self.changed, self.store_of, RULES, self._inside, tuple(self._inside.shape[1:]),
            np.repeat(np.arange(self.pictures), len(places)), np.tile(places, self.pictures), self.prepared, fast=self.fast,
        )  # fmt: skip
        found: list[int] = []  # readings that later segments have to hand on
        for number, stretch in enumerate(self.stretches()):
            inside = {step.index for step in stretch.steps}
            carried = [i for i in self._crossing(stretch.steps[0].index) if number] + found
            found += [SCORES - 1 - r for r, index in enumerate(self.read) if index in inside]
            kept = self._crossing(stretch.steps[-1].index + 1) + found
            plan.begin(math.ceil(stretch.size), carried, kept)
            if not number:
                self._plan_input(plan)
            self._plan_steps(plan, stretch.steps)
        plan.begin(len(plan), [self.end, *found], [SCORES, *found])
        plan.emit(SCORES, plan.whole(self.end), [self.end])
        return plan

    def _plan_steps(self, plan: Planner, steps: Sequence[Step]) -> None:
        for step in steps:
            plan.add(step)
            for r, index in enumerate(self.read):
                if index == step.index:
                    self._plan_reading(plan, r)

    def _crossing(self, before: int) -> list[int]:
        """Values from before a step that it, or a later one, reads."""
        read = {p for step in self.head if step.index >= before for p in step.parents}
        return sorted(i for i in {*read, self.end} if i < before)

    def _plan_input(self, plan: Planner) -> None:
        """The pictures' windows with the fill in them."""
        window = plan.wanted(-1)
        plan.windows[-1] = window
        clean, fill = self.store_of(-1), self.fill
        if window is None:
            picture = plan.by_part(torch.from_numpy(plan.picture).to(self.net.device))
            covers = plan.by_part(self.occluders.cover(plan.places)[..., None].to(self.net.device))

            def hide_whole(values: Values) -> Tensor:
                which = picture[plan.turn]
                return logical(
                    torch.where(covers[plan.turn], fill.maps()[which], clean.maps()[which]), (2, 3)
                )

            plan.emit(-1, hide_whole, [])
            return
        rows, columns = window.rows.cells(), window.columns.cells()
        cover = self.occluders.cover_at(plan.places, rows, columns)[..., None].to(self.net.device)
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
        """Read a value as soon as it is there: later steps may change it."""
        value = plan.whole(self.read[r])
        pictures = plan.by_part(torch.from_numpy(plan.picture))

        def read(values: Values) -> Tensor:
            return self._read_of(r, value(values), pictures[plan.turn])

        plan.emit(SCORES - 1 - r, read, [self.read[r]])

    def _read_of(self, r: int, value: Tensor, picture: Tensor) -> Tensor:
        reading = self.readings[r]
        channels = reading.channels[self._first : self._first + self.pictures][picture]
        return reading.of_map(value[torch.arange(len(picture)), channels])
