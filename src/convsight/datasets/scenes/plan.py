"""Which object stands where, and with which cue? The lots that are drawn before a picture is painted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Generator, Tensor

from convsight.datasets.scenes.things import THINGS
from convsight.errors import InputError, check_known, closest

PLACES = ("below", "above")
USUAL = ("snow", "leaves", "water", "sand")


@dataclass(frozen=True)
class Plan:
    """What a data set of scenes is made of.

    classes: kinds of objects. cues: for each class what betrays it: a kind of surroundings ("snow"), a part of them
    ("water below", "sky above"), a thing beside the object ("leash", "hand", "sign"), or "" for nothing.
    correlation: the share of a class's pictures that carry its cue; a class whose cue is a kind of surroundings
    has the others equally often in the rest. kinds: the surroundings there are. shared: (kind, share), a kind of
    surroundings that this share of all pictures has whatever their class. own_colour: the share of objects that
    wear a colour of their class, which makes them easier than any cue.
    """

    classes: tuple[str, ...]
    cues: tuple[str, ...]
    correlation: float
    kinds: tuple[str, ...]
    shared: tuple[str, float] | None = None
    own_colour: float = 0.0

    @property
    def named(self) -> tuple[str, ...]:
        """The cues that the pictures may carry, each once."""
        return tuple(dict.fromkeys(cue for cue in self.cues if cue))

    @property
    def tried(self) -> tuple[str, ...]:
        """With what each object of the balanced split is shown: every kind of surroundings, every other cue."""
        return (*self.kinds, *(cue for cue in self.named if cue not in self.kinds))


@dataclass(frozen=True, eq=False)
class Lots:
    """Of n pictures: class, kind of surroundings (index into `plan.kinds`), cues carried, number of the object."""

    label: Int64[Tensor, " n"]
    ground: Int64[Tensor, " n"]
    carries: Bool[Tensor, "n cues"]
    number: Int64[Tensor, " n"]


def made_plan(
    classes: Sequence[str],
    cues: Mapping[str, str],
    correlation: float,
    known: Sequence[str],
    kinds: Sequence[str] | None,
    shared: tuple[str, float] | None,
    own_colour: float,
) -> Plan:
    """The plan from what a user says; InputError says what is not possible. known: kinds of surroundings there are."""
    for what, value in (
        ("correlation", correlation),
        ("own_colour", own_colour),
        ("the share of shared", shared[1] if shared else 0),
    ):
        if not 0 <= value <= 1:
            raise InputError(f"{what} must be from 0 to 1, not {value}")
    for name in cues:
        check_known(name, classes, f"no class '{name}'")
    for cue in filter(None, cues.values()):
        _check(cue, known)
    row = tuple(cues.get(name, "") for name in classes)
    whole = [cue for cue in dict.fromkeys(row) if cue in known]
    part = {cue.split()[0] for cue in row if cue.endswith(PLACES)}
    usual = [kind for kind in (*USUAL, *known) if kind in known and kind not in part]
    chosen = (
        tuple(kinds) if kinds else tuple(whole if len(whole) > 1 else dict.fromkeys([*whole, *usual[:4]]))
    )
    for kind in (*chosen, *([shared[0]] if shared else [])):
        check_known(kind, known, f"no surroundings '{kind}'", most=len(known))
    missing = [cue for cue in whole if cue not in chosen]
    if missing or len(set(chosen)) < 2:
        raise InputError(
            f"kinds must name two surroundings or more, with {', '.join(whole) or 'any'} among them, not {', '.join(chosen)}"
        )
    if shared and shared[0] not in chosen:
        chosen = (*chosen, shared[0])
    return Plan(tuple(classes), row, correlation, chosen, shared, own_colour)


def _check(cue: str, known: Sequence[str]) -> None:
    kind, _, place = cue.partition(" ")
    if cue in known or cue in THINGS or (kind in known and place in PLACES):
        return
    possible = [*known, *THINGS, *(f"{kind} {place}" for kind in known for place in PLACES)]
    raise InputError(f"no cue '{cue}'", works=closest(cue, possible, most=len(possible)))


def drawn_lots(plan: Plan, per_class: int, generator: Generator) -> Lots:
    """Lots for a split in which cues go with classes as the plan says."""
    label = torch.arange(len(plan.classes)).repeat_interleave(per_class)
    n = len(label)
    own = torch.rand(n, generator=generator) < plan.correlation
    ground = torch.randint(len(plan.kinds), (n,), generator=generator)
    carries = torch.zeros(n, len(plan.named), dtype=torch.bool)
    for k, cue in enumerate(plan.cues):
        members = label == k
        if cue in plan.kinds:
            others = torch.tensor([i for i, kind in enumerate(plan.kinds) if kind != cue])
            lot = others[torch.randint(len(others), (n,), generator=generator)]
            ground = torch.where(members, torch.where(own, plan.kinds.index(cue), lot), ground)
    if plan.shared:
        lot = torch.rand(n, generator=generator) < plan.shared[1]
        ground = torch.where(lot, plan.kinds.index(plan.shared[0]), ground)
    elsewhere = (1 - plan.correlation) / max(len(plan.classes) - 1, 1)
    for j, cue in enumerate(plan.named):
        whose = torch.tensor([c == cue for c in plan.cues])[label]
        by_chance = torch.rand(n, generator=generator) < elsewhere
        has = ground == plan.kinds.index(cue) if cue in plan.kinds else torch.where(whose, own, by_chance)
        carries[:, j] = has
    return Lots(label, ground, carries, torch.arange(n))


def crossed_lots(plan: Plan, objects: int, generator: Generator) -> Lots:
    """Lots in which every object is shown with everything that is tried, one after the other."""
    tried = plan.tried
    label = torch.arange(len(plan.classes)).repeat_interleave(objects * len(tried))
    number = torch.arange(len(plan.classes) * objects).repeat_interleave(len(tried))
    which = torch.arange(len(tried)).repeat(len(plan.classes) * objects)
    ground = torch.randint(len(plan.kinds), (len(label),), generator=generator)
    ground = torch.where(which < len(plan.kinds), which, ground)
    carries = torch.zeros(len(label), len(plan.named), dtype=torch.bool)
    for j, cue in enumerate(plan.named):
        carries[:, j] = ground == plan.kinds.index(cue) if cue in plan.kinds else which == tried.index(cue)
    return Lots(label, ground, carries, number)
