"""How far apart do two colours look? Pixels in CIELAB, where distance follows what people see."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65
BEND = (6 / 29) ** 3  # below, the cube root is replaced by a straight line


def lab(pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
    """sRGB pixels 0 to 1 as L* (0 to 100), a* and b* (about -100 to 100), after CIE 1976 with white D65.

    Pictures of another number of channels have no colours; each of their channels becomes 0 to 100.

    >>> [round(v, 2) for v in lab(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)).flatten().tolist()]
    [53.24, 80.09, 67.2]
    """
    if pixels.shape[1] != 3:
        return 100 * pixels
    linear = torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,njhw->nihw", torch.tensor(TO_XYZ).to(pixels), linear)
    xyz = xyz / torch.tensor(WHITE).to(pixels).view(1, 3, 1, 1)
    bent = torch.where(xyz > BEND, xyz.clamp(min=BEND) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = bent.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)
