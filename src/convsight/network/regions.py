"""Which number of a map, a detection or a vector is asked for: a class in a region, a box, a likeness to a picture?

Each answers with a function of all that the network returns, one number a picture, which `Answering.view` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.network.reader import Reader

WHERE = ("where predicted", "everywhere")
Box = tuple[float, float, float, float]  # y, x, height, width in pixels of the picture


def mask_of(region: Any, size: tuple[int, int], predicted: Tensor) -> tuple[Float[Tensor, "h w"], str]:
    """The region as weights on the network's own maps, and its name.

    region: a mask h w (of the picture, or of the maps), a box (y, x, height, width) in pixels of the picture,
    "where predicted" or "everywhere". size: of the picture. predicted: bool, on the network's maps.
    """
    places = (predicted.shape[0], predicted.shape[1])
    if isinstance(region, str) and region not in WHERE:
        region = _box_of_text(region)
    if isinstance(region, str):
        if region == "everywhere":
            return torch.ones(places), region
        if not bool(predicted.any()):
            return torch.ones(places), "everywhere (predicted nowhere)"
        return predicted.float(), region
    if is_box(region):
        y, x, height, width = map(int, region)
        mask = torch.zeros(size)
        mask[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = 1
        words = f"in the box y {y}, x {x}, {height}×{width}"
    else:
        mask, words = torch.as_tensor(np.asarray(region)).float(), "in the mask"
    if tuple(mask.shape) not in (size, places):
        raise InputError(f"a mask is {size[0]}×{size[1]}, as the picture; given {tuple(mask.shape)}")
    if not bool((mask != 0).any()):
        raise InputError(f"the region {words} holds no pixel of {size[0]}×{size[1]}")
    if tuple(mask.shape) != places:  # each cell of the coarser maps gets the share of it that is covered
        mask = F.interpolate(mask[None, None], places, mode="area")[0, 0]
    return mask, words


def is_box(region: Any) -> bool:
    plain = isinstance(region, (tuple, list, Tensor, np.ndarray)) and len(region) == 4
    return plain and all(np.ndim(v) == 0 for v in region)


def _box_of_text(text: str) -> Box:
    parts = text.replace(" ", "").split(",")
    if len(parts) != 4 or not all(p.replace(".", "", 1).isdigit() for p in parts):
        raise InputError(
            f"no region {text!r}: give y,x,height,width in pixels, 'where predicted' or 'everywhere'"
        )
    y, x, height, width = map(float, parts)
    return y, x, height, width


def in_regions(
    reader: Reader, classes: Sequence[int], masks: Float[Tensor, "m h w"]
) -> Callable[[Any], Float[Tensor, "n m"]]:
    """Σ over the region of the class's map, for each of m pairs of a class and a region."""
    chosen = torch.tensor(classes)

    def of(output: Any) -> Tensor:
        maps = reader.maps(reader.tensor(output))
        sums = maps.flatten(2) @ masks.to(maps).flatten(1).T
        return sums[:, chosen.to(maps.device), torch.arange(len(chosen), device=maps.device)]

    return of


def like_vectors(reader: Reader, wanted: Float[Tensor, "m d"]) -> Callable[[Any], Float[Tensor, "n m"]]:
    """The cosine between each picture's vector and each wanted one, −1 to 1."""

    def of(output: Any) -> Tensor:
        tensor = reader.tensor(output)
        rows = reader.rows(tensor, len(tensor))
        return F.normalize(rows, dim=1) @ F.normalize(wanted.to(rows), dim=1).T

    return of


def free(function: Callable[[Any], Tensor]) -> Callable[[Any], Float[Tensor, "n 1"]]:
    """A user's own function, checked: one number a picture."""

    def of(output: Any) -> Tensor:
        value = function(output)
        if not isinstance(value, Tensor) or value.ndim > 2 or (value.ndim == 2 and value.shape[1] != 1):
            given = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(
                f"a function as target returns one number a picture, a tensor n; it gave {given}. Take a class or "
                "sum over the rest: lambda out: out[:, 3] or out['map'][:, 3].sum((1, 2))"
            )
        return value.reshape(-1, 1)

    return of


def confident_box(found: Mapping[str, Tensor], label: int | None) -> tuple[int, Box] | None:
    """The class and box of the most confident detection (of that class), None where there is none."""
    scores = found["scores"]
    if label is not None:
        scores = torch.where(found["labels"] == label, scores, -1.0)
    if not len(scores) or float(scores.max()) < 0:
        return None
    best = int(scores.argmax())
    left, top, right, bottom = (float(v) for v in found["boxes"][best])
    return int(found["labels"][best]), (top, left, bottom - top, right - left)
