"""How does a network that predicts positions answer in pixels while it learns in comfortable numbers?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Positions(nn.Module):
    """`centre + spread * network(x)`: the network learns numbers of about unit size, pixels come out.

    `centre` and `spread` (one a output, in pixels) are the mean and standard deviation of the training
    positions; they are buffers, so they travel with the weights.

    >>> net = Positions(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), 2)
    >>> net.scaled(torch.tensor([[24.0, 24.0]]))
    tensor([[24., 24.]])
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, network: nn.Module, n_outputs: int):
        super().__init__()
        self.network = network
        self.register_buffer("centre", torch.zeros(n_outputs))
        self.register_buffer("spread", torch.ones(n_outputs))

    def measure(self, positions: Float[Tensor, "n m"]) -> None:
        """Set centre and spread to those of the training positions."""
        self.centre.copy_(positions.mean(0))
        self.spread.copy_(positions.std(0, correction=0).clamp(min=1e-3))

    def scaled(self, positions: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
        """Positions in pixels as the numbers the inner network learns."""
        return (positions - self.centre) / self.spread

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n m"]:
        return self.centre + self.spread * self.network(x)
