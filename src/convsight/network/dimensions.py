"""Does the network take pictures at all, or sequences or volumes?"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from convsight.errors import ModelError

SEQUENCE = (nn.Conv1d, nn.ConvTranspose1d)
PICTURE = (nn.Conv2d, nn.ConvTranspose2d)
VOLUME = (nn.Conv3d, nn.ConvTranspose3d)
PROBED = 3  # pictures: torch takes n c h w of another n for the channels of one volume


def refuse_other_dimensions(module: nn.Module, answers: Callable[[int], Any]) -> None:
    """ModelError for a network of 1-d or 3-d convolutions only: what convsight takes, and what it was given.

    answers: what the network returns for a number of pictures n c h w. A network that has no 2-d convolution but
    makes sequences or volumes of the pictures itself answers each of them, and is taken.
    """
    found = [(name, each) for name, each in module.named_modules() if isinstance(each, (*SEQUENCE, *VOLUME))]
    if not found or any(isinstance(each, PICTURE) for each in module.modules()):
        return
    with contextlib.suppress(ModelError):
        output = answers(PROBED)
        if not isinstance(output, Tensor) or output.shape[:1] == (PROBED,):
            return
    name, first = found[0]
    sequence = isinstance(first, SEQUENCE)
    what, shape = ("sequences", "n×c×length") if sequence else ("volumes or films", "n×c×depth×h×w")
    way = "reshapes the picture to a sequence" if sequence else "adds the depth axis"
    raise ModelError(
        f"convsight looks into networks that take pictures n×c×h×w (Conv2d); {name or 'the module'} is a "
        f"{type(first).__name__}, which takes {what} {shape}. Pictures of many channels are taken with channels=…; a "
        f"module whose forward takes pictures n×c×h×w and {way} can be wrapped"
    )
