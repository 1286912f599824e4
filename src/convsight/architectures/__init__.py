"""Which networks can be built by name? One architecture a file; this is the register."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from convsight.architectures.fast import FastNet
from convsight.architectures.lesson import LessonNet, LessonOne, LessonTwo
from convsight.architectures.positions import Positions
from convsight.architectures.vgg import VGG
from convsight.errors import check_known

__all__ = [
    "VGG",
    "Architecture",
    "FastNet",
    "LessonNet",
    "LessonOne",
    "LessonTwo",
    "Positions",
    "available",
    "build",
]


@dataclass(frozen=True)
class Architecture:
    """A constructor `make(n_classes, channels, size)`, its line in lists, its knobs for positions."""

    make: Callable[..., nn.Module]
    summary: str
    locate: tuple[tuple[str, bool], ...] = ()


ARCHITECTURES: dict[str, Architecture] = {
    "fast": Architecture(
        FastNet,
        "our default: 2×2 stem, residual stages of 16-32-64 channels, 74 thousand weights",
        (("place", True),),
    ),
    "fast-wide": Architecture(
        partial(FastNet, stem=16),
        "the same twice as wide: 294 thousand weights, three times the work",
        (("place", True),),
    ),
    "lesson": Architecture(
        LessonNet,
        "the lesson's Net: one 5×5 convolution, one pool, one linear layer",
        (("relu_scores", False),),
    ),
    "lesson-1": Architecture(LessonOne, "Udacity's first solution: two 3×3 convolutions, one linear layer"),
    "lesson-2": Architecture(
        LessonTwo, "Udacity's second solution: a hidden layer of 50 and dropout 0.4 more"
    ),
    **{
        f"vgg{depth}{'-bn' if norm else ''}": Architecture(
            partial(VGG, depth=depth, batch_norm=norm),
            f"VGG-{depth}: {depth - 3} 3×3 convolutions, three linear layers"
            + (", batch normalisation" if norm else ""),
        )
        for norm in (False, True)
        for depth in (11, 13, 16, 19)
    },
}


def available() -> dict[str, str]:
    """Name and one line on each network that `build` knows.

    >>> available()["lesson-1"]
    "Udacity's first solution: two 3×3 convolutions, one linear layer"
    """
    return {name: architecture.summary for name, architecture in ARCHITECTURES.items()}


def build(
    name: str,
    n_classes: int,
    channels: int = 1,
    size: tuple[int, int] = (28, 28),
    *,
    task: str = "classify",
    **knobs: object,
) -> nn.Module:
    """A fresh network with random weights (drawn from torch's global generator; seed it).

    `n_classes` is the number of outputs, also for `task="locate"`, where they are positions. `channels` and
    `size` (rows, columns; pixels) describe the pictures. Further `knobs` go to the architecture. Raises
    `InputError` for an unknown name or knob, or a size that the network cannot take.

    >>> import torch
    >>> build("fast", 10, channels=3, size=(64, 64))(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 10])
    """
    check_known(name, ARCHITECTURES, f"no network '{name}'", most=20)
    architecture = ARCHITECTURES[name]
    if task == "locate":
        knobs = {**dict(architecture.locate), **knobs}
    known = sorted(inspect.signature(architecture.make).parameters.keys() - {"n_classes", "channels", "size"})
    for knob in knobs:
        check_known(knob, known, f"network '{name}' has no knob '{knob}'")
    return architecture.make(n_classes, channels, size, **knobs)
