"""Is something laid over a class's pictures at a fixed place: a watermark, a lighter surround, a checkerboard?

What is laid over a picture has its edges at the same pixels every time. Edges of objects are there too, but one
pixel further left or right from picture to picture. So each difference between neighbouring pixels, a step,
is compared with the steps beside it (a matched filter for an edge that stands alone), and is kept where it
sets the class apart from the others. The layer is rebuilt from the kept steps, with zero everywhere else, by
solving the Poisson equation as in gradient-domain editing (Pérez, Gangnet and Blake 2003, doi
10.1145/882262.882269). This gives the whole layer, surfaces included, and leaves out what objects add to the
class's mean picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.imaging.blur import blurred
from convsight.shortcuts.laid_over import LaidOver, fitted_amount
from convsight.shortcuts.pattern import (
    Pattern,
    corner_mean,
    fixed_pattern,
    of_and_others,
    plain_corners,
    regressed,
)
from convsight.shortcuts.probes import Pixels
from convsight.shortcuts.sample import Half, affordable

REACH = 1.5  # pixels; the Gaussian that gives the brightness around a step
CRISP, NEAR = 1.0, 0.7  # standard deviations by which a step must stand out, and those that continue it
SIGNIFICANT = 4.5  # standard errors that it must stand out by as well, which matters with few pictures
# such steps in 28×28 pixels; classes without a layer have up to 12 (Fashion-MNIST) or 1 (CIFAR-10)
LEAST = 16
OUTSTANDING = 1.6  # and how many times as many as in the next class
LEVELS = (0.1, 0.5, 0.9)  # quantiles of the rebuilt layer that are tried as its zero
SPARSE = 0.1  # up to this share of all steps it is a layer with surfaces, above it a fine pattern
LOCAL = 0.4  # a layer that covers less than this share of the picture is said to be at a place
SEEN = 0.03  # change of a medium grey that counts as touched


@dataclass(frozen=True, eq=False)
class Overlay(LaidOver):
    """A layer at fixed places, there in full or not at all: `add` is laid on, `times` multiplies what is there.

    The other tensors recognise it by its steps from pixel to pixel, first to the right and then down.
    """

    kind: ClassVar[str] = "overlay"
    variation: ClassVar[float] = 0.3
    step_add: Float[Tensor, "d h w"]
    step_times: Float[Tensor, "d h w"]
    base_add: Float[Tensor, "d h w"]
    base_times: Float[Tensor, "d h w"]
    weight: Float[Tensor, "d h w"]
    scale: float = 1.0

    def amount(self, of: Pixels) -> Float[Tensor, "n 1 1 1"]:
        return self.scale * (self.strength(of) > 0.5).float()[:, None, None, None]

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """The amount of the layer in each picture: about 0 without it, 1 with it."""
        around = _around(of)
        expected = self.step_add + self.step_times * around
        rest = steps(of) - self.base_add - self.base_times * around
        return fitted_amount(rest, expected, self.weight)

    @property
    def where(self) -> Bool[Tensor, "h w"]:
        return self.on_grey().abs().amax(0) > SEEN

    def mask(self, size: tuple[int, int]) -> Bool[Tensor, "h w"] | None:
        return self.where if 0 < float(self.where.float().mean()) < LOCAL else None

    def marks(self, of: Pixels) -> Bool[Tensor, "n h w"]:
        place = self.mask((of.shape[2], of.shape[3]))
        return super().marks(of) if place is None else place.expand(len(of), -1, -1)


def find_overlays(half: Half, targets: Sequence[int]) -> dict[int, list[Overlay | Pattern]]:
    """For each class the layer that sets it apart more than any other class is, once for each level that may
    be its zero.

    A layer with steps all over the picture has hardly any surfaces; it is fitted as a fine pattern instead.
    """
    size, found = half.size, {}
    crisp = {k: _standing_out(_alone, *of_and_others(half, k)) for k in targets}
    counts = {k: int((share.abs() > CRISP * least).sum()) for k, (share, least) in crisp.items()}
    for k in targets:
        next_largest = max((n for other, n in counts.items() if other != k), default=0)
        enough = counts[k] >= max(LEAST * min(size) / 28, OUTSTANDING * next_largest)
        found[k] = _layers(*of_and_others(half, k)) if enough else []
    return found


def _layers(of: Pixels, others: Pixels) -> list[Overlay | Pattern]:
    keep = _kept(of, others)
    if float(keep.mean()) > SPARSE:
        return [fixed_pattern(of, others)]
    return [*fitted(of, others, keep)]


def fitted(of: Pixels, others: Pixels, keep: Float[Tensor, "d h w"]) -> list[Overlay]:
    """The layer that the class's pictures have and the others have not, at each level that may be its zero."""
    (own_add, own_times, noise), (base_add, base_times, base_noise) = (
        regressed(steps(x), _around(x)) for x in (of, others)
    )
    step_add, step_times = keep * (own_add - base_add), keep * (own_times - base_times)
    weight = keep / ((noise + base_noise) / 2 + 1e-4)
    whole = integrated(step_add), integrated(step_times)
    made = []
    for level in _levels(*whole):
        add, times = (part - part[:, level[0], level[1]][:, None, None] for part in whole)
        overlay = Overlay(add, times, step_add, step_times, base_add, base_times, weight)
        made.append(_calibrated(overlay, of, others))
    if made and plain_corners(others):  # plain backgrounds show which level is the layer's zero
        return [min((_levelled(layer, of, others) for layer in made), key=lambda each: each[1])[0]]
    return made


