"""How are the vectors behind the last maps computed, for the positions of many chunks at a time?

A linear layer behind large maps has more weights than a cache holds, and reads all of them for every batch. Windows
are done some positions at a time; their last maps are small, so they can wait until the weights are read for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.accelerate import split_filter
from convsight.accelerate.rows import Cells
from convsight.occluding.parts import Values
from convsight.occluding.trace import Step

HEAVY = 4_000_000  # weights from which on chunks wait for each other
WAITING = 20_000_000  # numbers (80 MB) that wait at most
ROWS, WEIGHTS = 64, 500_000  # from which on the matrix unit is quicker than torch
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

    def run(self, value: Tensor, wanted: Sequence[int], scales: dict[tuple, Any] | None) -> Values:
        """The values `wanted`, and the output, for a batch of values of the source (which may be overwritten).

        With `scales`, where those of the weights are kept, linear layers may run on the matrix unit.
        """
        values, found = {self.source: value}, {}
        for step in self.steps:
            weight = linear_weight(step)
            if weight is not None and scales is not None and suits(values[step.parents[0]], weight):
                key = ("scale of weights", step.index)
                if key not in scales:
                    scales[key] = split_filter.scale_of(weight)
                now = product(values[step.parents[0]], weight, step.argument(2, "bias"), scales[key])
            else:
                now = step.run(values.__getitem__, len(value), own=True)
            values[step.index] = now
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


def suits(value: Tensor, weight: Tensor) -> bool:
    """Whether the matrix unit is there, and large enough a product to be quicker on it."""
    plain = value.ndim == 2 and value.device.type == "cpu" and value.dtype == weight.dtype == torch.float32
    large = len(value) >= ROWS and weight.numel() >= WEIGHTS
    return plain and large and split_filter.usable()


def product(value: Tensor, weight: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """value · weightᵀ + bias on the matrix unit, where the weights are multiplied by `scale`, a power of two.

    The values stand where a convolution has its filters, and the weights where it has its cells: those are read as
    they lie, so that no second copy of the weights is kept.
    """
    filters = split_filter.SplitFilter.of(value[:, :, None, None], None)
    starts, taps = np.arange(len(weight)), np.zeros(1, dtype=np.int64)
    cells = Cells(weight.contiguous())
    found = filters.run(cells, starts, taps, None, scale).T
    return found.contiguous() if bias is None else torch.add(found, bias)
