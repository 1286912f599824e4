"""What does a network take and give: its scores among its outputs, its input size, its normalisation?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convsight.errors import ModelError

WHOLE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes


def logits_of(output: Any) -> Tensor:
    return score_tensor(output).flatten(1).float()


def score_tensor(output: Any) -> Tensor:
    """The scores among whatever a network returns: a tensor, a tuple (Inception), an object with .logits."""
    if isinstance(output, Mapping):
        output = output.get("logits", next(iter(output.values()), None))
    elif hasattr(output, "logits"):
        output = output.logits
    elif isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor) or output.ndim < 2 or output[0].numel() != output.shape[1]:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(
            f"a classifier returns one row of class scores per picture; this network gave {shape}"
        )
    return output


def size_of(size: tuple[int, int] | int | None) -> tuple[int, int]:
    if size is None:
        raise ModelError(
            "input_size is needed: the (height, width) in pixels that the network was trained on"
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


def sum_of(tensor: Tensor) -> int:
    """The sum of a tensor's bits, taken as whole numbers: it notices weights that are changed through `.data`.

    Unlike a sum in float64 it can be had on every device.
    """
    plain = tensor.detach()
    if plain.is_quantized:
        plain = plain.int_repr()
    if plain.is_complex():
        plain = torch.view_as_real(plain)
    even = plain.numel() % 2 == plain.storage_offset() % 2 == 0
    if plain.dtype == torch.float32 and plain.numel() > 10_000 and even and plain.is_contiguous():
        return int(plain.view(-1).view(torch.int64).sum())  # two at a time: ten times as fast
    if plain.is_floating_point():
        plain = plain.view(WHOLE[plain.element_size()])
    return int(plain.sum(dtype=torch.int64))


def every_module(module: nn.Module) -> Iterator[nn.Module]:
    """What `module.modules()` yields, in its order and a fraction of its time: small networks are asked often."""
    found, waiting = set(), [module]
    while waiting:
        part = waiting.pop()
        if part is not None and part not in found:
            found.add(part)
            yield part
            waiting += list(part._modules.values())[::-1]


def first_tensor(module: nn.Module) -> Tensor:
    """The first parameter, or else buffer, of floats: it tells where and in which numbers the network works."""
    for kind in ("_parameters", "_buffers"):
        for part in every_module(module):
            for tensor in getattr(part, kind).values():
                if tensor is not None and tensor.is_floating_point():
                    return tensor
    return torch.zeros(0)
