"""Is the mean of the last weights better than the last weights? Often: single batches are noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EVERY = 8  # steps between two updates: the mean is nearly the same, and costs an eighth


@torch.no_grad()
def update_average(average: dict[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    """Every 8th step, average <- d·average + (1-d)·weights, for weights and batch-norm statistics alike.

    d rises from 0 to `decay` over the first updates, so that the random beginning is soon forgotten
    (Polyak and Juditsky 1992; the warm-up is that of TensorFlow's ExponentialMovingAverage).
    """
    if step % EVERY:
        return
    count = step // EVERY
    keep = min(decay, count / (count + 10))
    for name, value in network.state_dict().items():
        if name not in average or not value.is_floating_point():
            average[name] = value.clone()
        else:
            average[name].lerp_(value, 1 - keep)


@contextmanager
def exchanged(network: nn.Module, weights: dict[str, Tensor]) -> Iterator[None]:
    """The network with other weights inside the block, its own again after it; none given, none changed."""
    if not weights:
        yield
        return
    own = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    try:
        yield
    finally:
        network.load_state_dict(own)
