"""How much less work are the changed regions than whole pictures, and where did the engine go whole?"""

from __future__ import annotations

import math

from torch import Tensor

from convsight.incremental.engine import Engine
from convsight.incremental.trace import Step


def macs_per_cell(step: Step) -> int:
    """Multiply-adds of a weighted layer for each place of its value (for all of it, if it has no places)."""
    weights = [a for a in (*step.args[1:], *step.kwargs.values()) if isinstance(a, Tensor) and a.ndim >= 2]
    weighted = step.kind in ("conv2d", "convolution", "linear", "addmm")
    return weights[0].numel() if weighted and weights else 0


def bound(engine: Engine) -> float:
    """Multiply-adds of all whole pictures ÷ those of the cells that change: no exact method that recomputes
    changed cells one by one can be faster by more."""
    whole = changed = 0
    for step in engine.live:
        macs, region = macs_per_cell(step), engine.changed[step.index]
        places = math.prod(region.extent) if region else 1
        whole += macs * places * len(engine.occluders)
        changed += macs * (region.cells if region else len(engine.occluders))
    return whole / changed if changed else 1.0


def note(engine: Engine) -> str:
    """One sentence on the work that was saved, and the layers that were computed whole."""
    middle = list(engine.plans.values())[len(engine.plans) // 2]
    weighted = [s for s in engine.live if macs_per_cell(s)]
    whole = [s for s in weighted if middle.windows[s.index] is None]
    names = engine.net.layers.nodes
    words = (
        f"Only changed regions were recomputed: {bound(engine):.1f} times fewer multiply-adds is the limit"
    )
    words += f"; {len(whole)} of {len(weighted)} weighted layers ran on whole maps"
    if middle.dense:
        listed = ", ".join(names[i].name for i in middle.dense[:4]) + (
            ", ..." if len(middle.dense) > 4 else ""
        )
        words += f" ({listed} had windows and no rule, or were cheaper whole)"
    return words + "."
