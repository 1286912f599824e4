"""A bottleneck's three convolutions as one, which reads the cells of the first and writes those of the last."""

from __future__ import annotations

from torch import Tensor

from convsight.accelerate.bottleneck_filter import BottleneckFilter
from convsight.accelerate.direct_filter import DirectFilter
from convsight.accelerate.product_filter import ProductFilter
from convsight.occluding.bottleneck import convolutions
from convsight.occluding.plan import Outcome, Planner, Values
from convsight.occluding.rules.geometry import convolution_axes
from convsight.occluding.rules.own import Reading, reading
from convsight.occluding.trace import Step


def enclosing(step: Step, plan: Planner) -> Outcome | None:
    """The value of a step that computes those before it as well; None for any other."""
    found = convolutions(plan.program.steps, step)
    if found is None:
        return None
    wide, apart = found
    filters = plan.lay_out(("bottleneck", step.index), lambda: _filters(wide, apart, step))
    window, extent, middle = _reading(apart, plan)
    source = None if wide is None else _reading(wide, plan)[2]
    after = None if wide is None else wide.after, apart.after, step.after
    sizes, first = plan.sizes, apart if wide is None else wide

    def compute(values: Values) -> Tensor:
        n = sizes[plan.turn]
        given = None if source is None else source(values, n)
        there = values if given is None else {apart.parents[0]: plan.like.new_empty(n, 0, 0, 0)}
        found = filters.run(n, given, middle(there, n), after).view(n, *extent, step.shape[0])
        return found.permute(0, 3, 1, 2) if window is None else found

    return Outcome(window, compute, first.parents)


def _reading(step: Step, plan: Planner) -> Reading:
    axes = convolution_axes(step, step.argument(1, "weight"))
    assert axes is not None, "a bottleneck has no transposed convolution"
    return reading(step, plan, axes)


def _filters(wide: Step | None, apart: Step, narrow: Step) -> BottleneckFilter:
    all_channels = [None if s is None else ProductFilter.of(*s.unscaled()) for s in (wide, narrow)]
    assert all_channels[1] is not None
    own = DirectFilter.of(*apart.weights())
    return BottleneckFilter(all_channels[0], own, all_channels[1])
