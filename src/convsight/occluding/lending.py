"""Which engine answers a call: one that an earlier call left behind, or a new one?"""

from __future__ import annotations

from convsight.network.classifier import Classifier
from convsight.occluding.engine import Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.trace import Program

IDLE = ("engines",)  # under which a program keeps engines that nobody uses
MOST = 4  # engines: for groups of pictures of different sizes, such as a smaller last group
NUMBERS = 2_000_000  # in the tables of an engine that is kept, at most


def borrow(
    program: Program,
    net: Classifier,
    occluders: Occluders,
    read: tuple[int, ...],
    pictures: int,
    compiled: bool,
) -> Engine:
    """An engine for these positions: one that was given back if it is the same, or a new one."""
    idle: dict[tuple, Engine] = program.prepared.setdefault(IDLE, {})
    engine = idle.pop(Engine.key_of(net, occluders, read, pictures, compiled), None)
    return engine or Engine(net, program, occluders, read, pictures, compiled)


def give_back(program: Program, engine: Engine) -> bool:
    """Keep a small engine for the next call, because its plans take longer to make than to carry out."""
    small = engine.positions.occluders.masks is None and engine.numbers() <= NUMBERS
    if small:
        idle: dict[tuple, Engine] = program.prepared.setdefault(IDLE, {})
        while len(idle) >= MOST:
            idle.pop(next(iter(idle)))
        idle[engine.key] = engine
    return small
