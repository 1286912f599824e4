"""What do the positions of an occluder change in every value, and which of them are answered together?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from convsight.network.batching import chunk_size
from convsight.network.classifier import Classifier
from convsight.network.intervals import Field, Intervals
from convsight.occluding import chunks
from convsight.occluding.occluders import Occluders
from convsight.occluding.regions import Changed, changed_by, sides_of
from convsight.occluding.segments import Stretch, stretches
from convsight.occluding.tail import Tail
from convsight.occluding.trace import Program, Step

T = TypeVar("T")
WINDOWS = 54  # positions of one chunk on large pictures: enough for layers that have many weights


@dataclass(eq=False)
class Positions:
    """The positions of an occluder on a network's pictures, `pictures` of which are answered together."""

    net: Classifier
    program: Program
    occluders: Occluders
    read: tuple[int, ...]  # indices of the values that are read, beside the scores
    pictures: int
    compiled: bool
    live: list[Step] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live = self.program.live((self.program.output, *self.read))
        tail = Tail.of(self.live, self.program.output)
        self.tail = tail if tail is not None and tail.heavy else None
        self.head = self.live[: -len(self.tail.steps)] if self.tail else self.live
        self.end = self.tail.source if self.tail else self.program.output
        height, width = self.net.input_size
        sides, picture = (
            sides_of(self.occluders),
            Field(Intervals.of_picture(height), Intervals.of_picture(width)),
        )
        fields = [(-1, picture, 4), *((s.index, s.field, len(s.shape) + 1) for s in self.live)]
        self.changed: dict[int, Changed | None] = {
            i: changed_by(sides, f) if f.places in ((2, 3), (1, 2)) and dims == 4 else None
            for i, f, dims in fields
        }

    def moved(self, occluders: Occluders) -> Positions:
        """The same for other positions."""
        return replace(self, occluders=occluders, known={})

    def once(self, what: str, work_out: Callable[[], T]) -> T:
        """What `work_out` returns about these positions; it is asked once."""
        if what not in self.known:
            self.known[what] = work_out()
        return self.known[what]

    def shape_of(self, index: int) -> tuple[int, ...]:
        """The shape of one picture's value."""
        return (self.net.channels, *self.net.input_size) if index < 0 else self.program.steps[index].shape

    def largest(self) -> dict[int, tuple[int, int]]:
        """Height and width of the largest window of each value that has places."""
        windows = {i: c.window(slice(None)) for i, c in self.changed.items() if c is not None}
        every = {s.index: (s.shape[1], s.shape[2]) for s in self.live if len(s.shape) == 3}
        return every | {i: (w.rows.size, w.columns.size) for i, w in windows.items()}

    def numbers(self, index: int) -> int:
        """How many numbers the largest window of a value has."""
        shape, changed = self.shape_of(index), self.changed[index]
        if changed is None:
            return math.prod(shape)
        return math.prod(shape) * changed.window(slice(None)).area // math.prod(changed.extent)

    def chunks(self, places: np.ndarray) -> Iterator[np.ndarray]:
        """Positions in chunks whose windows are about as high and as wide."""
        size = self.once("size", self._chunk_size)
        if size >= len(places):
            return iter([places])
        extents = self.once("extents", lambda: chunks.changes(self.changed.values()))
        return chunks.chunks(places, self.occluders.grid[1], size, extents)

    def _chunk_size(self) -> int:
        """As many positions as need no more memory than a batch of the dense loop."""
        most = chunk_size((self.net.channels, *self.net.input_size))
        room = most * max(math.prod(s.shape) for s in self.live)
        size = max(WINDOWS, most)
        for stretch in self.stretches():
            if stretch.size > room / stretch.numbers:
                size = min(size, 2 * room // stretch.numbers)
        return max(1, size // self.pictures)

    def stretches(self) -> list[Stretch]:
        """The steps up to the tail, in stretches that are carried out for some positions at a time."""
        most = max(WINDOWS, chunk_size((self.net.channels, *self.net.input_size)))
        return self.once("stretches", lambda: stretches(self.head, self.numbers, most))
