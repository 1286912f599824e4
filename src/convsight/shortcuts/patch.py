"""Is there a small picture that appears anywhere in a class's pictures, and works anywhere it is pasted?

Where the score comes from in each picture of the class (path gradients), patches are cut out. One that is
found again in many pictures of the class and in few others, whatever its place, is a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from convsight.shortcuts.probes import Pixels, Probe

FOUND = 0.8  # similarity above which a patch counts as found; a half-transparent one on a photo stays below 1
SEARCHED_PX = 48  # pictures are not shrunk below this side for the search
LEAST_CONTRAST = 0.08  # least standard deviation inside a patch; flatter patches match everywhere


@dataclass(frozen=True, eq=False)
class Patch(Probe):
    """A small picture at any place: cut out where it is best matched, pasted at random places.

    The search runs on pictures and a template shrunk by `step`; pasting is done at full size.
    """

    kind: ClassVar[str] = "patch"
    whole: ClassVar[bool] = False
    template: Float[Tensor, "c h w"]
    seed: int = 0
    step: int = 1

    def paste(self, onto: Pixels, of: Pixels) -> Pixels:
        _, rows, cols = self._found(of)
        h, w = self._size
        generator = Generator().manual_seed(self.seed)
        to_rows = torch.randint(0, onto.shape[2] - h + 1, (len(onto),), generator=generator)
        to_cols = torch.randint(0, onto.shape[3] - w + 1, (len(onto),), generator=generator)
        pasted = onto.clone()
        for i, (r, c, y, x) in enumerate(zip(rows, cols, to_rows, to_cols, strict=True)):
            pasted[i, :, y : y + h, x : x + w] = of[i, :, r : r + h, c : c + w]
        return pasted

    def anew(self, generator: Generator) -> Patch:
        """The same patch, pasted at other random places."""
        return replace(self, seed=int(torch.randint(2**31, (), generator=generator)))

    def remove(self, onto: Pixels, of: Pixels) -> Pixels:
        """`onto` with the pixels of `of` at the place where the patch is found."""
        _, rows, cols = self._found(onto)
        h, w = self._size
        without = onto.clone()
        for i, (r, c) in enumerate(zip(rows.tolist(), cols.tolist(), strict=True)):
            without[i, :, r : r + h, c : c + w] = of[i, :, r : r + h, c : c + w]
        return without

    def marks(self, of: Pixels) -> Bool[Tensor, "n h w"]:
        _, rows, cols = self._found(of)
        h, w = self._size
        y, x = torch.arange(of.shape[2]) - rows[:, None], torch.arange(of.shape[3]) - cols[:, None]
        return ((y >= 0) & (y < h))[:, :, None] & ((x >= 0) & (x < w))[:, None, :]

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        return self._found(of)[0]

    @property
    def _size(self) -> tuple[int, int]:
        return self.template.shape[1] * self.step, self.template.shape[2] * self.step

    def _found(self, of: Pixels) -> tuple[Tensor, Tensor, Tensor]:
        best, rows, cols = match(shrunk(of, self.step), self.template)
        return best, rows * self.step, cols * self.step


def shrunk(of: Tensor, step: int) -> Tensor:
    """Pictures averaged over squares of `step` pixels."""
    return F.avg_pool2d(of, step) if step > 1 else of


def match(of: Pixels, template: Float[Tensor, "c h w"]) -> tuple[Tensor, Tensor, Tensor]:
    """The best similarity of each picture to the template, and its row and column (of the top-left corner)."""
    scores = similarity(of, template[None])[:, 0]
    best, at = scores.flatten(1).max(1)
    return best, at // scores.shape[2], at % scores.shape[2]


def similarity(of: Pixels, templates: Float[Tensor, "k c h w"]) -> Float[Tensor, "n k y x"]:
    """Closeness to each template at every place: 1 − mean squared difference ÷ the template's own variance.

    1 is the same picture; unlike a correlation it falls when brightness or contrast differ.
    """
    c, h, w = templates.shape[1:]
    size = c * h * w
    ones = torch.ones(1, c, h, w)
    square = F.conv2d(of.square(), ones) - 2 * F.conv2d(of, templates)
    square = (square + templates.square().sum((1, 2, 3))[:, None, None]) / size
    variance = templates.flatten(1).var(1, correction=0).clamp(min=1e-4)
    return 1 - square / variance[:, None, None]


def find_patch(
    of: Pixels, others: Pixels, hot: Float[Tensor, "n h w"], hot_of: Pixels, side: int, most: int = 48
) -> tuple[Patch, float] | None:
    """The patch of `side` pixels that is found most often in the class and least often elsewhere, with the
    difference of the two shares.

    hot: for pictures `hot_of` of the class, how much each pixel speaks for the class. Pictures of 96 pixels
    and more are searched at a half, a third, ... of their size.
    """
    step = max(1, min(of.shape[2:]) // SEARCHED_PX)
    of, others, hot_of = (shrunk(pictures, step) for pictures in (of, others, hot_of))
    side = max(2, round(side / step))
    templates = _cut(shrunk(hot[:, None], step)[:, 0], hot_of, side, most)
    if not len(templates):
        return None
    here, there = (_shares(pictures, templates) for pictures in (of, others))
    best = int((here - there).argmax())
    gap = float((here - there)[best])
    if gap < 0.25:
        return None
    return Patch(_refined(of, templates[best]), step=step), gap


def _cut(hot: Tensor, of: Pixels, side: int, most: int) -> Float[Tensor, "k c h w"]:
    """Patches cut out where the map is largest, two from each picture; flat ones are left out."""
    cells = F.avg_pool2d(hot[:, None], side, 1)[:, 0]
    found = []
    for i in range(min(len(of), most // 2)):
        cell = cells[i].clone()
        for _ in range(2):
            y, x = divmod(int(cell.argmax()), cell.shape[1])
            cell[max(0, y - side // 2) : y + side // 2 + 1, max(0, x - side // 2) : x + side // 2 + 1] = -1e9
            patch = of[i, :, y : y + side, x : x + side]
            if float(patch.std()) > LEAST_CONTRAST:
                found.append(patch)
    return torch.stack(found) if found else torch.zeros(0, of.shape[1], side, side)


def _shares(of: Pixels, templates: Tensor) -> Float[Tensor, " k"]:
    parts = [similarity(some, templates).amax((2, 3)) > FOUND for some in of.split(64)]
    return torch.cat(parts).float().mean(0)


def _refined(of: Pixels, template: Tensor) -> Tensor:
    """The median of the places where the template is found."""
    best, rows, cols = match(of, template)
    h, w = template.shape[1:]
    cuts = [
        of[i, :, r : r + h, c : c + w]
        for i, (b, r, c) in enumerate(zip(best.tolist(), rows.tolist(), cols.tolist(), strict=True))
        if b > FOUND
    ]
    return torch.stack(cuts).median(0).values if cuts else template
