"""What do surroundings look like, in numbers that are alike where they look alike?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.imaging.lab import lab
from convsight.shortcuts.objects import WORK


def described(plates: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """Colours and textures of surroundings in 9 numbers a channel: the means above and below, spread, darkest and
    lightest tenth in Lab, and how steep they are across and along, fine and coarse.
    """
    if min(plates.shape[2:]) > 1.5 * WORK:
        plates = F.interpolate(plates, (WORK, WORK), mode="area")
    colours = lab(plates)
    half, flat = colours.shape[2] // 2, colours.flatten(2)
    coarse = F.avg_pool2d(colours, 4, ceil_mode=True, count_include_pad=False)
    steep = [_steep(each, axis) for each in (colours, coarse) for axis in (2, 3)]
    means = [colours[:, :, :half].mean((2, 3)), colours[:, :, half:].mean((2, 3))]
    return torch.cat([*means, flat.std(2), flat.quantile(0.1, dim=2), flat.quantile(0.9, dim=2), *steep], 1)


def _steep(colours: Tensor, axis: int) -> Float[Tensor, "n c"]:
    """The logarithm of the mean step from pixel to pixel."""
    return (colours.diff(dim=axis).abs().mean((2, 3)) + 0.1).log()
