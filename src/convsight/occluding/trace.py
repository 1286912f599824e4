"""Which operations turn a picture into scores, as a list that can be run again, one at a time?

A network is traced with two batches of different size and content. An argument that is 2 in one recording and 3
in the other is the batch size. If the recordings differ in any other way, the network decides as it goes and has no
fixed program.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.network.graph import Node, Ref
from convsight.network.intervals import Field
from convsight.network.receptive_field import fields

BATCHES = (2, 3)
SAME = "same"  # the kind of a step that returns its input
RELU = 0.0, math.inf  # the limits between which a ReLU's values are


class _Batch:
    """Stands where an argument was the number of pictures."""


BATCH = _Batch()


@dataclass(frozen=True, eq=False)
class Step:
    """One operation with its arguments: `Ref`s to earlier values, `BATCH`, constants and weights."""

    index: int
    kind: str
    func: Callable
    args: tuple
    kwargs: Mapping[str, Any]
    shape: tuple[int, ...]  # of its value for one picture
    parents: tuple[int, ...]
    in_place: bool
    field: Field
    limits: tuple[float, float] | None = None  # of an activation that a convolution computes as well
    gain: Tensor | None = None  # of a batch norm folded into a convolution: multiplies each output's weights
    padded: tuple[int, int] | None = (
        None  # rows and columns of zeros before the maps, beside a convolution's own
    )

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    def weights(self) -> tuple[Tensor, Tensor | None]:
        """A convolution's weights, with the gain of a folded batch norm in them, and its biases."""
        weight, bias, gain = self.unscaled()
        return weight if gain is None else weight * gain[:, None, None, None], bias

    def unscaled(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Weights, biases and the gain of a folded batch norm, without a copy of the weights."""
        return self.argument(1, "weight"), self.argument(2, "bias"), self.gain

    @functools.cached_property
    def _plain(self) -> bool:
        """Whether values and batch sizes are positional arguments themselves, not inside of lists or keywords."""
        found: list[Any] = []
        nested = [a for a in self.args if isinstance(a, (tuple, list, Mapping))]
        mapped((nested, self.kwargs), found.append)
        return not any(isinstance(item, Ref) or item is BATCH for item in found)

    def filled(self, values: Callable[[int], Tensor], batch: int) -> tuple[tuple, Mapping[str, Any]]:
        """The arguments, with values for every `Ref` and the number of pictures for every `BATCH`."""

        def real(item: Any) -> Any:
            if isinstance(item, Ref):
                return values(item.index)
            return batch if item is BATCH else item

        if self._plain:
            return tuple(map(real, self.args)), self.kwargs
        return mapped(self.args, real), mapped(self.kwargs, real)

    def run(self, values: Callable[[int], Tensor], batch: int, own: bool = False) -> Tensor:
        """The operation's first value, given those of its parents.

        An in-place operation works on a copy of its input, unless the inputs are the caller's `own`: then it may
        change them, as it does in the network.
        """
        args, kwargs = self.filled(values, batch)
        if self.in_place and not own:
            args = (args[0].clone(), *args[1:])
        if self.kind == "view" and isinstance(args[0], Tensor):
            # A view needs the layout that the maps have in the network; ours may have their channels last.
            args = (args[0].contiguous(), *args[1:])
        value = self.func(*args, **kwargs)
        if self.kind == "setitem":  # y[:, 1:] = x returns None; the value is y
            value = args[0]
        return value[0] if isinstance(value, (tuple, list)) else value


@dataclass(frozen=True, eq=False)
class Program:
    """The steps from the normalised picture (index −1) to the scores."""

    steps: tuple[Step, ...]
    output: int
    prepared: dict[tuple, Any] = field(default_factory=dict)  # kept from call to call

    def live(self, wanted: Sequence[int]) -> list[Step]:
        """The steps that the values `wanted` depend on, in order."""
        needed = set(wanted)
        for step in reversed(self.steps):
            if step.index in needed:
                needed.update(step.parents)
        return [step for step in self.steps if step.index in needed]

    def run(self, inside: Tensor, wanted: Sequence[int], keep: bool = False) -> dict[int, Tensor]:
        """The values `wanted` for normalised pictures, which are value −1; with `keep`, all values on the way too."""
        live = self.live(wanted)
        last = {parent: step.index for step in live for parent in step.parents}
        values = {-1: inside}
        for step in live:
            values[step.index] = step.run(values.__getitem__, len(inside))
            if not keep:
                for done in [p for p in set(step.parents) if last[p] == step.index and p not in wanted]:
                    del values[done]
        return values


def program_of(net: Classifier) -> Program | None:
    """The network's program; None for one that decides as it goes, or whose operations cannot be seen.

    The program is believed only if it gives the network's own scores when it is run again.
    """
    if net.habits.one_by_one or net.habits.random or not net.habits.visible:
        return None
    noise = torch.Generator().manual_seed(0)
    traces, pixels = [], torch.empty(0)
    for batch in BATCHES:
        pixels = torch.rand(batch, net.channels, *net.input_size, generator=noise)
        nodes, output = net.trace(pixels)
        if output is None:
            return None
        traces.append((nodes, output))
    (first, output), (second, other) = traces
    if output != other or [n.kind for n in first] != [n.kind for n in second]:
        return None
    try:
        program = Program(tuple(_steps(first, second, net.input_size)), output)
        with torch.no_grad():
            again = net.rows(program.run(net.normalise(pixels), (output,))[output], len(pixels))
            right = torch.allclose(again, net.forward(pixels), rtol=1e-4, atol=1e-4)
    except (_NotFixed, RuntimeError, TypeError, ValueError, IndexError):
        return None  # the network decides as it goes, or an operation cannot be run again
    return program if right else None


class _NotFixed(Exception):
    """The two recordings differ by more than the number of pictures."""


def _steps(first: Sequence[Node], second: Sequence[Node], size: tuple[int, int]) -> Iterator[Step]:
    for one, two, sees in zip(first, second, fields(first, *size), strict=True):
        if one.shape[:1] != BATCHES[:1] or two.shape[:1] != BATCHES[1:] or one.shape[1:] != two.shape[1:]:
            raise _NotFixed
        args = tuple(_merged(a, b) for a, b in _pairs(one.args, two.args))
        kwargs = {k: _merged(v, two.kwargs.get(k)) for k, v in one.kwargs.items()}
        yield Step(
            one.index, one.kind, one.func, args, kwargs, one.shape[1:], one.parents, one.in_place, sees
        )


def _merged(one: Any, two: Any) -> Any:
    if isinstance(one, (tuple, list)) and isinstance(two, (tuple, list)):
        kind = list if type(one) is list else tuple  # a torch.Size becomes a tuple
        return kind(_merged(a, b) for a, b in _pairs(one, two))
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        if one is not two and not (one.shape == two.shape and torch.equal(one, two)):
            raise _NotFixed
        return one.detach()
    if type(one) is int and (one, two) == BATCHES:
        return BATCH
    if type(one) is not type(two) or (isinstance(one, (Ref, int, float, str)) and one != two):
        raise _NotFixed
    return one


def _pairs(one: Sequence, two: Sequence) -> list[tuple[Any, Any]]:
    if len(one) != len(two):
        raise _NotFixed
    return list(zip(one, two, strict=True))


def limited(value: Tensor, limits: tuple[float, float] | None) -> Tensor:
    """The value, overwritten by an activation that cuts it to (lowest, highest)."""
    if limits is None:
        return value
    return torch.relu_(value) if limits == RELU else value.clamp_(*limits)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nest of tuples, lists and dictionaries with every leaf changed."""
    if isinstance(value, Mapping):
        return {k: mapped(v, change) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(mapped(v, change) for v in value)
    return change(value)
