"""Maps written out in plain PyTorch: gradients, class activation maps and the dense occlusion loop."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Score = Callable[[Tensor], Tensor]


def gradient(score: Score, pixels: Tensor) -> Tensor:
    """The derivative of score(pixels), summed over pictures, by the pixels."""
    leaf = pixels.detach().clone().requires_grad_()
    return torch.autograd.grad(score(leaf).sum(), leaf)[0]


def class_activation(maps: Tensor, score: Tensor, size: tuple[int, int]) -> Tensor:
    """Grad-CAM from maps n c h w, which are part of the graph of the scores n."""
    slope = torch.autograd.grad(score.sum(), maps, retain_graph=True)[0]
    cam = (slope.mean((2, 3), keepdim=True) * maps).sum(1).clamp(min=0)
    return F.interpolate(cam[:, None], size, mode="bilinear", align_corners=False)[:, 0].detach()


def hidden(score: Score, pixels: Tensor, patch: int, stride: int, fill: float = 0.0) -> Tensor:
    """Averaged over the patches that cover a pixel: how far the score falls when one is hidden."""
    n, _, h, w = pixels.shape
    rows, columns = ([*range(0, side - patch, stride), side - patch] for side in (h, w))
    total, count = torch.zeros(n, h, w, dtype=torch.float64), torch.zeros(h, w)
    with torch.no_grad():
        clean = score(pixels).double()
        for y in rows:
            for x in columns:
                covered = pixels.clone()
                covered[:, :, y : y + patch, x : x + patch] = fill
                total[:, y : y + patch, x : x + patch] += (clean - score(covered).double())[:, None, None]
                count[y : y + patch, x : x + patch] += 1
    return total / count.clamp(min=1)
