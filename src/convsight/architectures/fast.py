"""FastNet: which small network learns most per second on a plain processor?

Our default. A 2×2 stem that mixes neighbouring pixels, then stages of (conv – pool – norm – ReLU) with a
residual convolution each, and a linear head on global max and mean. It follows the shape of the residual
speed-run networks for CIFAR-10 (Page 2018, "How to train your ResNet"; Jordan 2024, arXiv 2404.00498), an
order of magnitude narrower.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Stage(nn.Module):
    """Half the resolution, `wide` channels: relu(norm(pool(conv x))), then x + relu(norm(conv x))."""

    def __init__(self, narrow: int, wide: int):
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm1 = nn.BatchNorm2d(wide)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(wide)
        self.relu2 = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k h2 w2"]:
        x = self.relu1(self.norm1(self.pool(self.conv1(x))))
        return x + self.relu2(self.norm2(self.conv2(x)))


def default_widths(size: tuple[int, int], first: int = 16) -> tuple[int, ...]:
    """Channels of each stage: doubled while at least three pixels a side remain, up to eight times `first`.

    >>> default_widths((28, 28)), default_widths((64, 64))
    ((16, 32, 64), (16, 32, 64, 128))
    """
    side, widths = min(size) - 1, []
    while side // 2 >= 3 or not widths:
        widths.append(first * min(2 ** len(widths), 8))
        side //= 2
    return tuple(widths)


class FastNet(nn.Module):
    """Our default network; for 28×28 grey pictures and ten classes it has 74 thousand weights.

    `stem` is the number of channels at full resolution (the costly place), `widths` those of the stages;
    twice as wide costs about three times the time. With `place=True` the head reads the last feature
    map flattened instead of globally pooled, which a network that must say *where* needs.

    >>> FastNet(10)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        n_classes: int,
        channels: int = 1,
        size: tuple[int, int] = (28, 28),
        *,
        stem: int = 8,
        widths: tuple[int, ...] | None = None,
        place: bool = False,
    ):
        super().__init__()
        widths = widths or default_widths(size, 2 * stem)
        self.stem = nn.Conv2d(channels, stem, 2, bias=True)
        self.stages = nn.Sequential(*(Stage(a, b) for a, b in zip((stem, *widths), widths, strict=False)))
        self.place = place
        rows, cols = ((side - 1) // 2 ** len(widths) for side in size)
        self.head = nn.Linear(widths[-1] * (rows * cols if place else 2), n_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.stages(self.stem(x))
        if self.place:
            return self.head(x.flatten(1))
        return self.head(torch.cat([x.amax((2, 3)), x.mean((2, 3))], dim=1))
