"""What is a texture? It is which features occur together, no matter where (Gatys, Ecker & Bethge 2015)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def gram(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c c"]:
    """G_ij = Σ_yx F_iyx · F_jyx ÷ (h·w): the mean product of two feature maps over all places."""
    flat = maps.float().flatten(2)
    return torch.bmm(flat, flat.transpose(1, 2)) / flat.shape[2]


def likeness(maps: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Mean cosine of the Gram matrices over all pairs of pictures, in [0, 1]: 1 if all have one texture."""
    if len(maps) < 2:
        return maps.new_zeros(())
    flat = torch.nn.functional.normalize(gram(maps).flatten(1), dim=1)
    cosines = flat @ flat.T
    return cosines.triu(1).sum() * 2 / (len(maps) * (len(maps) - 1))
