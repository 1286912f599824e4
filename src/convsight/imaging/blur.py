"""How is a picture smoothed by a Gaussian?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LARGE = 96 * 96  # pixels from which products with band matrices are quicker than a convolution, up to 7 times


def blurred(pixels: Float[Tensor, "n c h w"], sigma_px: float) -> Float[Tensor, "n c h w"]:
    """Each channel under a Gaussian of standard deviation `sigma_px`, cut off at three of them.

    Beyond the border the outermost pixel repeats; 0 returns the pictures unchanged.

    >>> float(blurred(torch.full((1, 1, 8, 8), 0.25), 2.0).std()) < 1e-6
    True
    """
    if sigma_px == 0:
        return pixels
    reach = max(1, round(3 * sigma_px))
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma_px) ** 2)
    bell = (bell / bell.sum()).to(pixels)
    c, h, w = pixels.shape[1:]
    if h * w >= LARGE:
        return _band(h, bell) @ (pixels @ _band(w, bell).T)
    bell = bell.expand(c, 1, 1, -1)
    padded = F.pad(pixels, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, bell, groups=c), bell.mT, groups=c)


def _band(n: int, bell: Float[Tensor, " k"]) -> Float[Tensor, "n n"]:
    """The matrix that smooths n numbers in a row, whose ends repeat."""
    reach = len(bell) // 2
    at = torch.arange(n, device=bell.device)[:, None]
    near = (at + torch.arange(-reach, reach + 1, device=bell.device)).clamp(0, n - 1)
    return bell.new_zeros(n, n).scatter_add_(1, near, bell.expand(n, -1))
