"""Where on a picture does an occluder sit, what does it show there, and which pixels does each one hide?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from convsight.errors import InputError, check_known
from convsight.imaging.blur import blurred

Places = slice | np.ndarray  # a choice of positions


def starts(length: int, patch: int, stride: int) -> list[int]:
    """0, stride, 2·stride, ... and a last one flush with the edge.

    >>> starts(10, 4, 4)
    [0, 4, 6]
    """
    last = length - patch
    return [*range(0, last, stride), last]


@dataclass(frozen=True, eq=False)
class Occluders:
    """The m positions of an occluder on pictures of `size` (h, w): boxes of pixels, perhaps with a shape.

    A position's box holds the pixels with `top <= y < bottom` and `left <= x < right` (int64 m). The positions are
    shown in a `grid` of rows and columns. `masks` (bool m h w) say which pixels of its box a position hides; without
    masks it hides all of them.
    """

    top: np.ndarray
    bottom: np.ndarray
    left: np.ndarray
    right: np.ndarray
    size: tuple[int, int]
    grid: tuple[int, int]
    masks: Bool[Tensor, "m h w"] | None = None

    @classmethod
    def sliding(cls, size: tuple[int, int], patch: tuple[int, int], stride: tuple[int, int]) -> Occluders:
        """A rectangle of `patch` (h, w) pixels at every place of a grid, row by row."""
        for name, extent, length in zip(("high", "wide"), patch, size, strict=True):
            if not 1 <= extent <= length:
                raise InputError(
                    f"the patch is {extent} px {name}, the pictures {length}; it must be 1 to {length}"
                )
        if min(stride) < 1:
            raise InputError(f"stride is at least 1 px, not {min(stride)}")
        rows, cols = (starts(n, p, s) for n, p, s in zip(size, patch, stride, strict=True))
        top, left = np.repeat(rows, len(cols)), np.tile(cols, len(rows))
        return cls(top, top + patch[0], left, left + patch[1], size, (len(rows), len(cols)))

    @classmethod
    def of_masks(cls, masks: Bool[Tensor, "m h w"]) -> Occluders:
        """One occluder per mask, such as the superpixels of a segmentation; shown as one column."""
        masks = masks.bool().cpu()
        if masks.ndim != 3 or not len(masks) or not bool(masks.flatten(1).any(1).all()):
            raise InputError(
                f"masks are m×h×w with at least one pixel set in each; given {tuple(masks.shape)}"
            )
        rows, columns = (interval_of(masks.any(axis).numpy()) for axis in (2, 1))
        height, width = masks.shape[1:]
        return cls(*rows, *columns, (height, width), (len(masks), 1), masks)

    def __len__(self) -> int:
        return len(self.top)

    @functools.cached_property
    def boxes(self) -> tuple[bytes, ...]:
        """Equal for occluders that hide the same boxes."""
        return tuple(side.tobytes() for side in (self.top, self.bottom, self.left, self.right))

    def take(self, places: Places) -> Occluders:
        """Only the positions `places`, in one column."""
        boxes = [side[places] for side in (self.top, self.bottom, self.left, self.right)]
        masks = None if self.masks is None else self.masks[torch.as_tensor(np.arange(len(self))[places])]
        return replace(
            self, **dict(zip(("top", "bottom", "left", "right"), boxes, strict=True)),
            grid=(len(boxes[0]), 1), masks=masks,
        )  # fmt: skip

    def cover(self, places: Places) -> Bool[Tensor, "m h w"]:
        """Which pixels the chosen positions hide."""
        if self.masks is not None:
            return self.masks[torch.as_tensor(np.arange(len(self))[places])]
        rows, cols = self._sides(places)
        return rows[:, :, None] & cols[:, None, :]

    def cover_at(
        self, places: np.ndarray, rows: Int[np.ndarray, "m h"], columns: Int[np.ndarray, "m w"]
    ) -> Bool[Tensor, "m h w"]:
        """Which of the pixels rows[i] × columns[i] the i-th of the chosen positions hides."""
        if self.masks is not None:
            each = np.arange(len(places))[:, None, None]
            return self.cover(places)[each, rows[:, :, None], columns[:, None, :]]
        sides = (rows, self.top, self.bottom), (columns, self.left, self.right)
        down, across = ((at >= low[places, None]) & (at < high[places, None]) for at, low, high in sides)
        return torch.from_numpy(down[:, :, None] & across[:, None, :])

    def _sides(self, places: Places = slice(None)) -> tuple[Tensor, Tensor]:
        rows = _between(self.top[places], self.bottom[places], self.size[0])
        return rows, _between(self.left[places], self.right[places], self.size[1])

    def covered(self) -> float:
        """The share of the pixels that at least one position hides."""
        if self.masks is None:
            rows, cols = self._sides()
            return float(rows.any(0).float().mean() * cols.any(0).float().mean())
        return float(self.masks.any(0).float().mean())

    def hide(
        self, picture: Float[Tensor, "c h w"], fill: Float[Tensor, "c h w"], places: Places
    ) -> Float[Tensor, "m c h w"]:
        """The picture with the fill's pixels at each of the chosen positions."""
        return torch.where(self.cover(places)[:, None].to(picture.device), fill, picture)

    def spread(self, values: Float[Tensor, "n m"], aggregate: str = "average") -> Float[Tensor, "n h w"]:
        """Each pixel gets the average (or sum) over the positions that cover it; 0 where none does."""
        weight = torch.stack([v.double() for v in (*values, torch.ones(len(self)))])
        total = self._spread_grid(weight) if self._is_grid() else self._spread_each(weight)
        total, count = total[:-1], total[-1]
        return (total / count.clamp(min=1) if aggregate == "average" else total).float()

    def _is_grid(self) -> bool:
        if self.masks is not None:
            return False
        rows, columns = ((side.reshape(self.grid)) for side in (self.top, self.left))
        return bool((rows == rows[:, :1]).all() and (columns == columns[:1]).all())

    def _spread_grid(self, values: Tensor) -> Tensor:
        """The sum over positions of value × rows hidden × columns hidden, as two matrix products."""
        rows, columns = (side.double() for side in self._sides())
        rows, columns = rows[:: self.grid[1]], columns[: self.grid[1]]
        return rows.T @ values.view(-1, *self.grid) @ columns

    def _spread_each(self, values: Tensor) -> Tensor:
        total = values.new_zeros(len(values), self.size[0] * self.size[1])
        for at in range(0, len(self), 64):
            part = slice(at, min(at + 64, len(self)))
            total += values[:, part] @ self.cover(part).flatten(1).double()
        return total.view(-1, *self.size)


