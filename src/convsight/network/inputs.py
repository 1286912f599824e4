"""What does a network take: pictures of which size, normalised how, on which device and in which numbers?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convsight.errors import ModelError
from convsight.network.changes import every_module


def size_of(size: tuple[int, int] | int | None) -> tuple[int, int]:
    if size is None:
        raise ModelError(
            "input_size is needed: the (height, width) in pixels that the network was trained on. It is said by "
            "input_size=(224, 224), --size 224, or INPUT_SIZE = (224, 224) in the network's own Python file (MEAN, STD "
            "and CLASSES stand there too)"
        )
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ModelError(f"input_size must be positive, not {size}")
    return int(height), int(width)


def per_channel(what: str, value: Sequence[float] | float | None, channels: int) -> Tensor | None:
    if value is None:
        return None
    values = [float(v) for v in (value if isinstance(value, (Sequence, Tensor)) else [value] * channels)]
    if len(values) != channels:
        raise ModelError(f"{what} has {len(values)} values for {channels} channels")
    if what == "std" and min(values) <= 0:
        raise ModelError(f"std must be positive, not {values}")
    return torch.tensor(values)[:, None, None]


def first_tensor(module: nn.Module) -> Tensor:
    """The first floating-point parameter, or else buffer: its device and dtype are taken as the network's."""
    for kind in ("_parameters", "_buffers"):
        for part in every_module(module):
            for tensor in getattr(part, kind).values():
                if tensor is not None and tensor.is_floating_point():
                    return tensor
    return torch.zeros(0)
