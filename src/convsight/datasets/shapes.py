"""Which shapes is a drawing made of?

Every shape is a signed field over n pictures at once: positive inside, in units of half the picture's height,
with x from -1 (left) to 1 and y from -1 (top) to 1. Union is max, a cut is min with the negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Field = Float[Tensor, "n h w"]
Number = Tensor | float | int


@dataclass(frozen=True)
class Random:
    """n random numbers at a time, shaped n 1 1 so that they spread over pictures."""

    n: int
    generator: Generator

    def __call__(self, low: float | int, high: float | int) -> Float[Tensor, "n 1 1"]:
        return low + (high - low) * torch.rand(self.n, 1, 1, generator=self.generator)

    def chance(self, probability: float) -> Float[Tensor, "n 1 1"]:
        """1 with the given probability, otherwise 0."""
        return (torch.rand(self.n, 1, 1, generator=self.generator) < probability).float()


def profile(x: Field, y: Field, ys: Sequence[Number], widths: Sequence[Number]) -> Field:
    """Inside where |x| is below a half width that runs straight between the heights `ys`."""
    half: Number = widths[0]
    for y0, y1, w0, w1 in zip(ys, ys[1:], widths, widths[1:], strict=False):
        half = half + (w1 - w0) * ((y - y0) / (y1 - y0)).clamp(0, 1)
    return torch.minimum(half - x.abs(), torch.minimum(y - ys[0], ys[-1] - y))


def limb(x: Field, y: Field, a: Sequence[Number], b: Sequence[Number], ra: Number, rb: Number) -> Field:
    """A round-ended band from a to b (x, y) whose radius runs from ra to rb."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    along = (((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy + 1e-9)).clamp(0, 1)
    across = ((x - a[0] - along * dx) ** 2 + (y - a[1] - along * dy) ** 2).sqrt()
    return ra + (rb - ra) * along - across


def ellipse(x: Field, y: Field, cx: Number, cy: Number, rx: Number, ry: Number) -> Field:
    """About the distance to an ellipse; exact on its axes' shorter one."""
    radius = (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2).sqrt()
    return (1 - radius) * torch.minimum(torch.as_tensor(rx), torch.as_tensor(ry))


def union(*fields: Field) -> Field:
    return torch.stack(torch.broadcast_tensors(*fields)).amax(0)


def nowhere(like: Field) -> Field:
    return torch.full_like(like, -1.0)


def only(present: Number, field: Field) -> Field:
    """The field where `present` is 1, nothing where it is 0."""
    return field * present - (1 - present)


def stroke(distance: Field, width: Number) -> Field:
    """A line of the given half width along the zero of `distance`."""
    return width - distance.abs()
