"""What do the lesson's own networks look like, with the one number it leaves wrong put right?

`LessonNet` is the lesson's `Net(n_classes)`; `LessonOne` and `LessonTwo` are Udacity's two solutions for
Fashion-MNIST (Computer Vision Nanodegree, exercises 1.5). Layer names are theirs, so their weights load.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import InputError


def flattened(channels: int, size: tuple[int, int], kernel: int, stages: int) -> int:
    """Numbers left after `stages` of (unpadded convolution, 2×2 pool): what the first linear layer takes.

    >>> flattened(32, (28, 28), kernel=5, stages=1)     # the lesson writes 32*4; it is 32*12*12
    4608
    """
    rows, cols = size
    for _ in range(stages):
        rows, cols = (rows - kernel + 1) // 2, (cols - kernel + 1) // 2
    if min(rows, cols) < 1:
        raise InputError(
            f"pictures of {size[0]}×{size[1]} are too small: {stages} stage(s) of {kernel}×{kernel}"
            " convolution and 2×2 pool leave nothing; take larger pictures, or `size=` to enlarge them"
        )
    return channels * rows * cols


class LessonNet(nn.Module):
    """The lesson's `Net(n_classes)`: one 5×5 convolution to 32 maps, ReLU, pool, one linear layer.

    The lesson sends the scores themselves through a ReLU, so no score is ever below zero. It is kept as it
    stands; `relu_scores=False` leaves it out (a network that predicts positions wants that).

    >>> import torch
    >>> LessonNet(20)(torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 20])
    """

    def __init__(
        self,
        n_classes: int,
        channels: int = 1,
        size: tuple[int, int] = (28, 28),
        *,
        relu_scores: bool = True,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(flattened(32, size, kernel=5, stages=1), n_classes)
        self.relu_scores = relu_scores

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.pool(F.relu(self.conv1(x)))
        scores = self.fc1(x.flatten(1))
        return F.relu(scores) if self.relu_scores else scores


class LessonOne(nn.Module):
    """Udacity's first solution: convolutions to 10 and 20 maps, each with ReLU and pool; one linear layer.

    The original ends in log-softmax for a negative log-likelihood loss; this one returns the scores, and
    cross-entropy makes the same number of them.
    """

    def __init__(self, n_classes: int, channels: int = 1, size: tuple[int, int] = (28, 28)):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 10, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(10, 20, 3)
        self.fc1 = nn.Linear(flattened(20, size, kernel=3, stages=2), n_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.fc1(x.flatten(1))


class LessonTwo(LessonOne):
    """Udacity's second solution: the first, with a hidden linear layer of 50 and dropout of 0.4 behind it."""

    def __init__(self, n_classes: int, channels: int = 1, size: tuple[int, int] = (28, 28)):
        super().__init__(50, channels, size)
        self.drop = nn.Dropout(p=0.4)
        self.fc2 = nn.Linear(50, n_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.fc2(self.drop(F.relu(super().forward(x))))
