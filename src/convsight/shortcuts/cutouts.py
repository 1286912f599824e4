"""What is the object and what surrounds it, in pictures that are asked for again and again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
import xxhash
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from convsight.imaging.filling import filled
from convsight.picture import to_uint8
from convsight.shortcuts.description import described
from convsight.shortcuts.objects import WORK, object_mask

LEAST, MOST = 0.02, 0.85  # of a picture; a smaller or larger mask is no object that can be cut out
AT_ONCE = 256  # pictures whose masks are found together
MOST_BYTES = 2**30  # kept; what would come on top is found anew each time


class Cutouts:
    """Objects and surroundings of pictures, found once for each picture and kept while this lives.

    given: masks that the user drew, by `key` of the picture; other pictures' masks are found (`objects`).
    """

    def __init__(self, given: Mapping[int, Bool[Tensor, "h w"]] | None = None):
        self._masks: dict[int, Tensor] = dict(given or {})
        self._plates: dict[int, Tensor] = {}
        self._described: dict[int, Tensor] = {}
        self.given = len(self._masks)
        self._bytes = 0

    def objects(self, pictures: Float[Tensor, "n c h w"]) -> Bool[Tensor, "n h w"]:
        """The pixels of each picture's object."""
        return self._kept(self._masks, pictures, object_mask)

    def plates(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Each picture's surroundings, with what lies around continued where its object was."""
        return self._kept(self._plates, pictures, self._emptied).float() / 255

    def described(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        """Colours and textures of each picture's surroundings in a few numbers (`description.described`)."""
        return self._kept(self._described, pictures, lambda some: described(self.plates(some)))

    def able(self, pictures: Float[Tensor, "n c h w"]) -> Bool[Tensor, " n"]:
        """Which pictures have an object that can be cut out: neither hardly anything nor nearly all of it."""
        share = self.objects(pictures).float().mean((1, 2))
        return (share >= LEAST) & (share <= MOST)

    def _emptied(self, pictures: Tensor) -> Tensor:
        margin = max(1, round(min(pictures.shape[2:]) / WORK))
        masks = self.objects(pictures)[:, None].float()
        hole = F.max_pool2d(masks, 2 * margin + 1, 1, margin)[:, 0] > 0
        return to_uint8(filled(pictures, hole, Generator().manual_seed(0)))

    def _kept(self, kept: dict[int, Tensor], pictures: Tensor, make: Any) -> Tensor:
        keys = [key(picture) for picture in pictures]
        found = {k: kept[k] for k in keys if k in kept}
        missing = {k: i for i, k in enumerate(keys) if k not in found}
        if missing:
            for part in torch.tensor(list(missing.values())).split(AT_ONCE):
                for i, made in zip(part.tolist(), make(pictures[part]), strict=True):
                    found[keys[i]] = made.clone()
                    if self._bytes < MOST_BYTES:
                        kept[keys[i]] = found[keys[i]]
                        self._bytes += made.nbytes
        return torch.stack([found[k] for k in keys])


def key(picture: Float[Tensor, "c h w"]) -> int:
    """A number that tells a picture from others by its pixels."""
    return xxhash.xxh3_64_intdigest(picture.contiguous().numpy().tobytes())
