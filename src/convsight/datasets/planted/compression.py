"""What does JPEG do to a picture? Its loss alone, on tensors, for many pictures at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# ITU-T T.81, Annex K.1: how coarsely each of the 8×8 frequencies of a luminance block is rounded at quality 50
LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,  12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,  14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,  24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,  72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def compressed(pixels: Float[Tensor, "n c h w"], quality: int) -> Float[Tensor, "n c h w"]:
    """The pictures as JPEG of `quality` (1 to 100) would give them back, each channel treated as luminance.

    Blocks of 8×8 are turned into frequencies (DCT), rounded to multiples of the standard table scaled as
    libjpeg does, and turned back. Chroma is neither converted nor thinned out, so colours keep sharper edges
    than in a file.

    >>> compressed(torch.full((1, 1, 8, 8), 0.5), 50).shape
    torch.Size([1, 1, 8, 8])
    """
    n, c, h, w = pixels.shape
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    steps = ((torch.tensor(LUMINANCE).view(8, 8) * scale + 50) / 100).floor().clamp(1, 255)
    padded = F.pad(pixels, (0, -w % 8, 0, -h % 8), mode="replicate") * 255 - 128
    rows, cols = padded.shape[2] // 8, padded.shape[3] // 8
    blocks = padded.reshape(n, c, rows, 8, cols, 8).transpose(3, 4)
    basis = _cosines()
    frequencies = basis @ blocks @ basis.T
    rounded = (frequencies / steps).round() * steps
    back = (basis.T @ rounded @ basis).transpose(3, 4).reshape(n, c, rows * 8, cols * 8)
    return ((back[:, :, :h, :w] + 128) / 255).clamp(0, 1)


def _cosines() -> Float[Tensor, "8 8"]:
    """The orthonormal DCT-II of eight numbers as a matrix: row k is the cosine of frequency k."""
    k, i = torch.arange(8.0)[:, None], torch.arange(8.0)
    basis = (math.pi * (2 * i + 1) * k / 16).cos() / 2
    basis[0] /= math.sqrt(2)
    return basis
