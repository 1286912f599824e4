"""How much does each cell of each feature map count? The weightings of the Grad-CAM family, one function each.

Each takes the maps A and the gradient of the score by them, n c rows cols, and returns the map n rows cols.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TITLES = {
    "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "hirescam": "HiResCAM", "layercam": "LayerCAM",
    "scorecam": "Score-CAM",
}  # fmt: skip


def gradcam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Σ_c A_c · mean of the gradient over map c (Selvaraju et al. 2016)."""
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1)


def gradcam_plus_plus(maps: Tensor, gradient: Tensor) -> Tensor:
    """Σ_c A_c · Σ_cells α·ReLU(g), α = g² ÷ (2g² + ΣA·g³): several objects count alike (Chattopadhyay et al. 2018)."""
    square = gradient.square()
    total = maps.sum((2, 3), keepdim=True)
    alpha = square / (2 * square + total * square * gradient + 1e-6)
    alpha = torch.where(gradient != 0, alpha, torch.zeros_like(alpha))
    return ((alpha * gradient.clamp(min=0)).sum((2, 3), keepdim=True) * maps).sum(1)


def hirescam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Σ_c A_c · g_c, cell by cell (Draelos & Carin 2020)."""
    return (gradient * maps).sum(1)


def layercam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Σ_c A_c · ReLU(g_c), cell by cell (Jiang et al. 2021)."""
    return (gradient.clamp(min=0) * maps).sum(1)


WEIGHTINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gradcam": gradcam, "gradcam++": gradcam_plus_plus, "hirescam": hirescam, "layercam": layercam,
}  # fmt: skip
