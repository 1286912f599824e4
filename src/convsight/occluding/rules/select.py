"""Operations that only choose cells: padding, slices, nearest-neighbour upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from convsight.occluding.plan import Outcome, Planner, Rule
from convsight.occluding.trace import Step

NEAREST = {"nearest", "nearest-exact"}
PADDINGS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # torch's name → NumPy's


def chosen(
    step: Step,
    plan: Planner,
    sources: Sequence[np.ndarray],
    pad: float = 0.0,
    margins: tuple[int, int] = (0, 0),
) -> Outcome | None:
    """The value's cell (y, x) is the input's cell (sources[0][y], sources[1][x]), where −1 stands for `pad`.

    `margins` are channels of `pad` that are added before and after the input's own.
    """
    (parent,) = set(step.parents)
    window = plan.wanted(step.index)
    if window is None or plan.windows[parent] is None or plan.places_of(parent) != (2, 3):
        return None
    rows, columns = sources[0][window.rows.cells()], sources[1][window.columns.cells()]
    cells = plan.cells_of(parent, rows, columns, pad)
    if not any(margins):
        return Outcome(window, cells)
    return Outcome(window, lambda values: F.pad(cells(values), margins, value=pad))


def _places(plan: Planner, parent: int) -> list[np.ndarray]:
    return [np.arange(n) for n in plan.clean_maps_of(parent).shape[1:3]]


def pad(step: Step, plan: Planner) -> Outcome | None:
    """Padding of any mode: a constant (channels too), reflected, repeated or circular cells."""
    if plan.windows[step.parents[0]] is None:
        return None
    margins = [int(m) for m in step.argument(1, "pad") or ()]
    mode = step.argument(2, "mode", "constant")
    value = step.argument(3, "value", 0.0) if isinstance(mode, str) else mode
    margins += [0] * (6 - len(margins))
    if len(margins) > 6 or min(margins) < 0 or plan.places_of(step.parents[0]) != (2, 3):
        return None
    rows, columns = _places(plan, step.parents[0])
    how: dict[str, Any] = {"mode": PADDINGS[mode]} if mode in PADDINGS else {"constant_values": -1}
    sources = [np.pad(rows, margins[2:4], **how), np.pad(columns, margins[:2], **how)]
    return chosen(step, plan, sources, float(value or 0.0), (margins[4], margins[5]))


def getitem(step: Step, plan: Planner) -> Outcome | None:
    """Slices of rows, columns and channels."""
    items = step.args[1] if isinstance(step.args[1], tuple) else (step.args[1],)
    if Ellipsis in items or not all(isinstance(item, slice) for item in items) or len(items) > 4:
        return None
    parent = step.parents[0]
    if plan.windows[parent] is None or plan.places_of(parent) != (2, 3) or step.field.places != (2, 3):
        return None
    batch, channels, *cells = [*items, *[slice(None)] * (4 - len(items))]
    if batch != slice(None):
        return None
    sources = [source[cut] for source, cut in zip(_places(plan, parent), cells, strict=True)]
    outcome = chosen(step, plan, sources)
    if outcome is None or channels == slice(None):
        return outcome
    return Outcome(outcome.window, lambda values: outcome.compute(values)[..., channels].contiguous())


def upsample(step: Step, plan: Planner) -> Outcome | None:
    """Nearest-neighbour upsampling, by asking the operation itself which cells it repeats."""
    parent = step.parents[0]
    if plan.windows[parent] is None or plan.places_of(parent) != (2, 3):
        return None
    if step.kind == "interpolate" and step.argument(3, "mode", "nearest") not in NEAREST:
        return None
    height, width = plan.clean_maps_of(parent).shape[1:3]
    y = torch.arange(height, dtype=torch.float)[None, None, :, None].expand(1, 1, height, width)
    x = torch.arange(width, dtype=torch.float)[None, None, None, :].expand(1, 1, height, width)
    rows, columns = step.run(lambda i: y, 1), step.run(lambda i: x, 1)
    return chosen(step, plan, [rows[0, 0, :, 0].long().numpy(), columns[0, 0, 0].long().numpy()])


RULES: dict[str, Rule] = {
    "pad": pad,
    "constant_pad_nd": pad,
    "getitem": getitem,
    "interpolate": upsample,
    "upsample_nearest2d": upsample,
}
