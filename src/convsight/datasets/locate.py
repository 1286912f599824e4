"""Where on the canvas is the garment? The regression task: positions in pixels instead of classes."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Generator, Tensor

from convsight.datasets.base import Dataset, Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import InputError
from convsight.picture import Size

OUTPUTS = ("centre x", "centre y", "left", "top", "right", "bottom")
CHUNK = 2048  # garments moved at once
INK = 32  # of 255: a fainter pixel does not count as garment, so that noise does not move the edges


def locate(garments: Dataset, *, canvas: int | Size = 48, seed: int = 0) -> Dataset:
    """Each garment of a grey-on-black data set at a random place of a larger canvas.

    canvas: (h, w) or a number, in pixels. seed: which places; the same seed gives the same data.

    Labels are float32 `n 6` in pixels of the canvas, x to the right, y down, the top left corner at 0: the
    centre (x, y) and the left, top, right and bottom edge of the ink, that is of all pixels of at least
    32/255. Edges lie between pixels: a garment on the pixels 3 to 5 has left = 3, right = 6, centre = 4.5.
    Any place where the ink is wholly on the canvas is equally likely.
    """
    h, w = (canvas, canvas) if isinstance(canvas, int) else canvas
    if garments.channels != 1 or garments.task != "classify":
        raise InputError(f"locate places grey garments on black; {garments.name} is not such a data set")
    if h < garments.size[0] or w < garments.size[1]:
        raise InputError(f"a {h}×{w} canvas is too small for {garments.size[0]}×{garments.size[1]} garments")
    splits = {
        name: _placed(split, (h, w), Generator().manual_seed(3 * seed + part))
        for part, (name, split) in enumerate(garments.splits.items())
    }
    about = {"task": "locate", "outputs": OUTPUTS, "notes": garments.notes, "found": garments.found}
    return Dataset(f"locate:{garments.name}", (), **splits, **about)


def ink_box(pixels: UInt8[Tensor, "n 1 h w"]) -> Float[Tensor, "n 4"]:
    """left, top, right, bottom of the pixels of at least INK; the whole picture where there is none."""
    ink = pixels[:, 0] >= INK
    ink = ink | ~ink.flatten(1).any(1)[:, None, None]
    columns, rows = ink.any(1).to(torch.uint8), ink.any(2).to(torch.uint8)
    left, top = columns.argmax(1), rows.argmax(1)
    right = columns.shape[1] - columns.flip(1).argmax(1)
    bottom = rows.shape[1] - rows.flip(1).argmax(1)
    return torch.stack([left, top, right, bottom], dim=1).float()


def _placed(split: Split, canvas: Size, generator: Generator) -> Split:
    garments = split.store.read(torch.arange(len(split)))
    box = ink_box(garments).long()
    room = torch.tensor([canvas[1], canvas[0]]) - (box[:, 2:] - box[:, :2])
    corner = (torch.rand(len(split), 2, generator=generator) * (room + 1)).long()  # of the ink: x, y
    shift = corner - box[:, :2]
    chunks = zip(garments.split(CHUNK), shift.split(CHUNK), strict=True)
    placed = torch.cat([_shifted(some, by, canvas) for some, by in chunks])
    left_top, right_bottom = corner.float(), (corner + box[:, 2:] - box[:, :2]).float()
    labels = torch.cat([(left_top + right_bottom) / 2, left_top, right_bottom], dim=1)
    return Split(MemoryStore(placed), labels, (), split.ids)


def _shifted(garments: UInt8[Tensor, "n 1 h w"], shift: Tensor, canvas: Size) -> UInt8[Tensor, "n 1 H W"]:
    """Every garment moved by its own (x, y); what leaves the canvas (fainter than ink) is lost."""
    n, _, h, w = garments.shape
    margined = torch.zeros(n, 1, canvas[0] + 2 * h, canvas[1] + 2 * w, dtype=torch.uint8)
    rows = shift[:, 1, None] + h + torch.arange(h)
    columns = shift[:, 0, None] + w + torch.arange(w)
    index = (torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :])
    margined[:, 0][index] = garments[:, 0]
    return margined[:, :, h : h + canvas[0], w : w + canvas[1]].contiguous()
