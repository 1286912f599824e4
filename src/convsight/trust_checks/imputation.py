"""What is the score when removed pixels are filled in smoothly from those around them? (ROAD)

Every removed pixel becomes the mean of its neighbours, the removed ones included: one sparse system of equations a
mask (Rong et al. 2022, arXiv:2202.00449). Unlike a patch of one colour, the filling does not tell which pixels were removed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor

from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.trust_checks.removal import masks_of
from convsight.trust_checks.subject import clean_scores, pick, scored

NEIGHBOURS = (  # down, across, weight: 1/6 beside, 1/12 across the corner, as in the paper
    *((y, x, 1 / 6) for y, x in ((0, 1), (0, -1), (1, 0), (-1, 0))),
    *((y, x, 1 / 12) for y, x in ((1, 1), (1, -1), (-1, 1), (-1, -1))),
)
NOISE = 0.01  # standard deviation of the noise on what was filled in, as in the authors' code
REMOVED = (0.2, 0.5)  # shares of the picture


def imputed(
    picture: Float[Tensor, "c h w"], removed: Bool[Tensor, "h w"], draws: torch.Generator
) -> Float[Tensor, "c h w"]:
    """The picture with the removed pixels filled in from their neighbours, and a little noise on them."""
    height, width = removed.shape
    gone = removed.flatten().nonzero()[:, 0].numpy()
    if not len(gone) or len(gone) == removed.numel():
        return picture.clone()
    number = np.full(height * width, -1)
    number[gone] = np.arange(len(gone))
    y, x = gone // width, gone % width
    flat = picture.flatten(1).double().numpy()
    known = np.zeros((len(gone), len(flat)))
    total = np.zeros(len(gone))
    entries = []
    for down, across, weight in NEIGHBOURS:
        inside = (y + down >= 0) & (y + down < height) & (x + across >= 0) & (x + across < width)
        of = np.arange(len(gone))[inside]
        there = (y[inside] + down) * width + x[inside] + across
        total[of] += weight
        among = number[there] >= 0
        known[of[~among]] += weight * flat[:, there[~among]].T
        entries.append((of[among], number[there[among]], np.full(int(among.sum()), -weight)))
    rows, columns, weights = (np.concatenate(each) for each in zip(*entries, strict=True))
    diagonal = np.arange(len(gone))
    system = coo_matrix(
        (
            np.concatenate([weights, total]),
            (np.concatenate([rows, diagonal]), np.concatenate([columns, diagonal])),
        )
    ).tocsc()
    filled = np.asarray(spsolve(system, known)).reshape(len(gone), -1)
    noise = NOISE * torch.randn(picture.shape[0], len(gone), generator=draws)
    result = picture.clone().flatten(1)
    result[:, torch.from_numpy(gone)] = torch.from_numpy(filled.T).float() + noise
    return result.view_as(picture).clamp(0, 1)


def road(
    net: Classifier,
    aim: Target,
    pixels: Float[Tensor, "n c h w"],
    maps: Float[Tensor, "n h w"],
    seed: int = 0,
    removed: Sequence[float] = REMOVED,
) -> Float[Tensor, " n"]:
    """Score without the weakest pixels less that without the strongest, halved, as a share of the picture's score.

    Positive where the strongest pixels matter more; the mean over the shares `removed`. Both orders are used, as in
    pytorch-grad-cam's `ROADCombined`.
    """
    strongest, weakest = masks_of(maps, removed), masks_of(-maps, removed)
    masks = torch.cat([strongest, weakest], 1)
    draws = torch.Generator().manual_seed(seed)
    variants = torch.stack(
        [imputed(p, mask, draws) for p, each in zip(pixels, masks, strict=True) for mask in each]
    )
    index = torch.arange(len(pixels)).repeat_interleave(masks.shape[1])
    size = chunk_size(pixels.shape[1:])
    run = lambda part: scored(net, pick(aim, index[part]), variants[part])  # noqa: E731
    scores = torch.cat(in_chunks(run, len(index), size)).view(len(pixels), 2, -1).mean(2)
    return (scores[:, 1] - scores[:, 0]) / 2 / clean_scores(net, aim, pixels).abs().clamp(min=1e-6)
