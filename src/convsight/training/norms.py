"""Which statistics does batch normalisation use while a network learns on: the batch's, or those it came with?"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def keep_statistics(network: nn.Module) -> None:
    """Let every batch normalisation of a network in training use its running statistics, and leave them as they are.

    The statistics of a batch of 32 are noisy, and those of thousands of other photos are a better estimate. Scale and
    shift still learn.
    """
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()
