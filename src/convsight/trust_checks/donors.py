"""Whose pixels fill what is hidden?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.datasets import Dataset, as_dataset
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.trust_checks.subject import JudgedMap

DONORS = 5


@dataclass(frozen=True, eq=False)
class Donors:
    """Pictures whose pixels fill what is hidden, d for each of n, and where they come from."""

    pixels: Float[Tensor, "n d c h w"]
    words: str


def opened(net: Classifier, data: Any) -> Dataset | Images | None:
    """Pictures to fill from: a data set, pictures, or what either opens (also a plain folder of pictures)."""
    return data if data is None or isinstance(data, (Dataset, Images)) else as_dataset(data, net)


def donors_for(subject: JudgedMap, data: Dataset | Images | None, seed: int) -> Donors:
    """Donors for each picture: from `data`, or else the other given pictures, or else the picture itself,
    shifted.
    """
    pool, words = _pool(subject, data, seed)
    chosen = [pool.pixels[list(_others(subject, pool, i))[:DONORS]] for i in range(len(subject.images))]
    d = min(len(c) for c in chosen)
    if d < 2:
        shifted = torch.stack([_moved(p) for p in subject.images.pixels])
        return Donors(shifted, "its own pixels from elsewhere (no other pictures were given)")
    return Donors(torch.stack([c[:d] for c in chosen]), words)


def _pool(subject: JudgedMap, data: Dataset | Images | None, seed: int) -> tuple[Images, str]:
    if data is None:
        return subject.images, "the other pictures' pixels"
    source = data if isinstance(data, Images) else data.test if len(data.test) else data.train
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    return subject.net.fit(source[order[: 4 * DONORS].tolist()]), "other pictures' pixels"


def _others(subject: JudgedMap, pool: Images, i: int) -> Iterator[int]:
    """Pictures of the pool that are neither picture i nor, where that is known, of the class asked about."""
    asked = subject.aim.outputs if subject.aim.through is None else None
    labels = pool.labels if pool.classes == subject.net.classes else None
    known = asked if pool is subject.images else labels
    for j in range(len(pool)):
        related = asked is not None and known is not None and _is(known[j], int(asked[i]))
        if not related and not torch.equal(pool.pixels[j], subject.images.pixels[i]):
            yield j


def _moved(picture: Float[Tensor, "c h w"]) -> Float[Tensor, "d c h w"]:
    height, width = picture.shape[1:]
    half = [(height // 2, 0), (0, width // 2), (height // 2, width // 2)]
    shifts = [*half, (height // 4, width // 4), (3 * height // 4, width // 4)]
    return torch.stack([picture.roll(shift, (1, 2)) for shift in shifts[:DONORS]])


def _is(label: Tensor, asked: int) -> bool:
    """Whether a picture with this class, or these labels, is of the class asked about."""
    return int(label) == asked if label.ndim == 0 else bool(label[asked] > 0.5)
