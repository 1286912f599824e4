"""How is a plan carried out: which operations on which part of a chunk, and which values are kept until when?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Values = dict[int, Tensor]
Compute = Callable[[Values], Tensor]


@dataclass(eq=False)
class Segment:
    """Operations that are carried out on one part of the chunk after the other."""

    parts: list[slice]
    carried: list[int]  # values from earlier segments
    kept: list[int]  # values that later segments, or the caller, ask for
    operations: list[tuple[int | None, Callable, Sequence[int]]] = field(default_factory=list)

    @functools.cached_property
    def last(self) -> list[list[int]]:
        """Values that nothing needs after each operation."""
        uses = {i: at for at, (_, _, reads) in enumerate(self.operations) for i in reads}
        over: list[list[int]] = [[] for _ in self.operations]
        for index, at in uses.items():
            if index not in self.kept:
                over[at].append(index)
        return over


def carried_out(segments: Sequence[Segment], turn_to: Callable[[int], None]) -> Values:
    """The values that the last segment keeps; `turn_to` is told the number of each part before its turn."""
    values: Values = {}
    for segment in segments:
        if len(segment.parts) == 1:
            turn_to(0)
            _carry_out(segment, values)
            continue
        found: dict[int, list[Tensor]] = {i: [] for i in segment.kept if i not in segment.carried}
        for turn, part in enumerate(segment.parts):
            local = {i: values[i][part] for i in segment.carried}
            turn_to(turn)
            _carry_out(segment, local)
            for index in found:
                found[index].append(local[index])
        values = {i: values[i] for i in segment.kept if i in values}
        values |= {i: torch.cat(parts) for i, parts in found.items()}
    return values


def _carry_out(segment: Segment, values: Values) -> None:
    for (index, compute, _), over in zip(segment.operations, segment.last, strict=True):
        result = compute(values)
        if index is not None:
            values[index] = result
        for done in over:
            values.pop(done, None)
