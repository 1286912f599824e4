"""Networks on which hook-based LRP goes wrong, each with its relevance worked out by hand in numpy (float64)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from tests.oracles.lesson_numpy import pool, pool_back
from tests.oracles.relevance_numpy import Matrix, alpha_beta, among, epsilon, matrix
from torch import Tensor, nn

from convsight.architectures.lesson import LessonTwo

Share = Callable[[Matrix, np.ndarray, np.ndarray], np.ndarray]
CONVOLUTIONS: dict[str, Share] = {"epsilon": epsilon, "epsilon-plus": alpha_beta}


def numbers(layer: Callable[[Tensor], Tensor], x: np.ndarray, *shape: int) -> np.ndarray:
    with torch.no_grad():
        return layer(torch.from_numpy(x).view(1, *shape)).flatten().numpy()


def one(k: int, values: np.ndarray) -> np.ndarray:
    """All relevance at output k: its own value."""
    return np.where(np.arange(len(values)) == k, values, 0)


def settled(module: nn.Module) -> nn.Module:
    """Float64, with batch normalisations that do something."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.3), m.running_var.uniform_(0.5, 2)
            nn.init.uniform_(m.weight, 0.5, 1.5), nn.init.normal_(m.bias, 0, 0.2)
    return module.double().eval()


class Skipping(nn.Module):
    """One ReLU and one convolution used twice, `y += x`, a batch normalisation, a mean over places; no module for a sum."""

    shape = (1, 6, 6)

    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.relu, self.fc = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv1(x)))
        y = self.relu(self.conv2(x))
        y += x
        y = F.relu(self.conv2(y))
        return self.fc(y.mean((2, 3)))

    def by_hand(self, picture: np.ndarray, k: int, share: Share) -> np.ndarray:
        maps = (4, 6, 6)
        first = matrix(lambda x: self.norm(self.conv1(x)), *self.shape)
        again, mean, dense = (
            matrix(self.conv2, *maps),
            matrix(lambda x: x.mean((2, 3)), *maps),
            matrix(self.fc, 4),
        )
        x = (first.w @ picture + first.b).clip(min=0)
        y = (again.w @ x + again.b).clip(min=0)
        z = (again.w @ (x + y) + again.b).clip(min=0)
        means = mean.w @ z
        r = epsilon(dense, means, one(k, dense.w @ means + dense.b))
        r = share(again, x + y, epsilon(mean, z, r))
        at_x, at_y = among(r, x, y)
        return share(first, picture, at_x + share(again, x, at_y))


class Dense(nn.Module):
    """DenseNet's way: concatenation, then batch normalisation with no layer in front, ReLU, convolution; F.avg_pool2d."""

    shape = (1, 6, 6)

    def __init__(self):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2, self.conv3 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.fc = nn.Linear(4 * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = torch.cat([x, self.conv2(x).relu()], 1)
        x = F.avg_pool2d(F.relu(self.conv3(F.relu(self.norm(x)))), 2)
        return self.fc(x.flatten(1))

    def by_hand(self, picture: np.ndarray, k: int, share: Share) -> np.ndarray:
        first, second = matrix(self.conv1, *self.shape), matrix(self.conv2, 3, 6, 6)
        third, dense = matrix(self.conv3, 6, 6, 6), matrix(self.fc, 36)
        mean = matrix(lambda x: F.avg_pool2d(x, 2), 4, 6, 6)
        x = (first.w @ picture + first.b).clip(min=0)
        both = np.concatenate([x, (second.w @ x + second.b).clip(min=0)])
        normal = numbers(self.norm, both, 6, 6, 6).clip(min=0)
        z = (third.w @ normal + third.b).clip(min=0)
        means = mean.w @ z
        r = epsilon(dense, means, one(k, dense.w @ means + dense.b))
        r = share(third, normal, epsilon(mean, z, r))  # through the lone normalisation as it is
        return share(first, picture, r[: len(x)] + share(second, x, r[len(x) :]))


class Excited(nn.Module):
    """A squeeze-and-excite block and SiLU, and a convolution through F.conv2d that no module holds."""

    shape = (1, 5, 5)

    def __init__(self):
        super().__init__()
        self.filters = nn.Parameter(torch.randn(4, 1, 3, 3))
        self.squeeze, self.conv, self.fc = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 3), nn.Linear(3 * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(F.conv2d(x, self.filters, padding=1))
        x = x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))
        return self.fc(F.hardswish(self.conv(x)).flatten(1))

    def by_hand(self, picture: np.ndarray, k: int, share: Share) -> np.ndarray:
        first = matrix(lambda x: F.conv2d(x, self.filters, padding=1), *self.shape)
        second, dense = matrix(self.conv, 4, 5, 5), matrix(self.fc, 27)
        x = numbers(F.silu, first.w @ picture, 4, 5, 5)
        gated = numbers(lambda x: x * self.squeeze(x.mean((2, 3), keepdim=True)).sigmoid(), x, 4, 5, 5)
        y = numbers(F.hardswish, second.w @ gated + second.b, 3, 3, 3)
        r = epsilon(dense, y, one(k, dense.w @ y + dense.b))
        return share(
            first, picture, share(second, gated, r)
        )  # the gate gets nothing, SiLU and hardswish pass


class Lesson(LessonTwo):
    """The lesson's second net: F.relu, and one pool that is used twice."""

    shape = (1, 28, 28)

    def __init__(self):
        super().__init__(10)

    def by_hand(self, picture: np.ndarray, k: int, share: Share) -> np.ndarray:
        shapes = [self.shape, (10, 13, 13)]
        convolved, inputs = [], [picture]
        for layer, shape in zip((self.conv1, self.conv2), shapes, strict=True):
            m = matrix(layer, *shape)
            maps = layer(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:]
            rectified = (m.w @ inputs[-1] + m.b).clip(min=0)
            convolved.append((m, rectified.reshape(maps)))
            inputs.append(pool(rectified.reshape(maps)).ravel())
        fc1, fc2 = matrix(self.fc1, len(inputs[-1])), matrix(self.fc2, self.fc2.in_features)
        hidden = (fc1.w @ inputs[-1] + fc1.b).clip(min=0)
        r = epsilon(fc1, inputs[-1], epsilon(fc2, hidden, one(k, fc2.w @ hidden + fc2.b)))
        for (m, maps), x in zip(convolved[::-1], inputs[-2::-1], strict=True):
            pooled = pool(maps).shape
            r = share(m, x, pool_back(maps, r.reshape(pooled)).ravel())
        return r


NETS = {"skips": Skipping, "concatenates": Dense, "excites": Excited, "the lesson's": Lesson}
