"""Which operations turn a picture into scores, as a list that can be run again, one at a time?

A network is traced with two batches of different size and content. Where the two recordings differ by the
batch size the number is a batch size; where they differ otherwise the network decides as it goes, and has no
fixed program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.network.graph import Node, Ref
from convsight.network.intervals import Field
from convsight.network.receptive_field import fields
from convsight.occluding.joined import After

BATCHES = (2, 3)
SAME = "same"  # the kind of a step that only hands its input on


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
    after: After | None = None  # an activation that was joined to a convolution
    gain: Tensor | None = (
        None  # of a normalisation folded into a convolution: what its weights are multiplied by
    )
    before: tuple[int, int] | None = (
        None  # rows and columns of noughts that a convolution pads itself, its own apart
    )
    inside: int | None = None  # the step that computes it along with its own value

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    def weights(self) -> tuple[Tensor, Tensor | None]:
        """A convolution's weights and biases, as they are with what was folded into it."""
        weight, bias, gain = self.unscaled()
        return weight if gain is None else weight * gain[:, None, None, None], bias

    def unscaled(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Weights, biases, and what each output's weights are still to be multiplied by, for who need no copy of all."""
        return self.argument(1, "weight"), self.argument(2, "bias"), self.gain

    @functools.cached_property
    def _plain(self) -> bool:
        """Whether values and batch sizes stand directly among the positional arguments."""
        found: list[Any] = []
        nested = [a for a in self.args if isinstance(a, (tuple, list, Mapping))]
        mapped((nested, self.kwargs), found.append)
        return not any(isinstance(item, Ref) or item is BATCH for item in found)

    def filled(self, values: Callable[[int], Tensor], batch: int) -> tuple[tuple, Mapping[str, Any]]:
        """The arguments with the values and the number of pictures in their places."""

        def real(item: Any) -> Any:
            if isinstance(item, Ref):
                return values(item.index)
            return batch if item is BATCH else item

        if self._plain:
            return tuple(map(real, self.args)), self.kwargs
        return mapped(self.args, real), mapped(self.kwargs, real)

    def run(self, values: Callable[[int], Tensor], batch: int, own: bool = False) -> Tensor:
        """The operation's first value, given those of its parents.

        Its inputs are left as they were, unless they are the caller's `own`: then an in-place one may change
        them, as it does in the network.
        """

        args, kwargs = self.filled(values, batch)
        if self.in_place and not own:
            args = (args[0].clone(), *args[1:])
        if self.kind == "view" and isinstance(
            args[0], Tensor
        ):  # the network's maps may lie in another layout
            args = (args[0].contiguous(), *args[1:])
        value = self.func(*args, **kwargs)
        if self.kind == "setitem":  # y[:, 1:] = x answers nothing: its value is y
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
        """The values `wanted` (or, to `keep`, every one they depend on) for normalised pictures (under −1)."""
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
    except (
        _NotFixed,
        RuntimeError,
        TypeError,
        ValueError,
        IndexError,
    ):  # whatever a replayed operation raises
        return None
    return program if right else None


class _NotFixed(Exception):
    pass


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
        return (
            type(one)(_merged(a, b) for a, b in _pairs(one, two))
            if type(one) in (tuple, list)
            else tuple(_merged(a, b) for a, b in _pairs(one, two))
        )
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


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nest of tuples, lists and dictionaries with every leaf changed."""
    if isinstance(value, Mapping):
        return {k: mapped(v, change) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(mapped(v, change) for v in value)
    return change(value)
