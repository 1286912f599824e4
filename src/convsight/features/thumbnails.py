"""What does a map look like with the pictures themselves on it, none covering another?"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.images import Images
from convsight.results import plot
from convsight.results.draw import in_rgb

PAGE_PX = 960
FRAME_PX = 2
THUMBNAIL_PX = 32  # the longer side of thumbnails that travel with results and shards


def grid(xy: Float[Tensor, "n 2"], cells: int) -> tuple[Int64[Tensor, " m"], Int64[Tensor, "m 2"]]:
    """(which points are shown, their cell as row and column) on a square grid of `cells` × `cells`.

    Each cell that holds points shows the one nearest to its centre: no two thumbnails overlap, and each is at
    most half a cell's diagonal away from its point. The first row is the top (largest y).
    """
    low, span = xy.min(0).values, float((xy.max(0).values - xy.min(0).values).max()) or 1.0
    middle = (xy.max(0).values + low) / 2
    # the longer axis of the map fills the page, the shorter one is centred
    place = ((xy - middle) / span + 0.5) * cells
    column = place[:, 0].floor().long().clamp(0, cells - 1)
    row = cells - 1 - place[:, 1].floor().long().clamp(0, cells - 1)
    off = (place - place.floor() - 0.5).square().sum(1)
    by_distance = off.argsort(stable=True)
    cell = row * cells + column
    first = torch.full((cells * cells,), len(xy), dtype=torch.int64)
    first.scatter_reduce_(0, cell[by_distance], torch.arange(len(xy)), "amin")
    shown = by_distance[first[first < len(xy)]]
    return shown, torch.stack([row[shown], column[shown]], 1)


def thumbnail_map(
    pictures: Images, cells: Int64[Tensor, "m 2"], across: int, labels: Tensor | None
) -> Float[Tensor, "1 3 h w"]:
    """The chosen pictures at their cells on a white page just large enough, framed in the colours of the classes."""
    side = PAGE_PX // across
    cells = cells - cells.min(0).values
    rows, columns = (int(n) + 1 for n in cells.max(0).values)
    inner = side - 2 * FRAME_PX if labels is not None else side - 1
    page = torch.ones(3, side * rows, side * columns)
    small = F.interpolate(in_rgb(pictures.pixels), (inner, inner), mode="bilinear", antialias=True).clamp(
        0, 1
    )
    frame = (side - inner) // 2
    for i, (row, column) in enumerate(cells.tolist()):
        top, left = row * side, column * side
        if labels is not None:
            colour = rgb(int(labels[i]))[:, None, None]
            page[:, top : top + side, left : left + side] = colour
        page[:, top + frame : top + frame + inner, left + frame : left + frame + inner] = small[i]
    return page[None]


def rgb(label: int) -> Float[Tensor, " 3"]:
    """The colour that a class has in every scatter, in [0, 1]."""
    text = plot.PALETTE[label % len(plot.PALETTE)]
    return torch.tensor([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def shrink(pixels: Float[Tensor, "n c h w"], most_px: int) -> Float[Tensor, "n c h w"]:
    """Pictures no larger than `most_px` on their longer side."""
    if max(pixels.shape[2:]) <= most_px:
        return pixels
    scale = most_px / max(pixels.shape[2:])
    size = [max(1, round(side * scale)) for side in pixels.shape[2:]]
    return F.interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 1)


def dots(xy: Float[Tensor, "n 2"], labels: Tensor | None, px: int = 240) -> Float[Tensor, "3 h w"]:
    """A quick scatter, one pixel a point, for watching a layout form."""
    low, span = xy.min(0).values, (xy.max(0).values - xy.min(0).values).clamp(min=1e-12)
    place = ((xy - low) / span * (px - 1)).round().long()
    page = torch.ones(3, px, px)
    colours = torch.stack([rgb(i) for i in range(len(plot.PALETTE))])
    chosen = torch.zeros(len(xy), dtype=torch.int64) if labels is None else labels % len(colours)
    page[:, px - 1 - place[:, 1], place[:, 0]] = colours[chosen].T
    return page
