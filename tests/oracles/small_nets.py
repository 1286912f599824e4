"""Networks small enough to know by heart, in the styles in which people write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OneConv(nn.Module):
    """captum's BasicModel_ConvNet_One_Conv: on 1 … 16 its maps are published in captum's own tests."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 2, 3)
        self.relu1 = nn.ReLU()
        self.fc1 = nn.Linear(8, 4)
        self.relu2 = nn.ReLU()
        with torch.no_grad():
            self.conv1.weight.fill_(1)
            self.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
            self.fc1.weight.copy_(torch.cat([torch.ones(4, 5), -torch.ones(4, 3)], 1))
            self.fc1.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.conv1(x)).view(-1, 8)
        return self.relu2(self.fc1(x))


class Modules(nn.Module):
    """Three ReLU modules, each used once, and a skip around one: what hook-based tools handle."""

    def __init__(self, channels: int = 1, inplace: bool = False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(inplace), nn.ReLU(inplace), nn.ReLU(inplace)
        self.fc = nn.Linear(6, 3)
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.norm(self.conv1(x)))
        x = F.max_pool2d(x, 2)
        x = self.relu3(self.relu2(self.conv2(x)) + x)
        return self.fc(x.mean((2, 3)))


class Functional(Modules):
    """The same network with F.relu."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv1(x)))
        x = F.max_pool2d(x, 2)
        x = F.relu(F.relu(self.conv2(x)) + x)
        return self.fc(x.mean((2, 3)))


class Reused(Modules):
    """The same network with one ReLU module for all."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.norm(self.conv1(x)))
        x = F.max_pool2d(x, 2)
        x = self.relu1(self.relu1(self.conv2(x)) + x)
        return self.fc(x.mean((2, 3)))


class InPlace(Modules):
    """The same network with ReLUs in place, spelled in three ways."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv1(x)), inplace=True)
        x = F.max_pool2d(x, 2)
        y = self.conv2(x)
        torch.relu_(y)
        z = x + y
        return self.fc(z.relu_().mean((2, 3)))


class Clamped(Modules):
    """The same network with clamps, a maximum and a mask in the ReLUs' place."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv1(x)).clamp(min=0)
        x = F.max_pool2d(x, 2)
        y = self.conv2(x)
        y = torch.maximum(y, torch.zeros_like(y)) + x
        return self.fc((y * (y > 0)).mean((2, 3)))


def modules_net(style: type[Modules] = Modules, channels: int = 1) -> Modules:
    """The same weights in every style."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return style(channels).eval()


def pictures(n: int, channels: int = 1, size: int = 12, seed: int = 0) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(seed))
