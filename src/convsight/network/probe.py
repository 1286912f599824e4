"""What does a network answer to two pictures, and how are its answers to be read from then on?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from convsight.errors import ModelError
from convsight.network.detections import best_scores, classes_in, is_detections
from convsight.network.endings import (
    Ending,
    comes_from,
    ending_by_numbers,
    ending_of,
    ending_of_script,
    sums_to_one,
)
from convsight.network.graph import Tape
from convsight.network.interventions import undisturbed
from convsight.network.outputs import chosen, leaves, maps_in, named, rows_in, unreadable
from convsight.network.reader import Reader
from convsight.network.tasks import OutputDescription, classes_of, task_of, thresholds_of

EXPLAIN = ("output", "score")


@dataclass(frozen=True)
class Wish:
    """What the user said about reading the outputs."""

    said: OutputDescription
    output: str | int | Callable[[Any], Any] | None = None
    explain: str = "output"
    thresholds: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.explain not in EXPLAIN:
            raise ModelError(f"explain is 'output' or 'score' (before a final softmax), not {self.explain!r}")


@dataclass(frozen=True)
class Seen:
    """One pass: what the network returned, and the operations where they can be seen."""

    found: dict[str, Tensor]
    output: Any
    tape: Tape
    index: dict[str, int | None] = field(default_factory=dict)

    def made_of(self, one: str, other: str) -> str:
        """How one output is made of the other; see `endings.comes_from`."""
        at, source = self.index.get(one), self.index.get(other)
        if at is None or source is None:
            same = self.found[one].shape == self.found[other].shape
            return "squashed" if same and _squashed(self.found[one], self.found[other]) else ""
        return "" if at == source else comes_from(self.tape.nodes, at, source)


def reader_for(
    module: nn.Module, run: Callable[[Tensor], Any], inside: Tensor, wish: Wish
) -> tuple[Reader, tuple[str, ...]]:
    """The reader of a network's outputs, and what was picked or guessed, in sentences.

    run: calls the module on normalised pictures. inside: two different ones. Raises ModelError where no scores
    are found, saying how to read the outputs or wrap the network.
    """
    seen, said, n = _passed(module, run, inside, wish), wish.said, len(inside)
    if is_detections(seen.output) and not callable(wish.output):
        return _detector(module, said, wish)
    names = None if said.names is None else len(said.names)
    name, note = "", ""
    if isinstance(wish.output, (str, int)):
        name = named(seen.found, wish.output, n)
    elif set(seen.found) != {""}:
        choice = chosen(seen.found, n, names, seen.made_of)
        name, note = choice.name, choice.note
    value = seen.found[name]
    layout, k = _layout(seen.found, value, n)
    ending, told = _ending(module, seen, name, value, layout)
    task, guess = task_of(said, k, layout, ending, module)
    two = task == "binary" or (task == "segment" and k == 1)
    classes, made_up = classes_of(said, task, k, two)
    if wish.explain == "score" and ending.kind and ending.before is None:
        raise ModelError(
            f"explain='score': the value that goes into the final {ending.kind} cannot be recorded"
        )
    reader = Reader(
        task, classes, name, wish.output if callable(wish.output) else None, layout, ending, wish.explain, two,
        thresholds_of(wish.thresholds, len(classes)),
    )  # fmt: skip
    if wish.explain == "score" and ending.kind:
        told = f"This network ends in {ending.kind}: what is explained is the score before it."
    return reader, tuple(filter(None, (note, told, guess, made_up)))


def _passed(module: nn.Module, run: Callable[[Tensor], Any], inside: Tensor, wish: Wish) -> Seen:
    """One pass under a tape; without a tape if the network fails under one."""
    tape = Tape()
    with undisturbed(module), torch.no_grad():
        try:
            own = inside.clone()
            with tape.watch(module, own):
                found, output = _read(run(own), wish)
                index = {name: tape.index_of(tensor) for name, tensor in found.items()}
            return Seen(found, output, tape, index)
        except ModelError:
            return Seen(*_read(run(inside), wish), Tape())


def _read(output: Any, wish: Wish) -> tuple[dict[str, Tensor], Any]:
    if not callable(wish.output):
        return leaves(output), output
    value = wish.output(output)
    if not isinstance(value, Tensor):
        raise ModelError(f"output=function must return a tensor, one row a picture; it gave {value!r}")
    return {"": value}, output


def _layout(found: dict[str, Tensor], value: Tensor, n: int) -> tuple[str, int]:
    rows, maps = rows_in(value, n), maps_in(value, n)
    if rows is None and maps is None:
        raise ModelError(unreadable(found, n))
    return ("rows", rows) if rows is not None else ("maps", maps or 0)


def _ending(module: nn.Module, seen: Seen, name: str, value: Tensor, layout: str) -> tuple[Ending, str]:
    """How the chosen output ends, and a sentence about it."""
    index = seen.index.get(name)
    classes_first = value if layout == "maps" else value.reshape(len(value), -1)
    found = Ending()
    if index is not None:
        found = ending_of(seen.tape.nodes, seen.tape.keys, index)
    elif isinstance(module, torch.jit.ScriptModule) and not name:
        found = ending_of_script(module)
    if found.kind:
        rows = classes_first.double()
        rows = rows.exp() if found.kind == "log_softmax" else rows
        whole = found.before is not None and rows.shape[1] > 1 and "softmax" in found.kind
        if whole and not sums_to_one(rows):
            return Ending(), (
                f"This network ends in {found.kind}, but not over the classes: its rows do not sum to one (a wrong "
                "dim=?), so they are read as scores."
            )
        return found, (
            f"This network ends in {found.kind}: what is explained is that, not the class score before it "
            "(explain='score' explains the score)."
        )
    found, told = ending_by_numbers(classes_first), ""
    if found.kind == "softmax":
        told = (
            "Every row sums to one: they are read as probabilities, although no softmax can be seen; the scores are "
            "their logarithms."
        )
    elif found.kind == "log_softmax":
        told = "The rows are read as log-probabilities (log_softmax): their exponentials sum to one."
    return found, told


def _detector(module: nn.Module, said: OutputDescription, wish: Wish) -> tuple[Reader, tuple[str, ...]]:
    classes = said.names or tuple(map(str, range(classes_in(module))))
    reader = Reader(
        "detect", classes, of=functools.partial(best_scores, k=len(classes)),
        thresholds=thresholds_of(wish.thresholds, len(classes)),
    )  # fmt: skip
    note = (
        "This network detects: the score of a class is that of its most confident box; target=(class, (y, x, "
        "height, width)) asks about one box."
    )
    return reader, (note,)


def _squashed(one: Tensor, other: Tensor) -> bool:
    """Whether the numbers show that `one` is the softmax, log-softmax or sigmoid of `other`."""
    one, other = one.detach().double(), other.detach().double()
    if one.ndim < 2:
        return bool(torch.allclose(one, other.sigmoid(), atol=1e-4))
    made = (other.softmax(1), other.log_softmax(1), other.sigmoid())
    return any(bool(torch.allclose(one, each, atol=1e-4)) for each in made) and not torch.equal(one, other)
