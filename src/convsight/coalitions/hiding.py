"""What do hidden regions show: one colour, the picture blurred, or other pictures' pixels?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.occluding.occluders import FILLS, fill_pictures

DATA = "data"
HIDERS = (*FILLS, DATA)
DONORS = 8  # other pictures, each of which hides an equal share of the coalitions


@dataclass(frozen=True, eq=False)
class Hider:
    """The pixels that hidden regions show: d pictures for each of n, and what they are in words."""

    pixels: Float[Tensor, "n d c h w"]
    words: str


def hider(name: str, net: Classifier, images: Images, data: Dataset | None, reach: float, seed: int) -> Hider:
    """The hider called `name`; `reach` is the blur's in pixels. InputError for "data" without a data set."""
    if name == DATA:
        return Hider(_others(net, images, data, seed), f"the pixels of {DONORS} other pictures, each in turn")
    words = {"blur": "the picture blurred", "noise": "uniform noise"}.get(name, name)
    if name == "mean":
        words = f"the mean colour of {'the picture' if net.mean is None else 'the network’s data'}"
    shown = fill_pictures(name, images.pixels, data_mean=net.mean, reach=reach, seed=seed)
    return Hider(shown[:, None], words)


def _others(net: Classifier, images: Images, data: Dataset | None, seed: int) -> Tensor:
    """Pictures of `data`, the same for each of `images`, but never the picture itself."""
    if data is None:
        raise InputError(
            "fill='data' hides regions under other pictures' pixels and needs them",
            works="give data=... (on the command line --data NAME or FOLDER), or another fill",
        )
    split = data.test if len(data.test) else data.train
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    pool = net.fit(split[order[: 2 * DONORS].tolist()]).pixels
    chosen = [
        pool[[j for j, p in enumerate(pool) if not torch.equal(p, own)][:DONORS]] for own in images.pixels
    ]
    fewest = min(map(len, chosen))
    if fewest < 1:
        raise InputError(f"fill='data' needs other pictures than those explained; {data.name} has none")
    return torch.stack([each[:fewest] for each in chosen])
