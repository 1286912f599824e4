"""A mean over all places: the clean mean, minus the share of the old window, plus that of the new one."""

from __future__ import annotations

import torch
from torch import Tensor

from convsight.occluding.plan import Outcome, Planner, Rule
from convsight.occluding.rules.geometry import pair
from convsight.occluding.rules.pointwise import hand_on, over_channels
from convsight.occluding.trace import Step


def global_mean(step: Step, plan: Planner) -> Outcome | None:
    (parent,) = set(step.parents)
    window = plan.windows[parent]
    if window is None or plan.places_of(parent) != (2, 3):
        return None
    clean = plan.clean_maps_of(parent)
    cells = clean.shape[1] * clean.shape[2]
    if 3 * window.area > cells:  # reading old and new windows costs more than pasting
        return None
    new = plan.value_of(parent)
    old = plan.clean_cells(parent, window.rows.cells(), window.columns.cells())
    shape = step.shape
    picture = plan.by_part(torch.from_numpy(plan.picture).to(plan.like.device))

    def compute(values: dict[int, Tensor]) -> Tensor:
        change = (new(values) - old(values)).sum((1, 2)) / cells
        return (clean.mean()[picture[plan.turn]] + change).view(-1, *shape)

    return Outcome(None, compute)


def mean(step: Step, plan: Planner) -> Outcome | None:
    dims = step.argument(1, "dim")
    if isinstance(dims, (tuple, list)) and sorted(d % 4 for d in dims) == [2, 3]:
        return global_mean(step, plan)
    return over_channels(step, plan)


def adaptive_average(step: Step, plan: Planner) -> Outcome | None:
    """To one place: the global mean. To as many places as there are: nothing happens. Else: whole maps."""
    size, parent = pair(step.shape[1:]), step.parents[0]
    if plan.windows[parent] is None:
        return None
    if size == (1, 1):
        return global_mean(step, plan)
    return hand_on(step, plan) if size == plan.clean_maps_of(parent).shape[1:3] else None


RULES: dict[str, Rule] = {"mean": mean, "adaptive_avg_pool2d": adaptive_average}
