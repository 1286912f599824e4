"""What do a network's numbers mean, and what are they called? Said by the user, or guessed and then told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import ModelError, closest
from convsight.network.endings import Ending
from convsight.network.reader import TASKS

# Our task for each `config.problem_type` of transformers that is not a plain classification.
PROBLEM_TYPES = {"multi_label_classification": "multilabel", "regression": "regress"}


@dataclass(frozen=True)
class OutputDescription:
    """What the user said about the outputs; None or () where nothing was said."""

    task: str | None
    classes: tuple[str, ...] | None
    outputs: tuple[str, ...]
    units: str | Sequence[str] | None

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in TASKS:
            raise ModelError(f"no task {self.task!r}", given=self.task, works=closest(self.task, TASKS))

    @property
    def names(self) -> tuple[str, ...] | None:
        return self.outputs or self.classes


def task_of(
    said: OutputDescription, k: int, layout: str, ending: Ending, module: nn.Module
) -> tuple[str, str]:
    """The task, and a sentence if it was guessed from something that is not self-evident."""
    if layout == "maps":
        if said.task not in (None, "segment", "binary", "classify"):
            raise ModelError(f"the network gives maps of {k} classes, not what the task {said.task!r} needs")
        return "segment", ""
    if said.task is not None:
        return _fitting(said.task, k)
    problem = PROBLEM_TYPES.get(getattr(getattr(module, "config", None), "problem_type", None) or "")
    if problem:
        return problem, _guessed(problem, "its configuration says so")
    if said.units or said.outputs:
        return "regress", _guessed("regress", "names or units of numbers were given")
    if k > 1 and ending.kind in ("sigmoid", "log_sigmoid"):
        return "multilabel", _guessed("multilabel", f"the network ends in a sigmoid of {k} scores")
    if k > 1:
        return "classify", ""
    if ending.kind:
        return "binary", _guessed("binary", f"the network ends in one {ending.kind}")
    if said.classes:
        return "binary", _guessed("binary", "the network has one score, and class names were given")
    return "regress", _guessed(
        "regress", "the network has one number and no class names; two names make it the score of the second"
    )


def _fitting(task: str, k: int) -> tuple[str, str]:
    if task == "binary" and k == 2:
        return "classify", "Two scores for two classes: read as task 'classify', a softmax over both."
    if task == "binary" and k != 1:
        raise ModelError(f"the task 'binary' has one score a picture; the network has {k}. Take 'classify'?")
    if task == "classify" and k == 1:
        return "binary", "One score cannot have a softmax: read as task 'binary', a sigmoid."
    if task == "segment":
        raise ModelError("the task 'segment' needs maps n×k×h×w; the network gives one row a picture")
    return task, ""


def _guessed(task: str, why: str) -> str:
    return f"Task {task!r} was guessed, because {why}; task=... says otherwise."


def classes_of(said: OutputDescription, task: str, k: int, two: bool) -> tuple[tuple[str, ...], str]:
    """The name of each number, and a sentence if one had to be made up."""
    names, count = said.names, 2 if two else k
    if names is None:
        return tuple(map(str, range(count))), ""
    if two and len(names) == 1:
        made = f"not {names[0]}"
        return (made, *names), f"One class name for a yes-or-no score: the other class is called {made!r}."
    if len(names) != count:
        raise ModelError(f"{len(names)} class names were given, but the network has {k} outputs")
    return names, ""


def units_of(units: str | Sequence[str] | None, count: int) -> tuple[str, ...]:
    """One unit for each number; () if there are none."""
    if units is None:
        return ()
    each = (units,) * count if isinstance(units, str) else tuple(map(str, units))
    if len(each) != count:
        raise ModelError(f"{len(each)} units were given for {count} numbers")
    return each


def thresholds_of(thresholds: float | Sequence[float] | None, count: int) -> Float[Tensor, " k"] | None:
    """From which probability each label counts as there; None for a half, the usual."""
    if thresholds is None:
        return None
    given = torch.as_tensor(thresholds, dtype=torch.float32).flatten()
    if len(given) not in (1, count) or not bool(((given >= 0) & (given <= 1)).all()):
        raise ModelError(
            f"thresholds are one number from 0 to 1, or one for each of {count} labels: {thresholds}"
        )
    return given.expand(count)
