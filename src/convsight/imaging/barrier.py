"""How large a step in colour must be taken to reach a pixel from the picture's rim?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

Line = tuple[slice | int, slice | int]


def barrier_distance(picture: Float[Tensor, "n c h w"], rounds: int = 3) -> Float[Tensor, "n h w"]:
    """The least barrier on a path from the rim to each pixel: the range of values that the path crosses, as a
    length over the channels. 0 on the rim; a surface that reaches the rim through gentle changes stays low,
    and what an edge closes off is high whatever its colours are.

    rounds: sweeps over the picture in four directions; three come close to the exact distance on photographs.

    Minimum barrier distance (Strand, Ciesielski, Malmberg & Saha 2013), by raster sweeps as Zhang, Sclaroff
    et al. 2015 ("Minimum barrier salient object detection at 80 FPS"), here with 4 neighbours and a whole row
    or column at a time.

    >>> island = torch.zeros(1, 1, 5, 5); island[..., 2, 2] = 7.0
    >>> barrier_distance(island)[0, 2].tolist()
    [0.0, 0.0, 7.0, 0.0, 0.0]
    """
    n, _, h, w = picture.shape
    distance = torch.full((n, h, w), float("inf"))
    distance[:, (0, -1)] = 0
    distance[:, :, (0, -1)] = 0
    highest, lowest = picture.clone(), picture.clone()
    for _ in range(rounds):
        for here, there in _sweeps(h, w):
            line = picture[:, :, *here]
            high = torch.maximum(highest[:, :, *there], line)
            low = torch.minimum(lowest[:, :, *there], line)
            through = (high - low).square().sum(1).sqrt()
            usual = distance[:, *here]
            better = through < usual
            distance[:, *here] = torch.where(better, through, usual)
            highest[:, :, *here] = torch.where(better[:, None], high, highest[:, :, *here])
            lowest[:, :, *here] = torch.where(better[:, None], low, lowest[:, :, *here])
    return distance


def _sweeps(h: int, w: int) -> Iterator[tuple[Line, Line]]:
    """Each row and column with the one it is reached from: down, right, up, left."""
    whole = slice(None)
    for y in range(1, h):
        yield (y, whole), (y - 1, whole)
    for x in range(1, w):
        yield (whole, x), (whole, x - 1)
    for y in range(h - 2, -1, -1):
        yield (y, whole), (y + 1, whole)
    for x in range(w - 2, -1, -1):
        yield (whole, x), (whole, x + 1)