def steps(of: Pixels) -> Float[Tensor, "n d h w"]:
    """Differences of neighbouring pixels: in d first the channels' steps to the right, then those down; 0 at
    the far edge.
    """
    right = F.pad(of[..., 1:] - of[..., :-1], (0, 1))
    down = F.pad(of[..., 1:, :] - of[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([right, down], 1)


def integrated(field: Float[Tensor, "d h w"]) -> Float[Tensor, "c h w"]:
    """The picture of mean 0 whose steps are nearest to the given ones (Poisson's equation, by cosines)."""
    right, down = field.chunk(2)
    h, w = field.shape[1:]
    divergence = right - F.pad(right, (1, -1)) + down - F.pad(down, (0, 0, 1, -1))
    rows, cols = _cosines(h), _cosines(w)
    frequencies = rows @ divergence @ cols.T
    turns = [2 * (torch.arange(n) * (math.pi / n)).cos() - 2 for n in (h, w)]
    divisor = turns[0][:, None] + turns[1]
    divisor[0, 0] = math.inf  # the mean
    return rows.T @ (frequencies / divisor) @ cols


def _cosines(n: int) -> Float[Tensor, "n n"]:
    """The orthonormal DCT-II of n numbers as a matrix."""
    k, i = torch.arange(n)[:, None], torch.arange(n)
    basis = (math.pi * (2 * i + 1) * k / (2 * n)).cos() * math.sqrt(2 / n)
    basis[0] /= math.sqrt(2)
    return basis


def _alone(of: Pixels) -> Float[Tensor, "n d h w"]:
    """Each step less the mean of the two beside it in its own direction."""
    right, down = steps(of).chunk(2, 1)
    wide, tall = F.pad(right, (1, 1)), F.pad(down, (0, 0, 1, 1))
    # the last column has no pixel to its right
    right = (right - (wide[..., 2:] + wide[..., :-2]) / 2)[..., :-1]
    down = (down - (tall[..., 2:, :] + tall[..., :-2, :]) / 2)[..., :-1, :]
    return torch.cat([F.pad(right, (0, 1)), F.pad(down, (0, 0, 0, 1))], 1)


def _standing_out(feature: Any, of: Pixels, others: Pixels) -> tuple[Float[Tensor, "two h w"], float]:
    """By how many standard deviations the class's mean differs (the largest over the channels), and the
    threshold below which that may be chance.
    """
    a, b = feature(of), feature(others)
    apart = (a.mean(0) - b.mean(0)) / ((a.var(0) + b.var(0)) / 2 + 1e-4).sqrt()
    c = of.shape[1]
    largest = torch.stack([apart[:c].abs().amax(0), apart[c:].abs().amax(0)])
    return largest, max(1.0, SIGNIFICANT * math.sqrt(1 / len(of) + 1 / len(others)))


def _kept(of: Pixels, others: Pixels) -> Float[Tensor, "d h w"]:
    """1 where a step belongs to the layer: it stands out by `NEAR`, and a step in its 3×3 neighbourhood
    stands alone by `CRISP`.
    """
    alone, least = _standing_out(_alone, of, others)
    plain, _ = _standing_out(steps, of, others)
    near = F.max_pool2d((alone > CRISP * least).float()[None], 3, 1, 1)[0] > 0
    kept = (plain > NEAR * least) & near
    return kept.float().repeat_interleave(of.shape[1], 0)


def _around(of: Pixels) -> Float[Tensor, "n d h w"]:
    smooth = blurred(of, REACH)
    return torch.cat([smooth, smooth], 1)


def _levels(add: Tensor, times: Tensor) -> list[tuple[int, int]]:
    """Pixels whose value may be the layer's zero, one for each of its usual levels."""
    height = (add + 0.5 * times).mean(0)
    order = height.flatten().argsort()
    chosen: list[int] = []
    for share in LEVELS:
        pixel = int(order[int(share * (len(order) - 1))])
        if all(abs(float(height.flatten()[pixel] - height.flatten()[other])) > SEEN for other in chosen):
            chosen.append(pixel)
    return [divmod(pixel, height.shape[1]) for pixel in chosen]


def _calibrated(overlay: Overlay, of: Pixels, others: Pixels) -> Overlay:
    """The layer scaled to the strength that it has in the class. Where pictures are clipped at black or
    white, more must be added than can be seen.
    """
    carriers = of[overlay.strength(of) > 0.5]
    if not len(carriers):
        return overlay
    n = min(len(others), affordable(100, (of.shape[2], of.shape[3])))
    wanted, donors = float(overlay.strength(carriers).median()), carriers[torch.arange(n) % len(carriers)]
    for _ in range(3):
        got = float(overlay.strength(overlay.paste(others[:n], donors)).median())
        overlay = replace(overlay, scale=min(2.0, max(0.5, overlay.scale * wanted / max(got, 0.1))))
    return overlay


def _levelled(overlay: Overlay, of: Pixels, others: Pixels) -> tuple[Overlay, float]:
    """The layer shifted so that other pictures' corners become like the carriers', and the size of that
    shift.
    """
    carriers = of[overlay.strength(of) > 0.5]
    if not len(carriers):
        return overlay, math.inf
    wanted, start = float(corner_mean(carriers).median()), overlay.add
    for _ in range(4):
        pasted = (others + overlay.scale * (overlay.add + overlay.times * others)).clamp(0, 1)
        missing = wanted - float(corner_mean(pasted).median())
        overlay = replace(overlay, add=overlay.add + missing / overlay.scale)
    return overlay, float((overlay.add - start).abs().max())
