"""Which statistics does batch normalisation use while a network learns on: the batch's, or those it came with?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PICTURES = 512  # that are enough to know the mean and variance of each channel


def keep_statistics(network: nn.Module) -> None:
    """Let every batch normalisation of a network in training use its running statistics, and leave them as they are.

    The statistics of a batch of 32 are noisy, and those of thousands of other photos are a better estimate. Scale and
    shift still learn.
    """
    for layer in _norms(network):
        layer.eval()


@torch.no_grad()
def take_statistics(network: nn.Module, batches: Iterable[Float[Tensor, "n c h w"]]) -> None:
    """Give every batch normalisation the statistics of these pictures, and change its scale and shift so that the network
    answers as before.

    Only then may a network that is to go on learn with the statistics of its batches. Where it came from an inference
    framework, normalisation was folded into the kernels: its running mean is 0 and its variance 1, whatever the pictures,
    and the first batch that was normalised by its own statistics would undo all that it knows.
    """
    sums: dict[nn.Module, list[Tensor]] = {}

    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].double().transpose(0, 1).flatten(1)
        count = torch.full((1,), values.shape[1], dtype=torch.float64)
        found = [values.sum(1).cpu(), values.square().sum(1).cpu(), count]
        before = sums.get(layer)
        sums[layer] = found if before is None else [a + b for a, b in zip(before, found, strict=True)]

    network.eval()
    with ExitStack() as stack:
        for layer in _norms(network):
            stack.callback(layer.register_forward_pre_hook(note).remove)
        for pixels in batches:
            network(pixels)
    for layer, (total, squares, count) in sums.items():
        assert isinstance(layer, _BatchNorm)
        mean = total / count
        _put(layer, mean, (squares / count - mean**2).clamp(min=0))


def _put(layer: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """y = w (x − m) / √(v + ε) + b of the old m and v is the same line in x with the new ones."""
    if layer.running_mean is None or layer.running_var is None or layer.weight is None:
        return  # it has no statistics, or no scale that could make up for others
    mean, variance = mean.to(layer.running_mean), variance.to(layer.running_var)
    old = (layer.running_var + layer.eps).sqrt()
    layer.bias.add_(layer.weight * (mean - layer.running_mean) / old)
    layer.weight.mul_((variance + layer.eps).sqrt() / old)
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)


def _norms(network: nn.Module) -> Iterator[_BatchNorm]:
    return (layer for layer in network.modules() if isinstance(layer, _BatchNorm))
