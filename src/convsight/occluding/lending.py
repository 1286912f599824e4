"""Which engine answers a call: one that an earlier call left behind, or a new one of which kind?"""

from __future__ import annotations

from convsight.network.classifier import Classifier
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.small import SmallEngine
from convsight.occluding.trace import Program

KEPT = ("engines",)
KEPT_ENGINES = 4  # for groups of pictures of different sizes, a last group that is smaller
KEPT_NUMBERS = 2_000_000  # in the tables of an engine that is kept for the next call


def borrow(
    program: Program, net: Classifier, occluders: Occluders, read: tuple[int, ...], pictures: int, fast: bool
) -> Engine:
    """An engine for these positions: one that was given back if it is the same, or a new one."""
    kept: dict[tuple, Engine] = program.prepared.setdefault(KEPT, {})
    engine = kept.pop(Engine.key_of(net, occluders, read, pictures, fast), None)
    return engine or engine_for(program, net, occluders, read, pictures, fast)


def give_back(program: Program, engine: Engine) -> bool:
    """Keep a small engine, whose plans take longer to make than to carry out, for the next call."""
    small = engine.occluders.masks is None and engine.numbers() <= KEPT_NUMBERS
    if small:
        kept: dict[tuple, Engine] = program.prepared.setdefault(KEPT, {})
        while len(kept) >= KEPT_ENGINES:
            kept.pop(next(iter(kept)))
        kept[engine.key] = engine
    return small


def engine_for(
    program: Program, net: Classifier, occluders: Occluders, read: tuple[int, ...], pictures: int, fast: bool
) -> Engine:
    """A new engine: in the fast mode the one for small networks, where the network is one."""
    if fast and SmallEngine.may_suit(net, program, occluders):
        small = SmallEngine(net, program, occluders, read, pictures, fast)
        if small.suits:
            return small
    return Engine(net, program, occluders, read, pictures, fast)
