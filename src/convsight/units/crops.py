"""Which piece of each picture did a unit look at when it answered most?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Split
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.network.receptive_field import ReceptiveBox
from convsight.units import Responses

OUTSIDE = 0.9  # light grey, where a receptive field reaches over the border of the picture


@dataclass(frozen=True, eq=False)
class Excitation:
    """The pictures that excite one channel most, strongest first, with the exact box that the unit sees."""

    channel: int
    images: Images  # fitted to the network's input
    numbers: Int64[Tensor, " k"]  # in the split
    values: Float[Tensor, " k"]
    cells: Int64[Tensor, "k 2"]  # y, x
    boxes: tuple[ReceptiveBox, ...]

    def rows(self) -> Float[Tensor, "k 8"]:
        """Per crop: value, number in the split, y, x of the unit, top, left, bottom, right of the box."""
        boxes = torch.tensor([[b.top, b.left, b.bottom, b.right] for b in self.boxes]).reshape(-1, 4)
        return torch.cat([self.values[:, None], self.numbers[:, None], self.cells, boxes], 1).float()


def excitation(
    net: Classifier, split: Split, found: Responses, channel: int, most: int | None = None
) -> Excitation:
    """What `found` says of one channel, with the pictures read again. Silent pictures are left out."""
    values, cells = found.top_values[channel, :most], found.top_cells[channel, :most]
    answered = values > found.lowest[channel]
    boxes: dict[int, ReceptiveBox] = {}
    for i in answered.nonzero().flatten().tolist():
        box = net.layers.receptive_box(found.layer, *cells[i].tolist())
        if box is not None:
            boxes[i] = box
    kept = list(boxes)
    numbers = found.top_images[channel][kept]
    images = net.fit(split[numbers])
    return Excitation(channel, images, numbers, values[kept], cells[kept], tuple(boxes.values()))


def cut_out(pixels: Float[Tensor, "k c h w"], boxes: Sequence[ReceptiveBox], size: tuple[int, int]) -> Tensor:
    """Each picture's box on a light grey canvas of `size`, pushed to the side where it is clipped: k c h w."""
    crops = torch.full((len(pixels), pixels.shape[1], *size), OUTSIDE)
    for crop, picture, box in zip(crops, pixels, boxes, strict=True):
        top = size[0] - box.height if box.top == 0 else 0
        left = size[1] - box.width if box.left == 0 else 0
        piece = picture[:, box.top : box.bottom, box.left : box.right]
        crop[:, top : top + box.height, left : left + box.width] = piece
    return crops


def canvas_size(boxes: Sequence[ReceptiveBox]) -> tuple[int, int]:
    """The size that holds every box."""
    return max((b.height for b in boxes), default=1), max((b.width for b in boxes), default=1)