def interval_of(used: Bool[np.ndarray, "m n"]) -> tuple[np.ndarray, np.ndarray]:
    """The number of the first True in each row, and the number behind the last one."""
    return used.argmax(1), used.shape[1] - used[:, ::-1].argmax(1)


def _between(first: np.ndarray, stop: np.ndarray, length: int) -> Tensor:
    at = np.arange(length)
    return torch.from_numpy((at >= first[:, None]) & (at < stop[:, None]))


# ---- fills: what the occluder shows, as whole pictures n c h w ---------------------------------------------

Fill = Callable[[Tensor, Tensor | None, float, int], Tensor]


def _mean(pixels: Tensor, data_mean: Tensor | None, reach: float, seed: int) -> Tensor:
    mean = pixels.mean((2, 3), keepdim=True) if data_mean is None else data_mean.to(pixels)
    return mean.expand_as(pixels)


def _noise(pixels: Tensor, data_mean: Tensor | None, reach: float, seed: int) -> Tensor:
    one = torch.rand(pixels.shape[1:], generator=torch.Generator().manual_seed(seed))
    return one.expand_as(pixels)  # the same noise for each picture: a batch equals one by one


FILLS: dict[str, Fill] = {
    "grey": lambda pixels, *_: torch.full_like(pixels, 0.5),
    "black": lambda pixels, *_: torch.zeros_like(pixels),
    "white": lambda pixels, *_: torch.ones_like(pixels),
    "mean": _mean,
    "blur": lambda pixels, _, reach, __: blurred(pixels, reach).clamp(0, 1),
    "noise": _noise,
}


def fill_pictures(
    name: str,
    pixels: Float[Tensor, "n c h w"],
    *,
    data_mean: Tensor | None = None,
    reach: float = 8.0,
    seed: int = 0,
) -> Float[Tensor, "n c h w"]:
    """What an occluder called `name` shows over each picture.

    grey is 0.5, mean the colour `data_mean` (c 1 1; the picture's own mean without one), blur the picture
    under a Gaussian of `reach` pixels, noise uniform in [0, 1] from `seed`.
    """
    check_known(name, FILLS, f"no fill {name!r}")
    return FILLS[name](pixels, data_mean, reach, seed)
