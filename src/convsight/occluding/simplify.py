"""Which operations can be joined or done in place without changing what the network answers?

For compiled kernels, zero padding and batch norms are folded into the convolution beside them, and activations are
computed by it: the scores change by rounding. In any case, an activation that is the only reader of its input
overwrites it: the same numbers in less memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.network.graph import Ref
from convsight.network.operations import CONVOLUTIONS, is_convolution
from convsight.occluding.trace import RELU, SAME, Program, Step, limited

FRESH = CONVOLUTIONS | {"batch_norm", "linear", "add", "cat", "max_pool2d", "avg_pool2d"}


def simplified(program: Program, keep: Collection[int], fold: bool) -> Program:
    """The program with activations in place and, with `fold`, other steps joined to the convolutions beside them.

    The values `keep` are still computed under their own numbers.
    """
    key = ("simplified", tuple(keep), fold)
    if key not in program.prepared:
        steps = list(program.steps)
        if fold:
            _join_pads(steps, keep)
            _fold(steps, keep)
            _join_activations(steps, keep)
        _in_place(steps, {*keep, program.output})
        program.prepared[key] = Program(tuple(steps), program.output)
    return program.prepared[key]


def _join_pads(steps: list[Step], keep: Collection[int]) -> None:
    """Fold zero padding into the convolution that is its only reader; the two sides may differ."""
    readers = Counter(parent for step in steps for parent in step.parents)
    for at, step in enumerate(steps):
        pad = steps[step.parents[0]] if step.parents and step.parents[0] >= 0 else None
        if not is_convolution(step.kind) or pad is None or readers[pad.index] > 1 or pad.index in keep:
            continue
        margins, numbers = zero_padding(pad), not isinstance(step.argument(4, "padding", 0), str)
        if margins is not None and isinstance(step.args[0], Ref) and numbers:
            steps[at] = replace(
                step, func=_padding(step.func, margins), args=(pad.args[0], *step.args[1:]), parents=pad.parents,
                padded=(margins[2], margins[0]),
            )  # fmt: skip
            steps[pad.index] = replace(pad, parents=())  # nothing reads it any more


def zero_padding(step: Step) -> list[int] | None:
    """Left, right, top and bottom margins of a step that pads maps with zeros; None for any other step."""
    pads = step.kind in ("pad", "constant_pad_nd") and len(step.parents) == 1
    if not pads or not isinstance(step.args[0], Ref):
        return None
    margins, mode = list(step.argument(1, "pad") or ()), step.argument(2, "mode", "constant")
    value = step.argument(3, "value", 0.0) if isinstance(mode, str) else mode
    margins += [0] * (4 - len(margins))
    plain = len(margins) == 4 and min(margins) >= 0 and step.field.places == (2, 3)
    return margins if plain and mode in ("constant", 0) and not value else None


def _padding(func: Callable, margins: list[int]) -> Callable:
    """Padding and the convolution behind it as one function."""
    return lambda value, *given, **named: func(F.pad(value, margins), *given, **named)


def _fold(steps: list[Step], keep: Collection[int]) -> None:
    readers = Counter(parent for step in steps for parent in step.parents)
    for at, step in enumerate(steps):
        before = steps[step.parents[0]] if step.parents and step.parents[0] >= 0 else None
        if step.kind != "batch_norm" or before is None or not is_convolution(before.kind):
            continue
        folded = _folded(before, step)
        if folded is not None and readers[before.index] == 1 and before.index not in keep:
            steps[before.index] = folded
            steps[at] = replace(step, kind=SAME, func=_same, args=(Ref(before.index),), kwargs={})


def _join_activations(steps: list[Step], keep: Collection[int]) -> None:
    """Join each activation to the convolution before it, if nothing else reads the convolution's value."""
    readers = Counter(parent for step in steps for parent in step.parents)
    for at, step in enumerate(steps):
        limits = activation(step)
        if len(step.parents) != 1 or step.parents[0] < 0 or limits is None:
            continue
        path = [steps[step.parents[0]]]
        while path[-1].kind == SAME:
            path.append(steps[path[-1].parents[0]])
        before = path[-1]
        alone = all(readers[s.index] == 1 and s.index not in keep for s in path)
        if alone and is_convolution(before.kind) and before.limits is None:
            steps[before.index] = replace(before, func=_limiting(before.func, limits), limits=limits)
            steps[at] = replace(step, kind=SAME, func=_same, args=step.args[:1], kwargs={}, in_place=False)


