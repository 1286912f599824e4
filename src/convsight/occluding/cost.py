"""How much less work are the changed regions than whole pictures, and how is it done best?"""

from __future__ import annotations

import math

from torch import Tensor

from convsight.network.operations import CONVOLUTIONS, LINEAR
from convsight.occluding.plan import GATHER
from convsight.occluding.positions import Positions
from convsight.occluding.trace import Program, Step

WORTH = 0.9  # windows are taken where their modelled work is below this share of the dense loop's
COMPILED_WORTH = 1.2  # the same with compiled kernels, which are quicker than torch's for whole maps too
LARGE = 2e11  # multiply-adds of all pictures run whole from which on compiled kernels are loaded


def macs_per_cell(step: Step) -> int:
    """Multiply-adds of a weighted layer for each place of its value (for all of it, if it has no places)."""
    weights = [a for a in (*step.args[1:], *step.kwargs.values()) if isinstance(a, Tensor) and a.ndim >= 2]
    weighted = step.kind in CONVOLUTIONS | LINEAR
    return weights[0].numel() if weighted and weights else 0


def is_large(program: Program, pictures: int) -> bool:
    """Whether compiled kernels save more time on so many pictures than loading them takes in a new process.

    The answer must not depend on what the process did before: the same call gives the same numbers.
    """
    macs = sum(macs_per_cell(s) * _places(s) for s in program.steps)
    return macs * pictures >= LARGE


def _places(step: Step) -> int:
    return math.prod(step.field.extent) if step.field.places and len(step.shape) == 3 else 1


def bound(where: Positions) -> float:
    """Multiply-adds of whole pictures ÷ those of the cells that change, over all positions.

    No method that recomputes changed cells with the same kernels can save more.
    """
    whole = changed = 0
    for step in where.live:
        macs, region = macs_per_cell(step), where.changed[step.index]
        places = math.prod(region.extent) if region else 1
        whole += macs * places * len(where.occluders)
        changed += macs * (region.cells if region else len(where.occluders))
    return whole / changed if changed else 1.0


def work(where: Positions) -> tuple[float, float]:
    """The modelled work of one position by windows, and of one picture run whole."""
    return where.once("work", lambda: _work(where))


def _work(where: Positions) -> tuple[float, float]:
    whole = small = 0.0
    for step in where.live:
        region, numbers = where.changed[step.index], math.prod(step.shape)
        places = math.prod(region.extent) if region else 1
        cost = macs_per_cell(step) * places + GATHER * numbers
        area = region.window(slice(None)).area if region else 1
        small += cost * min(1.0, 1.1 * area / places)
        whole += cost
    return small, whole


def worthwhile(where: Positions, pictures: int, checked: int) -> bool:
    """Whether windows, clean pictures and `checked` pictures together are clearly less work than all pictures whole."""
    small, whole = work(where)
    positions = len(where.occluders) * pictures
    worth = COMPILED_WORTH if where.compiled else WORTH
    return small * positions + whole * (pictures + checked) < worth * whole * positions


def note(where: Positions) -> str:
    """One sentence on the work that is saved, and the layers that have to be computed whole."""
    return where.once("note", lambda: _note(where))


def _note(where: Positions) -> str:
    weighted = [s for s in where.live if macs_per_cell(s)]
    everywhere = [s for s in weighted if (c := where.changed[s.index]) is None or c.window(slice(None)).whole]
    words = f"Only changed regions were recomputed, at most {bound(where):.1f} times fewer multiply-adds"
    if not everywhere:
        return words + "."
    name = where.net.layers.nodes[everywhere[0].index].name
    return f"{words}; {len(everywhere)} of {len(weighted)} weighted layers change as a whole, from {name}."
