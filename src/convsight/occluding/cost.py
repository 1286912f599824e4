"""How much less work are the changed regions than whole pictures, and where does the engine go whole?"""

from __future__ import annotations

import math

from torch import Tensor

from convsight.network.operations import CONVOLUTIONS, LINEAR
from convsight.occluding.engine import Engine
from convsight.occluding.plan import GATHER
from convsight.occluding.trace import Step

WORTH = 0.9  # of the dense loop's work: above it the dense loop is kept
FAST_WORTH = 1.2  # in the fast mode, whose kernels take less time even for whole maps


def macs_per_cell(step: Step) -> int:
    """Multiply-adds of a weighted layer for each place of its value (for all of it, if it has no places)."""
    weights = [a for a in (*step.args[1:], *step.kwargs.values()) if isinstance(a, Tensor) and a.ndim >= 2]
    weighted = step.kind in CONVOLUTIONS | LINEAR
    return weights[0].numel() if weighted and weights else 0


def bound(engine: Engine) -> float:
    """Multiply-adds of whole pictures ÷ those of the cells that change, over all positions.

    No method that recomputes changed cells with the same kernels can save more.
    """
    whole = changed = 0
    for step in engine.live:
        macs, region = macs_per_cell(step), engine.changed[step.index]
        places = math.prod(region.extent) if region else 1
        whole += macs * places * len(engine.occluders)
        changed += macs * (region.cells if region else len(engine.occluders))
    return whole / changed if changed else 1.0


def work(engine: Engine) -> tuple[float, float]:
    """The modelled work of one position by windows, and of one picture run whole."""
    return engine.once("work", lambda: _work(engine))


def _work(engine: Engine) -> tuple[float, float]:
    whole = small = 0.0
    for step in engine.live:
        region, numbers = engine.changed[step.index], math.prod(step.shape)
        places = math.prod(region.extent) if region else 1
        cost = macs_per_cell(step) * places + GATHER * numbers
        area = region.window(slice(None)).area if region else 1
        small += cost * min(1.0, 1.1 * area / places)
        whole += cost
    return small, whole


def worthwhile(engine: Engine, pictures: int, checked: int) -> bool:
    """Whether windows, clean pictures and checks together are modelled to be clearly less than all whole."""
    small, whole = work(engine)
    positions = len(engine.occluders) * pictures
    worth = FAST_WORTH if engine.fast else WORTH
    return small * positions + whole * (pictures + checked) < worth * whole * positions


def note(engine: Engine) -> str:
    """One sentence on the work that is saved, and the layers that have to be computed whole."""
    return engine.once("note", lambda: _note(engine))


def _note(engine: Engine) -> str:
    weighted = [s for s in engine.live if macs_per_cell(s)]
    everywhere = [
        s for s in weighted if (c := engine.changed[s.index]) is None or c.window(slice(None)).whole
    ]
    words = f"Only changed regions were recomputed, at most {bound(engine):.1f} times fewer multiply-adds"
    if not everywhere:
        return words + "."
    name = engine.net.layers.nodes[everywhere[0].index].name
    return f"{words}; {len(everywhere)} of {len(weighted)} weighted layers change as a whole, from {name}."
