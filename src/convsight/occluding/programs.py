"""Which program does a network have now? It is traced once, and again when its weights change or go elsewhere."""

from __future__ import annotations

import weakref

import torch

from convsight.network.classifier import Classifier
from convsight.network.interventions import interventions
from convsight.occluding.trace import Program, program_of

_PROGRAMS: weakref.WeakKeyDictionary[Classifier, tuple[tuple[str, torch.device], Program | None]] = (
    weakref.WeakKeyDictionary()
)


def known_program(net: Classifier) -> Program | None:
    """The network's program, traced once for its weights and device; while it is edited, traced anew each time."""
    if interventions(net.module):
        return program_of(net)
    found, now = _PROGRAMS.get(net), (net.weights_hash, net.device)
    if found is None or found[0] != now:
        found = (now, program_of(net))
        _PROGRAMS[net] = found
    return found[1]


def quick_program(net: Classifier) -> Program | None:
    """The program if it is known already and nothing is recorded or edited: running it needs no hooks."""
    found = _PROGRAMS.get(net)
    known = found is not None and found[0] == (net.weights_hash, net.device) and not interventions(net.module)
    return found[1] if found is not None and known else None
