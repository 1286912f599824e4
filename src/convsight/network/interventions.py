"""How can a pass through a network be watched or changed, without a trace of it afterwards?

An `Intervention` says what the passes inside one `with` block record, edit or compute another way; `Classifier`
hands the active ones to the tape of each pass.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from convsight.errors import InputError
from convsight.network.changes import every_module
from convsight.network.graph import Key, Node, Tape
from convsight.network.wrappers import uncompiled

Edit = Callable[[Tensor], Tensor]
ReplaceOp = Callable[..., Any]


@dataclass(eq=False)
class Intervention:
    """What the passes of `module` inside one `with` block record, change or compute another way."""

    module: nn.Module
    record: Mapping[str, Key] = field(default_factory=dict)  # the value to record under each name
    edits: Mapping[Key, Edit] = field(default_factory=dict)
    replace_op: Any = None
    stop: bool = False  # whether a pass may end once everything is recorded
    seen: dict[str, Tensor] = field(default_factory=dict)  # what the last pass recorded
    missing: set[str] = field(default_factory=set)  # the names that this pass has still to record

    def begin(self, tape: Tape) -> None:
        """A pass starts: a replacement that has a method `begin` is told which tape watches it."""
        self.missing = set(self.record)
        told = getattr(self.replace_op, "begin", None)
        if told is not None:
            told(tape)

    def end(self, value: Tensor) -> None:
        """A pass ends: a replacement that has a method `end` is given the value that was read."""
        told = getattr(self.replace_op, "end", None)
        if told is not None:
            told(value)

    def on_value(self, key: Key, node: Node, value: Tensor) -> Tensor:
        if key in self.edits:
            value = _checked(node, value, self.edits[key](value))
        names = [name for name, wanted in self.record.items() if wanted == key]
        if names:
            self.seen |= dict.fromkeys(names, value)
            self.missing.difference_update(names)
            value = value.clone()  # what follows may work in place; the recorded value must not move with it
        return value


class Enough(BaseException):
    """Ends a pass in which everything is recorded; not an Exception, so that no network catches it."""


_ACTIVE: ContextVar[tuple[Intervention, ...]] = ContextVar("convsight_interventions", default=())


def interventions(module: nn.Module) -> list[Intervention]:
    """The interventions on `module` of all the `with` blocks that the caller is inside of."""
    return [intervention for intervention in _ACTIVE.get() if intervention.module is module]


@contextlib.contextmanager
def active_in(intervention: Intervention) -> Iterator[None]:
    token = _ACTIVE.set((*_ACTIVE.get(), intervention))
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def chain_values(active: Sequence[Intervention]) -> Callable[[Key, Node, Tensor], Tensor]:
    may_stop = any(intervention.stop for intervention in active)

    def on_value(key: Key, node: Node, value: Tensor) -> Tensor:
        for intervention in active:
            value = intervention.on_value(key, node, value)
        if may_stop and not any(intervention.missing for intervention in active):
            raise Enough
        return value

    return on_value


def chain_ops(active: Sequence[Intervention]) -> ReplaceOp | None:
    replacements = [i.replace_op for i in active if i.replace_op is not None]
    if not replacements:
        return None

    def replace_op(kind: str, func: Callable, args: tuple, kwargs: Any) -> Any:
        for replacement in replacements:
            value = replacement(kind, func, args, kwargs)
            if value is not NotImplemented:
                return value
        return NotImplemented

    return replace_op


def _checked(node: Node, old: Tensor, new: Tensor) -> Tensor:
    if new.shape != old.shape:
        raise InputError(
            f"an edit of a {node.kind} must keep the shape {tuple(old.shape)}; it gave {tuple(new.shape)}"
        )
    return new


# Modules that are out of training mode for now, and how many passes need that.
_QUIET: dict[nn.Module, int] = {}
_QUIET_LOCK = threading.Lock()


@contextlib.contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; the modes and the global random state as they were outside.

    Blocks may overlap in several threads: a module returns to training mode when the last of them ends.
    """
    modules = list(every_module(module))
    each = (p.device for m in modules for p in m._parameters.values() if p is not None)
    devices = {device for device in each if device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)), uncompiled(module):
        quiet = _quieten(modules)
        try:
            yield
        finally:
            _release(quiet)


def _quieten(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Take modules out of training mode; returns all that this or an overlapping block took out of it."""
    with _QUIET_LOCK:
        quiet = [m for m in modules if m.training or m in _QUIET]
        for m in quiet:
            m.training = False
            _QUIET[m] = _QUIET.get(m, 0) + 1
    return quiet


def _release(quiet: Sequence[nn.Module]) -> None:
    with _QUIET_LOCK:
        for m in quiet:
            _QUIET[m] -= 1
            if not _QUIET[m]:
                del _QUIET[m]
                m.training = True
