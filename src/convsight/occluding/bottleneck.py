"""Which convolutions are computed together, so that the many channels between them are never written?

A MobileNet makes many channels of few, convolves each by itself, and makes few of them again. Where nothing else reads
what lies between, the last of the three does it all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from convsight.accelerate import bottleneck_filter, split_filter
from convsight.accelerate.direct_filter import DirectFilter
from convsight.accelerate.product_filter import ProductFilter
from convsight.network.operations import is_convolution
from convsight.occluding.trace import SAME, Step


def enclose(steps: list[Step], keep: Collection[int]) -> None:
    """Mark the steps that the last convolution of a bottleneck computes along with its own."""
    readers = Counter(parent for step in steps for parent in step.parents)
    for last in [step for step in steps if _all_channels(step)]:
        path = _path(steps, last)
        if not all(readers[s.index] == 1 and s.index not in keep for s in path) or not _apart(path[-1]):
            continue
        before = _path(steps, path[-1])
        if _all_channels(before[-1]) and all(readers[s.index] == 1 and s.index not in keep for s in before):
            path += before
        if _plain(last) and bottleneck_filter.usable() and not split_filter.usable():
            for step in path:
                steps[step.index] = replace(step, inside=last.index)


def convolutions(steps: Sequence[Step], last: Step) -> tuple[Step | None, Step] | None:
    """The first two convolutions of a bottleneck (which may lack the very first), if `last` computes them."""
    apart = _path(steps, last)[-1]
    if apart.inside != last.index:
        return None
    wide = _path(steps, apart)[-1]
    return (wide if wide.inside == last.index else None), apart


def _path(steps: Sequence[Step], step: Step) -> list[Step]:
    """The step that makes what `step` reads, behind those that only hand it on."""
    found = [steps[step.parents[0]]] if step.parents and step.parents[0] >= 0 else [step]
    while found[-1].kind == SAME and found[-1].parents[0] >= 0:
        found.append(steps[found[-1].parents[0]])
    return found


def _all_channels(step: Step) -> bool:
    """Whether it is a 1×1 convolution that reads each cell where it writes one."""
    weight = _weight(step)
    if weight is None or tuple(weight.shape[2:]) != (1, 1) or not ProductFilter.fits(weight, _groups(step)):
        return False
    return _all(step.argument(3, "stride", 1), 1) and _all(step.argument(4, "padding", 0), 0)


def _apart(step: Step) -> bool:
    weight = _weight(step)
    return weight is not None and DirectFilter.fits(weight, _groups(step))


def _weight(step: Step) -> Tensor | None:
    weight = step.argument(1, "weight") if is_convolution(step.kind) else None
    turned = step.kind == "convolution" and step.argument(6, "transposed")
    fits = isinstance(weight, Tensor) and weight.ndim == 4 and len(step.parents) == 1 and not turned
    return weight if fits and step.field.places == (2, 3) else None


def _groups(step: Step) -> int:
    return step.argument(8 if step.kind == "convolution" else 6, "groups", 1)


def _all(numbers: object, wanted: int) -> bool:
    return not isinstance(numbers, str) and all(n == wanted for n in np.ravel(np.asarray(numbers)))


def _plain(step: Step) -> bool:
    """Whether the numbers are what our kernels take."""
    weight = step.argument(1, "weight")
    return weight.device.type == "cpu" and weight.dtype == torch.float32
