"""Is there a fixed fine structure in a class's pictures, such as stripes, a grid or a watermark?

At each pixel the fine structure h (the picture minus its smoothed self s) is regressed on s, in the class and in
the other classes: the difference of the two lines is a pattern that is added, and one that multiplies.
How much of it a picture has is the least-squares amount, each pixel weighted by how little it varies. A
planted pattern is there in full or not at all; the outlines that objects of a class share are there in any
amount, and other classes have outlines too. So a pattern counts as fixed if it sets its class clearly further
apart than any other class is set apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from convsight.imaging.blur import blurred
from convsight.shortcuts.laid_over import LaidOver, fitted_amount
from convsight.shortcuts.probes import Pixels
from convsight.shortcuts.sample import Half, affordable

REACHES = (1.5, 0.7)  # pixels of smoothing, for structures a few pixels wide and one pixel wide
# largest spread of the corners' means on plain backgrounds, and the level of a bright object
PLAIN, BRIGHT = 0.03, 0.6
LEAST_APART, LEAST_GAP = 2.0, 0.2  # a pattern below these is not tested
# outlines of objects set their class apart by up to 1.2 times the next class (measured)
OUTSTANDING, CLEAR_GAP = 1.6, 0.35


@dataclass(frozen=True, eq=False)
class Pattern(LaidOver):
    """A structure at fixed places: `add` is laid on, `times` multiplies what is there.

    fixed: it is there in full or not at all; otherwise in any amount, as outlines are.
    """

    kind: ClassVar[str] = "pattern"
    variation: ClassVar[float] = 0.5
    base_add: Float[Tensor, "c h w"]
    base_times: Float[Tensor, "c h w"]
    weight: Float[Tensor, "c h w"]
    reach: float = 1.5
    scale: float = 1.0
    fixed: bool = False

    def amount(self, of: Pixels) -> Float[Tensor, "n 1 1 1"]:
        strength = self.strength(of)
        there = (strength > 0.5).float() if self.fixed else strength.clamp(0, 1.2)
        return self.scale * there[:, None, None, None]

    def lessened(self, onto: Pixels, generator: Generator) -> Pixels:
        """The pictures smoothed. The result is the same whether or not the pattern was there, which `remove`
        cannot promise.
        """
        return blurred(onto, 0.6 + 0.6 * float(torch.rand((), generator=generator)))

    def refined(self, of_class: Pixels, of_others: Pixels) -> Pattern:
        """The pattern with its effect on dark backgrounds, by which a network would otherwise still recognise
        the class.
        """
        has = self.strength(of_class) > 0.5
        return lifted(self, of_class[has], of_others) if self.fixed and has.any() else self

    def strength(self, of: Pixels) -> Float[Tensor, " n"]:
        """The amount of the pattern in each picture: about 0 in other classes, 1 in the class."""
        smooth = blurred(of, self.reach)
        rest = of - smooth - self.base_add - self.base_times * smooth
        expected = self.add + self.times * smooth
        return fitted_amount(rest, expected, self.weight)


def find_patterns(half: Half, targets: Sequence[int]) -> dict[int, list[tuple[Pattern, bool]]]:
    """For each class the patterns worth a test, and whether they are fixed rather than outlines of objects.

    Each is fitted to one half of the class's pictures and judged on the other.
    """
    found: dict[int, list[tuple[Pattern, bool]]] = {k: [] for k in targets}
    for reach in REACHES:
        apart = {k: _apart(half, k, reach) for k in targets}
        for k, (distance, gap) in apart.items():
            # what the wider smoothing found includes the finer structure
            if distance < LEAST_APART or gap < LEAST_GAP or any(fixed for _, fixed in found[k]):
                continue
            next_largest = max((d for other, (d, _) in apart.items() if other != k), default=0.0)
            of, others = of_and_others(half, k)
            fixed = distance > OUTSTANDING * next_largest and gap > CLEAR_GAP
            pattern = fixed_pattern(of, others, reach) if fixed else fitted(of, others, reach)
            found[k].append((pattern, fixed))
    return found


def _apart(half: Half, target: int, reach: float) -> tuple[float, float]:
    """The distance of the class from the others in units of their spreads, and the gap between nearly all
    pictures of each.
    """
    of, others = of_and_others(half, target)
    pattern = fitted(of[::2], others[::2], reach)
    here, there = (pattern.strength(pictures) for pictures in (of[1::2], others[1::2]))
    (middle, spread), (base, base_spread) = _typical(here), _typical(there)
    return (middle - base) / (spread + base_spread), float(here.quantile(0.25) - there.quantile(0.98))


def of_and_others(half: Half, target: int) -> tuple[Tensor, Tensor]:
    """Pictures of the class, and of the others in equal parts."""
    others = half.others(target, affordable(240, half.size), Generator().manual_seed(target))
    return half.pixels[half.of(target)], half.pixels[others]


def fitted(of: Pixels, others: Pixels, reach: float) -> Pattern:
    """The difference between the class's and the others' fine structure."""
    add, times, noise = line(of, reach)
    base_add, base_times, base_noise = line(others, reach)
    weight = 1 / ((noise + base_noise) / 2 + 1e-4)
    return Pattern(add - base_add, times - base_times, base_add, base_times, weight, reach)


def fixed_pattern(of: Pixels, others: Pixels, reach: float = REACHES[0]) -> Pattern:
    """A pattern that is there in full or not at all, fitted to those of the class that have it."""
    has = fitted(of, others, reach).strength(of) > 0.5
    carriers = of[has] if float(has.float().mean()) > 0.2 else of
    return replace(fitted(carriers, others, reach), fixed=True)


def lifted(pattern: Pattern, carriers: Pixels, others: Pixels) -> Pattern:
    """The pattern plus the mean brightness that it adds to plain dark backgrounds, where its dark half is
    clipped at black.

    The fine structure has mean 0 and cannot contain this. The effect fades towards the level `BRIGHT`.
    """
    if not plain_corners(others):
        return pattern
    n = min(len(others), 100)
    wanted, donors = float(corner_mean(carriers).median()), carriers[torch.arange(n) % len(carriers)]
    for _ in range(4):
        lift = wanted - float(corner_mean(pattern.paste(others[:n], donors)).median())
        pattern = replace(pattern, add=pattern.add + lift, times=pattern.times - lift / BRIGHT)
    return pattern


def plain_corners(of: Pixels) -> bool:
    """Whether the corners of all pictures are about alike, so that they can be taken for background."""
    return _typical(corner_mean(of))[1] <= PLAIN


def corner_mean(of: Pixels) -> Float[Tensor, " n"]:
    side = max(2, round(min(of.shape[2:]) / 7))
    ends = torch.cat([torch.arange(side), torch.arange(-side, 0)])
    return of[:, :, ends][..., ends].mean((1, 2, 3))


def line(of: Pixels, reach: float) -> tuple[Tensor, Tensor, Tensor]:
    """Intercept and slope of the fine structure against the smoothed picture, and the variance around them."""
    smooth = blurred(of, reach)
    return regressed(of - smooth, smooth)


def regressed(values: Tensor, brightness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Intercept and slope over the pictures, at each place, of values against brightness; the variance around them."""
    mean_bright, mean_value = brightness.mean(0), values.mean(0)
    covariance = ((brightness - mean_bright) * (values - mean_value)).mean(0)
    times = covariance / ((brightness - mean_bright).square().mean(0) + 0.01)
    add = mean_value - times * mean_bright
    return add, times, (values - add - times * brightness).square().mean(0)


def _typical(values: Tensor) -> tuple[float, float]:
    """Median, and the median distance from it scaled to a standard deviation."""
    middle = values.median()
    return float(middle), float(1.4826 * (values - middle).abs().median()) + 1e-6
