"""Layer-wise relevance propagation written out in numpy: every linear layer as one matrix, every share as one number.

A layer's matrix is found by asking it for each unit vector, so that a convolution, a batch normalisation behind it and
a padding need no words of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

STABILISER = 1e-6


@dataclass
class Matrix:
    """z = w x + b of a layer that is linear in its input; w is outputs × inputs."""

    w: np.ndarray
    b: np.ndarray


def matrix(layer: Callable[[Tensor], Tensor], *shape: int) -> Matrix:
    """The matrix of a layer for one picture or vector of `shape`."""
    size = int(np.prod(shape))
    with torch.no_grad():
        b = layer(torch.zeros(1, *shape, dtype=torch.float64)).flatten(1)
        columns = layer(torch.eye(size, dtype=torch.float64).view(size, *shape)).flatten(1) - b
    return Matrix(columns.T.numpy(), b[0].numpy())


def divide(relevance: np.ndarray, z: np.ndarray, epsilon: float = STABILISER) -> np.ndarray:
    return relevance / (z + np.where(z >= 0, epsilon, -epsilon))


def epsilon(m: Matrix, x: np.ndarray, relevance: np.ndarray, e: float = STABILISER) -> np.ndarray:
    parts = m.w * x
    return divide(relevance, parts.sum(1) + m.b, e) @ parts


def alpha_beta(m: Matrix, x: np.ndarray, relevance: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    parts = m.w * x
    up, down = parts.clip(min=0), parts.clip(max=0)
    found = alpha * divide(relevance, up.sum(1) + m.b.clip(min=0)) @ up
    return found - (alpha - 1) * divide(relevance, down.sum(1) + m.b.clip(max=0)) @ down


def gamma(m: Matrix, x: np.ndarray, relevance: np.ndarray, g: float = 0.25) -> np.ndarray:
    """Outputs above 0 count positive parts (1 + γ) times, outputs below 0 negative ones."""
    parts, found = m.w * x, np.zeros(len(x))
    for j, z in enumerate(parts.sum(1) + m.b):
        favoured = parts[j].clip(min=0) if z > 0 else parts[j].clip(max=0)
        bias = m.b[j] + g * (max(m.b[j], 0) if z > 0 else min(m.b[j], 0))
        mine = parts[j] + g * favoured
        if z != 0:
            found += mine * divide(relevance[j : j + 1], np.array([mine.sum() + bias]))[0]
    return found


def flat(m: Matrix, x: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """Needs a matrix without zeros inside of its windows, because a weight of 0 is seen here as no connection."""
    seen = (m.w != 0).astype(float)
    return divide(relevance, seen.sum(1)) @ seen


def w_square(m: Matrix, x: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    return divide(relevance, (m.w**2).sum(1)) @ m.w**2


def z_box(m: Matrix, x: np.ndarray, relevance: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    parts = m.w * x - m.w.clip(min=0) * low - m.w.clip(max=0) * high
    return divide(relevance, parts.sum(1)) @ parts


def among(relevance: np.ndarray, *summands: np.ndarray) -> list[np.ndarray]:
    """The shares of summands in their sum."""
    return [divide(relevance, sum(summands)) * x for x in summands]
