"""Which parts of a picture does RISE show at random, and what do the scores say of each pixel?"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.network.batching import chunk_size, in_chunks
from convsight.progress import report_count

Z95 = 1.959964  # of the normal distribution


def random_masks(
    count: int, size: tuple[int, int], cells: int, shown: float, draws: torch.Generator
) -> Float[Tensor, "m h w"]:
    """Smooth masks in [0, 1] (Petsiuk et al. 2018, section 3.2).

    Coarse grids of `cells` × `cells`, each cell shown with chance `shown`, are enlarged bilinearly to one cell more
    than the picture and cut at a random offset.
    """
    height, width = size
    cell = -(-height // cells), -(-width // cells)
    coarse = (torch.rand(count, 1, cells, cells, generator=draws) < shown).float()
    large = F.interpolate(
        coarse, ((cells + 1) * cell[0], (cells + 1) * cell[1]), mode="bilinear", align_corners=False
    )[:, 0].clamp(0, 1)  # rounding may exceed 1
    down, across = (torch.randint(c, (count,), generator=draws).tolist() for c in cell)
    return torch.stack(
        [mask[y : y + height, x : x + width] for mask, y, x in zip(large, down, across, strict=True)]
    )


def effect_of_showing(
    picture: Float[Tensor, "c h w"],
    fill: Float[Tensor, "c h w"],
    score: Callable[[Float[Tensor, "m c h w"]], Float[Tensor, " m"]],
    masks: Callable[[int], Float[Tensor, "m h w"]],
    count: int,
    shown: float,
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"], float]:
    """Mean of (score − mean score) × mask ÷ `shown`, half the length of its 95% interval, and the mean score."""
    sums = torch.zeros(5, *picture.shape[1:], dtype=torch.float64)

    def run(part: slice) -> float:
        drawn = masks(part.stop - part.start)
        found = score(torch.lerp(fill, picture, drawn[:, None])).double()
        mask = drawn.double() / shown
        weights = (mask, mask, *[mask.square()] * 3)
        for total, weight, power in zip(sums, weights, (0, 1, 0, 1, 2), strict=True):
            total.add_((found**power)[:, None, None].mul(weight).sum(0))
        report_count(part.stop, count, "masks")
        return float(found.sum())

    scores = sum(in_chunks(run, count, chunk_size(picture.shape))) / count
    mask, scored, square, scored_square, square_scored_square = sums / count
    mean = scored - scores * mask
    squares = square_scored_square - 2 * scores * scored_square + scores**2 * square
    spread = (squares - mean.square()).clamp(min=0) * count / max(1, count - 1)
    return mean.float(), (Z95 * (spread / count).sqrt()).float(), scores
