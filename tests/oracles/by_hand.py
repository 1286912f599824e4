"""Maps written out in plain PyTorch: gradients, class activation maps and the dense occlusion loop."""

from collections.abc import Callable

import numpy as np
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


def cam_family(weights: str, maps: Tensor, slope: Tensor) -> Tensor:
    """pytorch-grad-cam 1.5's formulas, cell by cell (its grad_cam_plusplus.py, hirescam.py and layer_cam.py)."""
    maps, slope = maps.double().numpy(), slope.double().numpy()
    n, channels, rows, columns = maps.shape
    cam = np.zeros((n, rows, columns))
    for i, c in np.ndindex(n, channels):
        g, a = slope[i, c], maps[i, c]
        if weights == "gradcam":
            cam[i] += g.mean() * a
        elif weights == "gradcam++":
            alpha = np.where(g != 0, g**2 / (2 * g**2 + a.sum() * g**3 + 0.000001), 0)
            cam[i] += (np.maximum(g, 0) * alpha).sum() * a
        else:
            cam[i] += (np.maximum(g, 0) if weights == "layercam" else g) * a
    return torch.from_numpy(np.maximum(cam, 0)).float()


def score_cam(score: Score, pixels: Tensor, maps: Tensor, mean: float = 0.0) -> Tensor:
    """Wang et al. 2020, algorithm 1, one picture and one map at a time, enlarged; the mean colour where the map is 0."""
    cams = []
    for picture, of_picture in zip(pixels, maps, strict=True):
        scores = []
        for one in of_picture:
            mask = F.interpolate(one[None, None], pixels.shape[2:], mode="bilinear")
            mask = (mask - mask.min()) / (mask.max() - mask.min() + 1e-8)
            with torch.no_grad():
                scores.append(float(score(mean + (picture[None] - mean) * mask)))
        weights = torch.tensor(scores).softmax(0)
        cam = torch.zeros_like(of_picture[0])
        for weight, one in zip(weights, of_picture, strict=True):
            cam += weight * one
        cams.append(cam.clamp(min=0))
    return F.interpolate(torch.stack(cams)[:, None], pixels.shape[2:], mode="bilinear")[:, 0]


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
