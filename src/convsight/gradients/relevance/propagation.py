"""How does relevance go back through a whole network, operation by operation?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from convsight.errors import ModelError
from convsight.gradients.relevance.back import Operation
from convsight.gradients.relevance.composites import Composite
from convsight.gradients.relevance.gates import is_gate
from convsight.gradients.relevance.operations import GATED, MOVES, NORMALISATIONS, OFFSETS, PASSES, SHARES
from convsight.gradients.relevance.refusal import UNSEEN, refused
from convsight.gradients.relevance.rules import Weighted
from convsight.gradients.relevance.weighted import (
    NORMS,
    PLACES,
    folded,
    normalised,
    output_axis,
    weighted,
    wide,
)
from convsight.gradients.relu_rules import rectified
from convsight.network.graph import Tape, tensors_in
from convsight.network.operations import CLIPPERS

Bounds = tuple[Tensor, Tensor]  # the least and largest values that the numbers of a tensor can have


@dataclass(frozen=True)
class Met:
    """A weighted layer of this pass, kept in case a batch normalisation follows that is folded into it."""

    layer: Weighted
    x: Tensor
    axis: int


@dataclass
class Propagation:
    """What `net.replace_ops` is given: each operation keeps its value, and its backward pass becomes a rule.

    `lowest` and `highest` are the values per channel that a normalised picture can have (1 c 1 1).
    """

    composite: Composite
    lowest: Tensor
    highest: Tensor
    counts: Counter[str] = field(default_factory=Counter)  # what was treated by a rule of ours, for the notes

    def begin(self, tape: Tape) -> None:
        """A pass starts, watched by this tape."""
        self.tape = tape
        self._met: dict[int | None, Met] = {}
        self._bounds: dict[int, Bounds] = {}  # of the values that are still the picture, by node

    def end(self, value: Tensor) -> None:
        """Raises ModelError for a network whose operations the tape did not see: it would give the plain gradient."""
        if self.tape.index_of(value) is None:
            raise ModelError(UNSEEN)

    def __call__(self, kind: str, func: Callable, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        found = [t for t in tensors_in((args, kwargs)) if self._follows(t)]
        operation = Operation(kind, func, args, kwargs, list({id(t): t for t in found}.values()))
        if not operation.inputs:
            return NotImplemented
        for treat in (self._weighted, self._normalised, self._of_the_picture, self._rectified):
            if (value := treat(operation)) is not None:
                return value
        return self._by_kind(operation)

    def _follows(self, value: Tensor) -> bool:
        return self.tape.index_of(value) is not None and value.is_floating_point()

    def _by_kind(self, operation: Operation) -> Any:
        kind = operation.kind
        if kind in MOVES:
            return NotImplemented
        if kind in PASSES:
            self.counts.update([kind] if kind in NORMALISATIONS else [])
            return operation.passed(operation.inputs[0])
        if kind in SHARES:
            return operation.summed()
        if kind in GATED:
            return self._product(operation)
        return refused(operation, self.tape.where)

    def _weighted(self, operation: Operation) -> Tensor | None:
        """A convolution or dense layer, unless its weights depend on the picture."""
        if operation.kind not in PLACES:
            return None
        layer, x = weighted(operation.kind, operation.func, operation.args, operation.kwargs)
        if len(operation.inputs) != 1 or operation.inputs[0] is not x:
            return None
        if (bounds := self._bounds_of(x)) is not None:
            layer = replace(layer, bounds=(wide(bounds[0]), wide(bounds[1])))
        index = len(self.tape.nodes)
        value = self._by_rule(operation, layer, x)
        if operation.kind not in ("matmul", "mm") and (layer.is_convolution or value.ndim == 2):
            self._met[index] = Met(layer, x, output_axis(operation.kind, operation.args))
        return value

    def _normalised(self, operation: Operation) -> Any:
        """Batch normalisation behind a weighted layer, as one layer with it: relevance goes to that layer's input."""
        before = self._met.get(self.tape.index_of(operation.inputs[0]))
        if operation.kind not in NORMS or before is None:
            return None
        applied = normalised(operation.kind, operation.func, operation.args, operation.kwargs)
        if applied is None:
            return None
        return self._by_rule(operation, folded(before.layer, before.axis, *applied), before.x)

    def _by_rule(self, operation: Operation, layer: Weighted, x: Tensor) -> Any:
        rule = self.composite.rule_of(layer)

        def back(relevance: Tensor, x: Tensor) -> Sequence[Tensor]:
            return (rule(layer.in_precision_of(x), x, relevance),)

        return operation.ruled(back, [x], [x])

    def _bounds_of(self, x: Tensor) -> Bounds | None:
        """Between which values each number of `x` lies, if it is the picture before any weighted layer."""
        index = self.tape.index_of(x)
        if index == -1 and x.ndim == 4:
            return self.lowest.to(x).expand_as(x), self.highest.to(x).expand_as(x)
        return None if index is None else self._bounds.get(index)

    def _of_the_picture(self, operation: Operation) -> Any:
        """The picture, scaled, padded or moved inside the network: what comes out still is the picture, with new bounds.

        An offset, such as a mean that is taken off, gets no share of it.
        """
        kind, bounds = operation.kind, [self._bounds_of(x) for x in operation.inputs]
        scaled = len(bounds) == 1 and kind in SHARES | GATED | CLIPPERS | NORMS
        if any(each is None for each in bounds) or not (kind in MOVES or scaled):
            return None
        with torch.no_grad():
            ends = [operation.run_with(side) for side in zip(*bounds, strict=True)]  # type: ignore[arg-type]
        if not all(isinstance(end, Tensor) and end.is_floating_point() for end in ends):
            return None
        self._bounds[len(self.tape.nodes)] = torch.minimum(*ends), torch.maximum(*ends)
        return operation.passed(operation.inputs[0]) if kind in OFFSETS else None

    def _rectified(self, operation: Operation) -> Any:
        """A ReLU, however it is written."""
        x = rectified(operation.kind, operation.args, operation.kwargs)
        return operation.passed(x) if any(x is each for each in operation.inputs) else None  # type: ignore[arg-type]

    def _product(self, operation: Operation) -> Any:
        first, *others = operation.inputs
        # a product with a constant or with itself; of a division, what is divided is the signal
        if not others or operation.kind not in ("mul", "multiply"):
            return operation.passed(first)
        gates = [is_gate(self.tape, x, other) for x, other in ((first, others[0]), (others[0], first))]
        if gates[0] == gates[1]:
            self.counts.update(["products"])
            return operation.halved()
        self.counts.update(["gates"])
        return operation.passed(others[0] if gates[0] else first)
