"""When can a network's first convolution run in training as a compiled piece, and how does torch come to its gradients?"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from convsight.architectures.stages.where import compiles


def fits(conv: nn.Conv2d, pixels: Tensor) -> bool:
    """Whether `first` can stand for this layer here: few colours, no padding, and no gradient of the pixels wanted."""
    k, plain = conv.out_channels, conv.padding == (0, 0) and conv.stride == conv.dilation == (1, 1)
    return (
        plain
        and conv.groups == 1
        and conv.bias is not None
        and conv.in_channels <= 4
        and (k == 8 or k % 16 == 0)
        and not pixels.requires_grad
        and pixels.shape[3] > conv.kernel_size[1]  # type: ignore[operator]
        and compiles((conv,), pixels)
    )


def first(pixels: Float[Tensor, "n c h w"], conv: nn.Conv2d) -> Float[Tensor, "n k h2 w2"]:
    """`conv(pixels)`, in training."""
    return _First.apply(pixels, conv.weight, conv.bias)  # type: ignore[return-value]


@functools.cache
def _taps(reach: tuple[int, int], cols: int, channels: int) -> np.ndarray:
    """How many bytes the numbers that a kernel sees are from its first, row by row, channels last."""
    rows = np.arange(reach[0])[:, None] * cols * channels
    return ((rows + np.arange(reach[1] * channels)) * 4).ravel()


class _First(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pixels: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        from convsight.architectures.stages.first_kernel import forwards

        pixels = pixels.contiguous(memory_format=torch.channels_last)
        (n, c, h, w), (k, _, tall, wide) = pixels.shape, weight.shape
        out = pixels.new_empty(n, h - tall + 1, w - wide + 1, k)
        rows, biases, taps = weight.permute(2, 3, 1, 0).reshape(-1, k), bias, _taps((tall, wide), w, c)
        if k == 8:
            rows, biases = rows.repeat(1, 2), bias.repeat(2)
        forwards(
            out.data_ptr(), pixels.data_ptr(), (n, h, w, c), taps, (tall, wide), rows.contiguous().numpy(),
            biases.numpy(), k == 8,
        )  # fmt: skip
        ctx.save_for_backward(pixels, weight)
        return out.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Any:
        from convsight.architectures.stages.first_kernel import backwards

        pixels, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        (n, c, h, w), (k, _, tall, wide) = pixels.shape, weight.shape
        taps, sums = _taps((tall, wide), w, c), torch.zeros(c * tall * wide + 1, max(k, 16))
        backwards(
            sums.numpy(), gradient.data_ptr(), pixels.data_ptr(), (n, h, w, c), taps, (tall, wide), k == 8,
        )  # fmt: skip
        if k == 8:
            sums = sums[:, :8] + sums[:, 8:]
        return None, sums[:-1].view(tall, wide, c, k).permute(3, 2, 0, 1), sums[-1]
