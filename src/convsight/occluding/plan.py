"""What is computed for one chunk of positions, in which order, from which cells?

Planning looks only at shapes and positions, never at numbers. It turns every step of the program into one function
of the values so far, with all indices worked out, so that a plan serves any pictures.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from convsight.occluding.clean_maps import Cells, CleanMaps
from convsight.occluding.parts import Compute, Segment, Values, carried_out
from convsight.occluding.regions import Changed, Window
from convsight.occluding.trace import Program, Step

GATHER = 16  # multiply-adds that take as long as copying one number to where a window needs it


@dataclass(frozen=True)
class Outcome:
    """How a step's value is computed: windows (n h w c, at `window`) or, without one, whole maps."""

    window: Window | None
    compute: Compute


Rule = Callable[[Step, "Planner"], Outcome | None]


@dataclass(eq=False)
class Planner:
    """Plans one chunk: `picture[i]` and `places[i]` are the picture and position of its i-th element."""

    program: Program
    changed: Mapping[int, Changed | None]
    clean_maps_of: Callable[[int], CleanMaps]
    rules: Mapping[str, Rule]
    like: Tensor  # has the network's device and number format
    picture_shape: tuple[int, ...]
    picture: np.ndarray
    places: np.ndarray
    largest: Mapping[
        int, tuple[int, int]
    ]  # height and width of each value's largest windows, over all positions
    windows: dict[int, Window | None] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    compiled: bool = False  # whether convolutions run on compiled kernels where there are some
    turn: int = 0  # the part of the segment that is being computed
    _placed: set[int] = field(default_factory=set)
    _wanted: dict[int, Window | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.picture)

    @property
    def parts(self) -> list[slice]:
        """The elements that are computed at a time, in the segment that is being planned."""
        return self.segments[-1].parts

    @property
    def sizes(self) -> list[int]:
        """How many elements the parts have."""
        return [part.stop - part.start for part in self.parts]

    def by_part(self, each: Tensor) -> list[Tensor]:
        """What is different for each element, part by part; `turn` is the number of the part at hand."""
        return [each[part] for part in self.parts]

    # ---- what rules ask ------------------------------------------------------------------------------------

    def wanted(self, index: int) -> Window | None:
        """The common window of the cells that this chunk changes in a value; None if it is all of them."""
        if index not in self._wanted:
            changed = self.changed.get(index)
            window = None if changed is None else changed.window(self.places)
            self._wanted[index] = None if window is None or window.whole else window
        return self._wanted[index]

    def step(self, index: int) -> Step:
        return self.program.steps[index]

    def shape_of(self, index: int) -> tuple[int, ...]:
        """Of one picture's value."""
        return tuple(self.picture_shape) if index < 0 else self.step(index).shape

    def channels(self, index: int) -> int:
        return self.shape_of(index)[0] if self.places_of(index) == (2, 3) else self.shape_of(index)[-1]

    def windows_of(self, index: int, window: Window) -> Compute:
        """Getter of a value's cells in `window`, n h w c."""
        return self.cells_of(index, window.rows.cells(), window.columns.cells())

    def cells_of(self, index: int, rows: np.ndarray, columns: np.ndarray, pad: float = 0.0) -> Compute:
        """Getter of the cells rows[i] × columns[i] of element i, m h w c; cells outside of the maps are `pad`."""
        window = self.windows[index]
        assert window is not None, "a whole map has no windows"
        if _all_cells(window, rows, columns):
            return self.value_of(index)
        where, clean = self._where(index, window, rows, columns, pad), self.clean_maps_of(index)
        self._place(index)
        return lambda values: clean.gather(where[self.turn])

    def rows_of(self, index: int, rows: np.ndarray, columns: np.ndarray) -> Callable[[Values], Cells]:
        """Getter of where the same cells lie, without copying them; cells outside of the maps are 0."""
        window, value = self.windows[index], self.value_of(index)
        assert window is not None, "a whole map has no windows"
        if _all_cells(window, rows, columns):
            return lambda values: Cells(value(values))
        where, clean = self._where(index, window, rows, columns, 0.0), self.clean_maps_of(index)
        return lambda values: Cells(clean.table, where[self.turn], value(values), clean.first_window_row)

    def _where(
        self, index: int, window: Window, rows: np.ndarray, columns: np.ndarray, pad: float
    ) -> list[Tensor]:
        """Rows of the table of a value for the cells, part by part; its windows are behind the clean maps."""
        number = np.concatenate([np.arange(size) for size in self.sizes])
        return self.by_part(self.clean_maps_of(index).index(self.picture, rows, columns, window, pad, number))

    def clean_cells(self, index: int, rows: np.ndarray, columns: np.ndarray) -> Compute:
        """Getter of the clean picture's cells at the same places."""
        clean = self.clean_maps_of(index)
        where = self.by_part(clean.index(self.picture, rows, columns, None))
        return lambda values: clean.gather(where[self.turn])

    def value_of(self, index: int) -> Compute:
        """Getter of a value as it is: windows n h w c, or whole."""
        return lambda values: values[index]

    def whole(self, index: int) -> Compute:
        """Getter of a whole value in the network's own order of axes, windows pasted on the clean maps."""
        if self.windows[index] is None:
            return self.value_of(index)
        places = self.places_of(index)
        height, width = self.clean_maps_of(index).shape[1:3]
        rows = np.broadcast_to(np.arange(height), (len(self), height))
        cells = self.cells_of(index, rows, np.broadcast_to(np.arange(width), (len(self), width)))
        return lambda values: logical(cells(values), places)

    def places_of(self, index: int) -> tuple[int, int]:
        return (2, 3) if index < 0 else self.step(index).field.places or (2, 3)

    def lay_out(self, key: tuple, make: Callable[[], Any]) -> Any:
        """What `make` returns, such as weights in another layout; it is made once and kept for later calls."""
        if key not in self.program.prepared:
            self.program.prepared[key] = make()
        return self.program.prepared[key]

    def paste_cost(self, index: int) -> float:
        if self.windows[index] is None:
            return 0.0
        return GATHER * float(math.prod(self.shape_of(index)))

    # ---- planning ------------------------------------------------------------------------------------------

    def add(self, step: Step) -> None:
        """Plan one step: by its rule, or on whole maps where it has none or they are cheaper."""
        rule, windowed = self.rules.get(step.kind), [self.windows[p] is not None for p in step.parents]
        outcome = rule(step, self) if rule and all(windowed) == any(windowed) else None
        if outcome is None:
            outcome = self.run_whole(step)
        self.windows[step.index] = outcome.window
        self.emit(step.index, outcome.compute, step.parents)

    def run_whole(self, step: Step) -> Outcome:
        """The original operation on whole values, windows pasted on the clean maps: exact for any operation."""
        inputs = {parent: self.whole(parent) for parent in dict.fromkeys(step.parents)}
        sizes = self.sizes
        return Outcome(None, lambda values: step.run(lambda i: inputs[i](values), sizes[self.turn], own=True))

    def begin(self, size: int, carried: Sequence[int], kept: Sequence[int]) -> None:
        """The steps that follow are carried out on at most `size` elements at a time."""
        count = -(-len(self) // max(1, size))
        edges = [round(i * len(self) / count) for i in range(count + 1)]
        parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
        self.segments.append(Segment(parts, list(carried), list(kept)))
        self._placed.clear()

    def emit(self, index: int | None, compute: Callable, reads: Sequence[int]) -> None:
        """Next, compute the value `index` (or, for None, have an effect) from the values `reads`."""
        self.segments[-1].operations.append((index, compute, reads))

    def _place(self, index: int) -> None:
        if index in self._placed:
            return
        self._placed.add(index)
        clean, value = self.clean_maps_of(index), self.value_of(index)
        self.emit(None, lambda values: clean.place(value(values)), [index])

    def run(self) -> Values:
        """Carry out the plan: the values that its last segment keeps."""
        return carried_out(self.segments, functools.partial(setattr, self, "turn"))


def _all_cells(window: Window, rows: np.ndarray, columns: np.ndarray) -> bool:
    """Whether these are all cells of the windows, in order, so that nothing has to be gathered."""
    return np.array_equal(rows, window.rows.cells()) and np.array_equal(columns, window.columns.cells())


def logical(cells: Float[Tensor, "n h w c"], places: tuple[int, int]) -> Tensor:
    """Windows n h w c in the order of axes that the network's operation works on (a view)."""
    return cells if places == (1, 2) else cells.permute(0, 3, 1, 2)


def physical(value: Tensor, places: tuple[int, int]) -> Float[Tensor, "n h w c"]:
    """An operation's value as n h w c, rows of channels contiguous."""
    return (value if places == (1, 2) else value.permute(0, 2, 3, 1)).contiguous()