def activation(step: Step) -> tuple[float, float] | None:
    """The limits between which an activation cuts its input; None for one that does anything else."""
    if step.kind == "relu":
        return RELU
    if step.kind == "relu6":
        return 0.0, 6.0
    if step.kind == "hardtanh":
        return float(step.argument(1, "min_val", -1.0)), float(step.argument(2, "max_val", 1.0))
    return None


def _limiting(func: Callable, limits: tuple[float, float]) -> Callable:
    """The convolution and its activation as one function."""
    return lambda *args, **kwargs: limited(func(*args, **kwargs), limits)


def _same(value: Tensor) -> Tensor:
    return value


def _folded(convolution: Step, norm: Step) -> Step | None:
    """The convolution with the batch norm in it: (w x + b − mean) · scale + shift."""
    mean, variance, gain, shift = (
        norm.argument(i, n) for i, n in enumerate(("running_mean", "running_var", "weight", "bias"), 1)
    )
    weight, bias = convolution.argument(1, "weight"), convolution.argument(2, "bias")
    transposed = convolution.kind == "convolution" and convolution.argument(6, "transposed")
    fixed = isinstance(mean, Tensor) and isinstance(variance, Tensor) and isinstance(weight, Tensor)
    if norm.argument(5, "training", False) or transposed or not fixed:
        return None
    scale = (_exact(variance) + norm.argument(7, "eps", 1e-5)).rsqrt()
    scale = scale if gain is None else scale * _exact(gain)
    offset = -_exact(mean) if bias is None else _exact(bias) - _exact(mean)
    offset = offset * scale if shift is None else offset * scale + _exact(shift)
    gain, offset = scale.to(weight), offset.to(weight)
    args, kwargs = list(convolution.args), dict(convolution.kwargs)
    if len(args) > 2:
        args[2] = offset
    else:
        kwargs["bias"] = offset
    func = _normalised(convolution.func, gain)
    return replace(convolution, func=func, args=tuple(args), kwargs=kwargs, gain=gain)


def _exact(numbers: Tensor) -> Tensor:
    """The numbers in float64, on the processor: not every device has float64."""
    return numbers.cpu().double()


def _normalised(func: Callable, gain: Tensor) -> Callable:
    """The convolution and the batch norm that is folded into it, without a second copy of the weights."""

    def run(*args: Any, bias: Any = None, **kwargs: Any) -> Tensor:
        if len(args) > 2:
            args, bias = (*args[:2], None, *args[3:]), args[2]
        return func(*args, **kwargs).mul_(gain[:, None, None]).add_(bias[:, None, None])

    return run


def _in_place(steps: list[Step], keep: Collection[int]) -> None:
    readers = Counter(parent for step in steps for parent in step.parents)
    for at, step in enumerate(steps):
        if len(step.parents) != 1 or step.parents[0] < 0 or step.in_place:
            continue
        source = steps[step.parents[0]]
        alone = readers[source.index] == 1 and source.index not in keep
        while alone and source.kind == SAME:
            source = steps[source.parents[0]]
        if alone and source.kind in FRESH and not source.in_place:
            steps[at] = _overwriting(step)


def _overwriting(step: Step) -> Step:
    if step.kind == "relu":
        return replace(step, func=torch.relu_, args=step.args[:1], kwargs={}, in_place=True)
    if "inplace" in step.kwargs:
        return replace(step, kwargs={**step.kwargs, "inplace": True}, in_place=True)
    return step
