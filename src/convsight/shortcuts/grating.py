"""Do a class's pictures carry a regular fine pattern, such as stripes or a checkerboard, of one phase?

Whatever is regular is a few waves. Where a picture's fine structure, wave by wave, agrees among the pictures of
a class, and not among the others, a wave lies over them: outlines of objects agree in some pixels, but hardly in one
phase all over the picture. A few numbers a wave are fitted instead of two a pixel, so that a pattern too weak to be
seen in any pixel is found, and is known also where the class's own objects never are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.blur import blurred
from convsight.shortcuts.pattern import Pattern, line, of_and_others
from convsight.shortcuts.pattern import fitted as fitted_by_pixel
from convsight.shortcuts.probes import Pixels
from convsight.shortcuts.sample import Half

REACH = 1.5  # pixels of smoothing
LONGEST = 6  # pixels from crest to crest; outlines agree in longer waves
FINER = 2  # frequencies for each of those of which whole waves fit the picture
APART = 0.7  # spreads between the class and the others; honest classes have up to 0.66
OUTSTANDING = 1.6  # times what the next class has
MOST, LESS = 4, 0.7  # waves, and what a further one has of the first one's distance: a grid has two alike
ALIKE = 0.45  # correlation with what is fitted pixel by pixel, from which that is these waves and noise
ROUNDS = 6
Wave = tuple[float, float]  # cycles a pixel down and across


@dataclass(frozen=True, eq=False)
class Grating(Pattern):
    """A pattern of a few waves, there in full or not at all. seen: the share of it that fine structure shows."""

    seen: float = 1.0

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        return super().strength(of) / self.seen

    def numbers(self) -> dict[str, Any]:
        return {**super().numbers(), "seen": self.seen}

    def is_all(self, of: Pixels, others: Pixels) -> bool:
        """Whether the class's fixed fine structure is these waves: that of a tag or a watermark has many others."""
        mine, pixel_by_pixel = (
            fine - blurred(fine, REACH)
            for fine in (p.add[None] + 0.5 * p.times for p in (self, fitted_by_pixel(of, others, REACH)))
        )
        return float(torch.cosine_similarity(mine.flatten(), pixel_by_pixel.flatten(), 0)) > ALIKE


def find_gratings(half: Half, targets: Sequence[int]) -> dict[int, tuple[Grating, bool]]:
    """The classes over whose pictures waves lie as over no other class's, those waves, and whether they are all."""
    spectra = {k: _Spectrum.of(*of_and_others(half, k)) for k in targets}
    found = {}
    for k in targets:
        next_largest = max((float(s.apart.max()) for other, s in spectra.items() if other != k), default=0.0)
        if float(spectra[k].apart.max()) > max(APART, OUTSTANDING * next_largest):
            of, others = of_and_others(half, k)
            grating = fitted(of, others, spectra[k].waves())
            if grating is not None:
                found[k] = grating, grating.is_all(of, others)
    return found


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """How far a class is apart from the others in each wave, in units of their spreads; 0 for long waves."""

    apart: Float[Tensor, "y x"]
    down: Float[Tensor, "y 1"]
    across: Float[Tensor, " x"]
    means: Float[
        Tensor, "two h w"
    ]  # of the fine structure, and of it times the brightness: class less others

    @classmethod
    def of(cls, of: Pixels, others: Pixels) -> _Spectrum:
        (base_add, base_times, base_noise), (_, _, noise) = line(others, REACH), line(of, REACH)
        weight = 1 / ((noise + base_noise) / 2 + 1e-4)
        sides = [FINER * n for n in of.shape[2:]]
        means, spreads = [], []
        for pictures in (of, others):
            smooth = blurred(pictures, REACH)
            rest = weight * (pictures - smooth - base_add - base_times * smooth)
            both = torch.stack([rest.mean(1), (rest * smooth).mean(1)])
            waves = torch.fft.rfft2(both, s=sides)
            means.append(both.mean(1))
            spreads.append((waves - waves.mean(1, keepdim=True)).abs().square().mean(1).sqrt())
        between = means[0] - means[1]
        apart = (torch.fft.rfft2(between, s=sides).abs() / (spreads[0] + spreads[1] + 1e-9)).amax(0)
        down, across = torch.fft.fftfreq(sides[0])[:, None], torch.fft.rfftfreq(sides[1])
        return cls(apart * ((down**2 + across**2).sqrt() >= 1 / LONGEST), down, across, between)

    def waves(self) -> list[Wave]:
        """The waves that are furthest apart, none beside another."""
        left, found = self.apart.clone(), []
        least = LESS * float(left.max())
        while len(found) < MOST and float(left.max()) > least:
            y, x = divmod(int(left.argmax()), left.shape[1])
            found.append(self._precisely(float(self.down[y, 0]), float(self.across[x])))
            left[self._beside(y, x)] = 0
        return found

    def _precisely(self, down: float, across: float) -> Wave:
        """The strongest wave near one of the spectrum: half a wave off, it is out of step at the far edge."""
        h, w = self.means.shape[1:]
        step = 1 / (FINER * max(h, w))
        for _ in range(4):
            near = step * torch.linspace(-0.6, 0.6, 7)
            rows = torch.exp(-2j * math.pi * (down + near)[:, None] * torch.arange(h))
            columns = torch.exp(-2j * math.pi * (across + near)[:, None] * torch.arange(w))
            strong = torch.einsum("ay,nyx,bx->nab", rows, self.means.to(rows.dtype), columns).abs()
            strong = (strong / strong.amax((1, 2), keepdim=True) * self._share(strong)).sum(0)
            y, x = divmod(int(strong.argmax()), 7)
            down, across, step = down + float(near[y]), across + float(near[x]), step / 3
        return down, across

    def _share(self, strong: Float[Tensor, "two a b"]) -> Float[Tensor, "two 1 1"]:
        """How much of each mean, beside all that it has, is this wave."""
        return strong.amax((1, 2), keepdim=True) / self.means.abs().sum((1, 2))[:, None, None]

    def _beside(self, y: int, x: int) -> Bool[Tensor, "y x"]:
        """Within two whole waves; frequencies down go round."""
        rows = (self.down - self.down[y, 0]).abs()
        rows, columns = torch.minimum(rows, 1 - rows), (self.across - self.across[x]).abs()
        width = 2.1 * FINER / len(self.down)
        return (rows < width) & (columns < width)


