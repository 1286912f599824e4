"""The styles of network that every technique must take: the ways people write the same few operations."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsight.network.classifier import Classifier

SIDE, CLASSES = 28, ("a", "b", "c")


class Functional(nn.Module):
    """The lesson's way: F.relu, and one pool used twice."""

    def __init__(self, channels: int = 1):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3), nn.Conv2d(6, 8, 3)
        self.pool, self.fc1, self.fc2 = nn.MaxPool2d(2), nn.Linear(8 * 25, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.fc2(F.relu(self.fc1(x.view(x.size(0), -1))))


class InPlace(nn.Module):
    """torchvision's way: nn.ReLU(inplace=True), batch normalisation, dropout."""

    def __init__(self, channels: int = 1):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(4),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class Reused(nn.Module):
    """One nn.ReLU module called three times, one convolution twice, and `y += x`."""

    def __init__(self, channels: int = 1):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        y = self.conv2(x)
        y += x
        y = self.conv2(self.relu(y))
        return self.fc(self.relu(y).mean((2, 3)))


class Skip(nn.Module):
    """x + relu(x), strided, with clamp as a rectifier."""

    def __init__(self, channels: int = 1):
        super().__init__()
        self.stem, self.conv = nn.Conv2d(channels, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).clamp(min=0)
        x = x + torch.relu(self.conv(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Fuse(nn.Module):
    """Lets every picture through; counts its calls, and fails at the one that it is told."""

    def __init__(self):
        super().__init__()
        self.calls, self.fails_at = 0, -1

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("the fuse has blown")
        return x


def fused() -> tuple[Classifier, Fuse]:
    """A network in training mode with one fuse at two places: in front of it, and in the middle."""
    net, fuse = STYLES["train mode"](), Fuse()
    net.module.features.insert(4, fuse)
    net.module.features.insert(0, fuse)
    net.layers  # noqa: B018  (traced now, so that only the technique's own passes are counted)
    fuse.calls = 0
    return net, fuse


def _made(make: Callable[..., nn.Module], channels: int, dtype: torch.dtype, train: bool) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = make(channels)
        for m in module.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.uniform_(-0.2, 0.2)
                m.running_var.uniform_(0.5, 1.5)
    module = module.to(dtype).train(train)
    return Classifier(module, CLASSES, input_size=SIDE, channels=channels, mean=0.3, std=0.4)


STYLES: dict[str, Callable[[], Classifier]] = {
    "functional": lambda: _made(Functional, 1, torch.float32, False),
    "in-place": lambda: _made(InPlace, 1, torch.float32, False),
    "reused": lambda: _made(Reused, 1, torch.float32, False),
    "skip": lambda: _made(Skip, 1, torch.float32, False),
    "train mode": lambda: _made(InPlace, 1, torch.float32, True),
    "colour": lambda: _made(InPlace, 3, torch.float32, False),
    "bfloat16": lambda: _made(Functional, 1, torch.bfloat16, False),
    "float16": lambda: _made(Skip, 1, torch.float16, False),
}
