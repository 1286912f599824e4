"""How is a convolution computed together with the activation behind it, before its value is written?

oneDNN, torch's library for Intel and AMD processors, does both at once, and takes weights that were put into
its own order beforehand. Where torch has no oneDNN (or for other devices and number formats) the activation
overwrites the convolution's value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

After = tuple[str, tuple[float, ...]]  # an activation's name and numbers, as oneDNN has them


def activated(value: Tensor, after: After | None) -> Tensor:
    """The value, overwritten by the activation."""
    if after is None:
        return value
    name, numbers = after
    return torch.relu_(value) if name == "relu" else F.hardtanh_(value, *numbers)


def then(func: Callable, after: After) -> Callable:
    """The operation and its activation as one."""
    return lambda *args, **kwargs: activated(func(*args, **kwargs), after)


def has_onednn(weight: Tensor) -> bool:
    if (
        weight.device.type != "cpu"
        or weight.dtype != torch.float32
        or not torch.backends.mkldnn.is_available()
    ):
        return False
    return hasattr(torch.ops.mkldnn, "_convolution_pointwise") and hasattr(
        torch.ops.mkldnn, "_reorder_convolution_weight"
    )


def convolution_of(
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    after: After | None,
) -> Callable[[Tensor], Tensor]:
    """The convolution and activation as a function of maps n c h w, channels last."""
    stride, padding, dilation = list(stride), list(padding), list(dilation)
    if not has_onednn(weight):
        rows_last = weight.contiguous(memory_format=torch.channels_last)
        return lambda maps: activated(
            F.conv2d(maps, rows_last, bias, stride, padding, dilation, groups), after
        )
    packed = torch.ops.mkldnn._reorder_convolution_weight(
        weight.contiguous(), padding, stride, dilation, groups, None
    )
    name, numbers = after or ("none", ())
    run, given = torch.ops.mkldnn._convolution_pointwise.default, list(numbers)
    return lambda maps: run(maps, packed, bias, padding, stride, dilation, groups, name, given, "")
