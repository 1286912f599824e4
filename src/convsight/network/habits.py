"""Does a network answer for each picture alone, the same way every time, and can its operations be seen?

Found out once: a bright picture is run beside a dark one, and twice beside itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.network.graph import Tape
from convsight.network.wrappers import quantised

ALIKE = 1e-3  # of the largest score: what rounding may do between one picture and several


@dataclass(frozen=True)
class Habits:
    """visible: operations can be seen (inside TorchScript they cannot). decides: which ones run depends on the picture.

    one_by_one: the answer depends on the other pictures of the batch, so each picture is run alone. random: two
    passes over the same picture differ. notes: the same in sentences, for the user.
    """

    visible: bool = True
    decides: bool = False
    one_by_one: bool = False
    random: bool = False
    notes: tuple[str, ...] = ()


def habits_of(
    module: nn.Module, scores: Callable[[Tensor], Tensor], shape: tuple[int, int, int], normalise: Callable
) -> Habits:
    """The habits of a network; `scores` runs it on what `normalise` makes of pictures, undisturbed."""
    pictures = normalise(dark_and_bright(shape))
    tape, alone = Tape(), pictures[1:].repeat(2, 1, 1, 1)  # two again: a program may be exported for two
    with tape.watch(module, pictures):
        together = scores(pictures)[1:]
    single, again = scores(alone), scores(alone)  # four answers: a coarse dropout may repeat one of two
    random = not (_alike(single, again) and _alike(single[:1], single[1:]))
    depends = not random and not _alike(together, single[1:])
    kind = quantised(module)
    notes = []
    if kind:
        notes.append(
            f"This network is quantised ({kind}, int8): no gradient flows through its whole numbers."
        )
    if not tape.nodes:
        notes.append(
            "Its operations on whole numbers cannot be seen: occlusion works, and what else needs no layers and no gradient."
            if kind
            else "Its operations cannot be seen (TorchScript): what needs no list of layers works."
        )
    if random:
        notes.append(
            "This network draws random numbers in evaluation: two passes over one picture differ, by "
            f"{max(_gap(single, again), _gap(single[:1], single[1:])):.0%} of its largest score here."
        )
    if tape.decides:
        notes.append("Which operations this network runs depends on the picture; each picture is run alone.")
    elif depends:
        notes.append(
            "Its answer to a picture depends on the other pictures of the batch; each picture is run alone."
        )
    one_by_one = tape.decides or depends or kind == "dynamic"
    return Habits(bool(tape.nodes), tape.decides, one_by_one, random, tuple(notes))


def dark_and_bright(shape: tuple[int, int, int]) -> Float[Tensor, "2 c h w"]:
    """Two noisy pictures in [0, 1], one below and one above the middle."""
    noise = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)) / 2
    return noise + torch.tensor([0.0, 0.5]).view(2, 1, 1, 1)


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and (_gap(one, other) <= ALIKE or not bool(one.isfinite().all()))


def _gap(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-12)) if one.numel() else 0.0
