"""In which colour coordinates are the channels of natural pictures independent?

In natural pictures red, green and blue rise and fall together. The square root of their covariance, measured
on ImageNet by Olah, Mordvintsev & Schubert 2017 (Lucid, `color_correlation_svd_sqrt`), turns three
independent numbers (roughly: brightness, blue to red, green to magenta) into colours with these correlations.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

COVARIANCE_ROOT = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
# The longest column gets length one: brightness keeps its scale, the colours are relative to it.
MIXING = COVARIANCE_ROOT / COVARIANCE_ROOT.norm(dim=0).max()


def correlated(picture: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Three independent channels as red, green and blue; any other number of channels stays as it is."""
    if picture.shape[1] != 3:
        return picture
    return torch.einsum("rc,nchw->nrhw", MIXING.to(picture), picture)


def decorrelated(picture: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """The inverse of `correlated`."""
    if picture.shape[1] != 3:
        return picture
    return torch.einsum("rc,nchw->nrhw", torch.linalg.inv(MIXING).to(picture), picture)