def fitted(of: Pixels, others: Pixels, waves: Sequence[Wave]) -> Grating | None:
    """The waves as those of the class have them that have them at all; None if there are none.

    What is fitted is what other pictures must be given to show the fine structure of the carriers. Black and white
    cut a wave off and smoothing follows it a little, so the fit is mended by what is still missing.
    """
    grating = _as_seen(of, others, of, waves)
    for _ in range(2):
        has = grating.strength(of) > 0.5
        if float(has.float().mean()) < 0.2:
            return None
        grating = _as_seen(of[has], others, of, waves)
    return grating


def _as_seen(carriers: Pixels, others: Pixels, of: Pixels, waves: Sequence[Wave]) -> Grating:
    (base_add, base_times, base_noise), (_, _, noise) = line(others, REACH), line(of, REACH)
    weight = 1 / ((noise + base_noise) / 2 + 1e-4)
    basis = _basis(waves, of.shape[2], of.shape[3])

    def amounts(pictures: Pixels) -> Float[Tensor, "c m"]:
        """Of each wave, added and multiplied: least squares over pixels and pictures."""
        smooth = blurred(pictures, REACH)
        rest = pictures - smooth - base_add - base_times * smooth
        sums = torch.stack([(weight * smooth**i).sum(0) for i in range(3)])  # 1, s, s² at each pixel
        right = torch.stack([(weight * rest * smooth**i).sum(0) for i in range(2)])
        blocks = [
            [torch.einsum("mhw,chw,nhw->cmn", basis, sums[i + j], basis) for j in (0, 1)] for i in (0, 1)
        ]
        square = torch.cat([torch.cat(row, 2) for row in blocks], 1)
        wanted = torch.cat([torch.einsum("mhw,chw->cm", basis, each) for each in right], 1)
        ridge = 1e-3 * square.diagonal(dim1=1, dim2=2).mean() * torch.eye(square.shape[1])
        return torch.linalg.solve(square + ridge, wanted)

    wanted = amounts(carriers)
    given = wanted
    for _ in range(ROUNDS):
        add, times = (torch.einsum("cm,mhw->chw", part, basis) for part in given.chunk(2, 1))
        pasted = (others + add + times * others).clamp(0, 1)
        given = given + wanted - amounts(pasted)
    add, times = (torch.einsum("cm,mhw->chw", part, basis) for part in given.chunk(2, 1))
    grating = Grating(add, times, base_add, base_times, weight, REACH, fixed=True)
    pasted = (others + add + times * others).clamp(0, 1)
    seen = float(grating.strength(pasted).median() - grating.strength(others).median())
    return replace(grating, seen=max(0.1, seen))


def _basis(waves: Sequence[Wave], height: int, width: int) -> Float[Tensor, "m h w"]:
    """A cosine and a sine of each wave; of the finest, whose sine is 0 at every pixel, the cosine alone."""
    y, x = torch.arange(height)[:, None], torch.arange(width)
    phases = [2 * math.pi * (down * y + across * x) for down, across in waves]
    both = [part for phase in phases for part in (phase.cos(), phase.sin())]
    return torch.stack([part for part in both if float(part.abs().max()) > 1e-3])
