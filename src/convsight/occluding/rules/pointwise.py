"""Operations whose value at a place depends only on that place: activations, normalisation, sums, joins.

One input: the windows stay where they are. Several: all are brought to the window of what the value changes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from convsight.network.graph import Ref
from convsight.network.receptive_rules import POSITION_WISE
from convsight.occluding.plan import Outcome, Planner, Rule, logical, physical
from convsight.occluding.trace import BATCH, SAME, Step, mapped


def pointwise(step: Step, plan: Planner) -> Outcome | None:
    """Run the operation itself on windows, if all that it reads beside them is the same at every place."""
    places = step.field.places
    parents = list(dict.fromkeys(step.parents))
    if places is None or any(plan.places_of(p) != places for p in parents):
        return None
    if any(plan.windows[p] is None for p in parents) or not _placeless(step, places):
        return None
    window = plan.windows[parents[0]] if len(parents) == 1 else plan.wanted(step.index)
    if window is None:
        return None
    if len(parents) > 1:
        inputs = {p: plan.windows_of(p, window) for p in parents}
    else:
        inputs = {parents[0]: plan.value_of(parents[0])}

    def compute(values: dict[int, Tensor]) -> Tensor:
        args, kwargs = step.filled(lambda i: logical(inputs[i](values), places), 0)
        value = step.func(*args, **kwargs)  # an in-place one changes its windows, as it does in the network
        return physical(value[0] if isinstance(value, (tuple, list)) else value, places)

    return Outcome(window, compute)


def _placeless(step: Step, places: tuple[int, int]) -> bool:
    """Whether the constants among the arguments are the same at every place, and nothing counts pictures."""
    found: list[Any] = []
    mapped((step.args, step.kwargs), found.append)
    for item in found:
        if item is BATCH:
            return False
        if isinstance(item, Tensor) and item.ndim > 1 and step.kind in POSITIONS:
            own = [item.shape[p - 4] for p in places if p - 4 >= -item.ndim]
            if any(extent != 1 for extent in own):
                return False
    return True


def across_channels(position: int, default: int | None) -> Rule:
    """Pointwise as long as the dimension named by an argument is that of the channels."""

    def rule(step: Step, plan: Planner) -> Outcome | None:
        dim = step.argument(position, "dim", default)
        if not isinstance(dim, int) or dim % 4 != _channel(step):
            return None
        return pointwise(step, plan)

    return rule


def over_channels(step: Step, plan: Planner) -> Outcome | None:
    """A mean, sum or maximum over the channels alone, which stay as an axis of one."""
    dims = step.argument(1, "dim")
    dims = dims if isinstance(dims, (tuple, list)) else [dims]
    alone = len(dims) == 1 and isinstance(dims[0], int) and dims[0] % 4 == _channel(step)
    return pointwise(step, plan) if alone and step.argument(2, "keepdim", False) else None


def last_dimension(step: Step, plan: Planner) -> Outcome | None:
    """Linear layers and layer norms over the channels of n h w c."""
    shape = step.argument(1, "normalized_shape") if "norm" in step.kind else (0,)
    return pointwise(step, plan) if step.field.places == (1, 2) and len(shape) == 1 else None


def permute(step: Step, plan: Planner) -> Outcome | None:
    """n c h w ↔ n h w c: windows are kept as n h w c in any case."""
    (parent,) = step.parents[:1]
    places = (plan.places_of(parent), step.field.places)
    if plan.windows[parent] is None or places not in (((2, 3), (1, 2)), ((1, 2), (2, 3))):
        return None
    order = list(step.args[1:]) if len(step.args) > 2 else list(step.argument(1, "dims") or ())
    if [d % 4 for d in order] not in ([0, 2, 3, 1], [0, 3, 1, 2]):
        return None
    return Outcome(plan.windows[parent], plan.value_of(parent))


def _channel(step: Step) -> int:
    return 3 if step.field.places == (1, 2) else 1


def hand_on(step: Step, plan: Planner) -> Outcome | None:
    """The input itself: for a step that was folded into the one before it, or that changes nothing."""
    return Outcome(plan.windows[step.parents[0]], plan.value_of(step.parents[0]))


def join(step: Step, plan: Planner) -> Outcome | None:
    """Concatenated channels."""
    window = plan.wanted(step.index)
    dim = step.argument(1, "dim", 0)
    if window is None or dim % 4 != _channel(step) or any(plan.windows[p] is None for p in step.parents):
        return None
    if step.field.places != (2, 3) or not all(isinstance(r, Ref) for r in step.args[0]):
        return None
    parts = [plan.windows_of(p, window) for p in step.parents]
    return Outcome(window, lambda values: torch.cat([part(values) for part in parts], 3))


POSITIONS = frozenset(POSITION_WISE.split()) - {"setitem", "batch_norm", "prelu", "channel_shuffle"}
RULES: dict[str, Rule] = {
    **dict.fromkeys(POSITIONS, pointwise),
    "batch_norm": pointwise,
    "prelu": pointwise,
    "softmax": across_channels(1, None),
    "log_softmax": across_channels(1, None),
    "cat": join,
    "concat": join,
    "concatenate": join,
    "mean": over_channels,
    "sum": over_channels,
    "amax": over_channels,
    "amin": over_channels,
    "linear": last_dimension,
    "layer_norm": last_dimension,
    "permute": permute,
    SAME: hand_on,
}
