"""How are the vectors behind the last maps computed, for the positions of many chunks at a time?

A linear layer behind large maps has more weights than a cache holds, and reads all of them for every batch. Windows
are done some positions at a time; their last maps are small, so they can wait until the weights are read for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from convsight.occluding.parts import Values
from convsight.occluding.trace import Step

HEAVY = 4_000_000  # weights from which on chunks wait for each other
WAITING = 20_000_000  # numbers (80 MB) that wait at most
RESHAPED = ("flatten", "view", "reshape")


@dataclass(frozen=True, eq=False)
class Tail:
    """The last steps, each of whose values is a vector; `source` is the only earlier value that they read."""

    steps: tuple[Step, ...]
    source: int
    output: int

    @classmethod
    def of(cls, live: Sequence[Step], output: int) -> Tail | None:
        """The longest tail of the steps `live`; None if there is none, or it reads several values."""
        shape = {step.index: step.shape for step in live}
        start = len(live)
        while start and _is_vector(live[start - 1], shape):
            start -= 1
        steps = tuple(live[start:])
        sources = {p for s in steps for p in s.parents} - {s.index for s in steps}
        if len(sources) != 1 or output not in {s.index for s in steps} or min(sources) < 0:
            return None
        return cls(steps, sources.pop(), output)

    @property
    def heavy(self) -> bool:
        """Whether reading the weights takes so long that it pays to wait for more positions."""
        return sum(w.numel() for s in self.steps if (w := linear_weight(s)) is not None) >= HEAVY

    def run(self, value: Tensor, wanted: Sequence[int]) -> Values:
        """The values `wanted`, and the output, for a batch of values of the source (which may be overwritten)."""
        values, found = {self.source: value}, {}
        for step in self.steps:
            now = values[step.index] = step.run(values.__getitem__, len(value), own=True)
            if step.index in wanted:  # later steps may overwrite it
                found[step.index] = now.clone()
        return {**found, self.output: values[self.output]}


def _is_vector(step: Step, shape: dict[int, tuple[int, ...]]) -> bool:
    """Whether its value is a vector, made of vectors or by laying out maps as one."""
    if len(step.shape) != 1 or not step.parents:
        return False
    return step.kind in RESHAPED or all(len(shape.get(p, ())) == 1 for p in step.parents)


def linear_weight(step: Step) -> Tensor | None:
    """A linear layer's weights (k c)."""
    weight = step.argument(1, "weight") if step.kind == "linear" else None
    return weight if isinstance(weight, Tensor) and weight.ndim == 2 else None
