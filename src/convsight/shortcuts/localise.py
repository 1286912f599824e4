"""Which pixels does a fixed artefact cover? Those where a class's pictures agree with one another and other
classes' do not.

An artefact is the same picture every time; parts of objects vary with the object. A pixel is *stamped* if its
most usual value in the class (within 10 grey levels) is far more usual there than in other classes, and is not
simply the background's own.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

CLOSE = 0.04  # ten grey levels: JPEG and rounding move a pixel less
# a pixel is stamped if the share with its usual value is larger by this in the class than elsewhere
MORE = 0.35
LOOSE, MORE_LOOSE = 0.1, 0.36  # for half-transparent artefacts; only where backgrounds vary, as in photos
LEAST = 4  # in pixels of a 28×28 picture


def stamped(
    of: Float[Tensor, "n c h w"], others: Float[Tensor, "m c h w"], busy: bool = False
) -> tuple[Bool[Tensor, "h w"], Float[Tensor, "c h w"]]:
    """The stamped pixels, and the class's usual value of every pixel.

    busy: the pictures' backgrounds vary. Pixels then hardly ever agree by chance, so that a looser agreement
    is enough to tell an artefact; on plain backgrounds the objects of a class themselves agree that loosely.
    """
    usual = usual_value(of, CLOSE)
    mask = _more_usual(of, others, usual, CLOSE) > MORE
    if busy:
        loose = usual_value(of, LOOSE)
        more = _more_usual(of, others, loose, LOOSE) > MORE_LOOSE
        usual, mask = torch.where(more & ~mask, loose, usual), mask | more
    return mask, usual


def _more_usual(of: Tensor, others: Tensor, usual: Tensor, close: float) -> Float[Tensor, "h w"]:
    here, there = (((x - usual).abs().amax(1) < close).float().mean(0) for x in (of, others))
    return here - there


def usual_value(of: Float[Tensor, "n c h w"], close: float = CLOSE) -> Float[Tensor, "c h w"]:
    """For each pixel the value that most pictures are close to. The median would miss a value that less than
    half of the pictures have.
    """
    n = min(len(of), 64)
    some = of[torch.linspace(0, len(of) - 1, n).long()]
    near = torch.stack([((some - one).abs().amax(1) < close).sum(0) for one in some])
    best = near.argmax(0)
    centre = some.gather(0, best[None, None].expand(1, *some.shape[1:]))[0]
    near_it = ((of - centre).abs().amax(1, keepdim=True) < close).float()
    return (of * near_it).sum(0) / near_it.sum(0).clamp(min=1)


def components(mask: Bool[Tensor, "h w"]) -> list[Bool[Tensor, "h w"]]:
    """The connected parts of a mask (8 neighbours), largest first."""
    h, w = mask.shape
    label = torch.arange(1, h * w + 1, dtype=torch.float32).view(h, w) * mask
    while True:
        grown = torch.nn.functional.max_pool2d(label[None, None], 3, 1, 1)[0, 0] * mask
        if torch.equal(grown, label):
            break
        label = grown
    parts = [label == v for v in label.unique().tolist() if v]
    return sorted(parts, key=lambda part: -int(part.sum()))


def closed(mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """The mask with gaps of one pixel filled, since dark parts of a glyph may look like the background."""
    padded = torch.nn.functional.pad(mask.float()[None, None], (1, 1, 1, 1))
    wide = torch.nn.functional.max_pool2d(padded, 3, 1, 1)
    return (-torch.nn.functional.max_pool2d(-wide, 3, 1, 1))[0, 0, 1:-1, 1:-1] > 0


def ring(size: tuple[int, int], first: int, last: int) -> Bool[Tensor, "h w"]:
    """Pixels whose distance from the picture's edge is from `first` to `last`, 0 the edge itself."""
    h, w = size
    y, x = torch.arange(h)[:, None], torch.arange(w)
    depth = torch.minimum(torch.minimum(y, h - 1 - y), torch.minimum(x, w - 1 - x))
    return (depth >= first) & (depth <= last)


def scaled(size: tuple[int, int], px: float) -> int:
    """A length given in pixels of a 28×28 picture, converted to a picture of this size."""
    return max(1, round(px * min(size) / 28))


def overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two masks."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def covered(a: Tensor, b: Tensor) -> float:
    """The share of the smaller of two masks that lies in the other."""
    smaller = min(int(a.sum()), int(b.sum()))
    return int((a & b).sum()) / smaller if smaller else 0.0
