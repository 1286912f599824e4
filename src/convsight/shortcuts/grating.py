"""Do a class's pictures carry a regular fine pattern, such as stripes or a checkerboard, at the same place in
each?

A regular pattern is the sum of a few waves. A wave is found where the Fourier coefficients of the pictures'
fine structure agree within a class and not in other classes. Outlines of objects agree in some pixels too,
but hardly with one phase all over the picture. Fitting a few numbers for each wave, instead of two for each
pixel, finds patterns that are too weak to be seen in any single pixel, and continues them to pixels that the
class's objects never show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.imaging.blur import blurred
from convsight.shortcuts.pattern import Pattern, line, of_and_others
from convsight.shortcuts.pattern import fitted as fitted_by_pixel
from convsight.shortcuts.probes import Pixels
from convsight.shortcuts.sample import Half

REACH = 1.5  # pixels of smoothing
LONGEST = 6  # longest wavelength in pixels; outlines of objects agree in longer waves
FINER = 2  # resolution of the spectrum: frequencies tried per frequency of the plain Fourier transform
APART = 0.7  # least distance from the other classes, in spreads; classes without a pattern have up to 0.66
OUTSTANDING = 1.6  # and how many times the next class's distance that must be
# most waves, and the least share of the first one's distance for a further wave (a grid has two alike)
MOST, LESS = 4, 0.7
# correlation with a pixel-wise fit above which the waves are taken for all of it, the rest for noise
ALIKE = 0.45
ROUNDS = 6
Wave = tuple[float, float]  # vertical and horizontal frequency in cycles per pixel


@dataclass(frozen=True, eq=False)
class Grating(Pattern):
    """A pattern of a few waves, there in full or not at all. seen: the strength measured in pictures to which
    the pattern was added in full.
    """

    seen: float = 1.0

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        return super().strength(of) / self.seen

    def is_all(self, of: Pixels, others: Pixels) -> bool:
        """Whether these waves are all of the class's fixed fine structure; that of a tag or a watermark has
        many others.
        """
        mine, pixel_by_pixel = (
            fine - blurred(fine, REACH)
            for fine in (p.add[None] + 0.5 * p.times for p in (self, fitted_by_pixel(of, others, REACH)))
        )
        return float(torch.cosine_similarity(mine.flatten(), pixel_by_pixel.flatten(), 0)) > ALIKE


def find_gratings(half: Half, targets: Sequence[int]) -> dict[int, tuple[Grating, bool]]:
    """The classes whose pictures carry waves as no other class's do, with those waves and whether they are
    all of its fine structure.
    """
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
    """How far the class's mean coefficient of each wave is from the other classes', in units of their
    spreads; 0 for long waves.
    """

    apart: Float[Tensor, "y x"]
    down: Float[Tensor, "y 1"]
    across: Float[Tensor, " x"]
    # of the fine structure, and of its product with the brightness; each is class minus others
    means: Float[Tensor, "two h w"]

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
        """The waves with the largest distances, leaving out direct neighbours of one that is taken."""
        left, found = self.apart.clone(), []
        least = LESS * float(left.max())
        while len(found) < MOST and float(left.max()) > least:
            y, x = divmod(int(left.argmax()), left.shape[1])
            found.append(self._precisely(float(self.down[y, 0]), float(self.across[x])))
            left[self._beside(y, x)] = 0
        return found

    def _precisely(self, down: float, across: float) -> Wave:
        """The strongest frequency near one of the spectrum's: an error of half a wave over the picture would
        put the wave out of phase at the far edge.
        """
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
        """The amount of this wave in each mean, relative to everything that the mean contains."""
        return strong.amax((1, 2), keepdim=True) / self.means.abs().sum((1, 2))[:, None, None]

    def _beside(self, y: int, x: int) -> Bool[Tensor, "y x"]:
        """Which waves have frequencies within two periods per picture of wave (y, x); vertical frequencies
        wrap around.
        """
        rows = (self.down - self.down[y, 0]).abs()
        rows, columns = torch.minimum(rows, 1 - rows), (self.across - self.across[x]).abs()
        width = 2.1 * FINER / len(self.down)
        return (rows < width) & (columns < width)


def fitted(of: Pixels, others: Pixels, waves: Sequence[Wave]) -> Grating | None:
    """The waves fitted to those pictures of the class that carry them; None if none do.

    The fit is what has to be added to other pictures so that they show the carriers' fine structure. Clipping
    at black and white cuts a wave off, and smoothing removes a little of it, so the fit is repeated on what
    is still missing.
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
        """The added and the multiplied amplitude of each wave, by least squares over pixels and pictures."""
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
    """A cosine and a sine of each wave. The finest wave has the cosine alone, as its sine is 0 at every
    pixel.
    """
    y, x = torch.arange(height)[:, None], torch.arange(width)
    phases = [2 * math.pi * (down * y + across * x) for down, across in waves]
    both = [part for phase in phases for part in (phase.cos(), phase.sin())]
    return torch.stack([part for part in both if float(part.abs().max()) > 1e-3])
