"""Which aspects might a network recognise a class by? A short list of those that are peculiar to the class's
pictures or move its score.

Most candidates are artefacts, which look the same in every picture that has them: stamped pixels, a frame, a
patch at any place, a background level, a tint, a blur, a compression or a fixed pattern. The others are
windows of the picture, whose content varies; they may hold parts of the object itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from convsight.imaging.blur import blurred
from convsight.network.classifier import Classifier
from convsight.shortcuts.exposure import Cast, Gain, brightest, tint
from convsight.shortcuts.localise import LEAST, closed, components, ring, scaled, stamped
from convsight.shortcuts.overlay import Overlay
from convsight.shortcuts.patch import find_patch
from convsight.shortcuts.pattern import Pattern
from convsight.shortcuts.probes import (
    QUALITIES,
    SIGMAS,
    Background,
    Compression,
    Probe,
    Region,
    Sharpness,
    background_level,
    backgrounds_vary,
    smoothness,
)
from convsight.shortcuts.sample import Half, affordable
from convsight.shortcuts.screen import class_attribution, window_scores, windows

Patterns = Sequence[tuple[Pattern | Overlay, bool]]
PAIRS = 64  # pairs of pictures over which path gradients are averaged
# largest flip rates of an object's part and of its outline in networks without a shortcut (trousers)
PARTS, OUTLINES = 0.45, 0.35
SAME = 0.05  # largest mean distance from the template at which a stamp counts as present
SEE_THROUGH = 0.08  # the same where backgrounds vary, which a half-transparent stamp lets through
# least share of the class that must be so near; a part that is white in many objects stays below it
STAMPED = 0.3
PATCH_SIDES = (3, 4, 5)  # in pixels of a 28×28 picture


@dataclass(frozen=True, eq=False)
class Candidate:
    """An aspect to test. `margin` is how much higher its flip rate must be than an artefact's to count: a
    window may hold a part of the object, which turns some pictures for a good reason.
    """

    probe: Probe
    margin: float = 0.0


def candidates(
    net: Classifier, half: Half, target: int, patterns: Patterns, generator: Generator
) -> Iterator[Candidate]:
    """Everything worth testing for the class."""
    of = half.pixels[half.of(target)]
    others = half.pixels[half.others(target, max(affordable(240, half.size), len(of)), generator)]
    yield from _stamps(of, others)
    yield from _traits(of, others)
    yield from (Candidate(pattern, 0.0 if fixed else OUTLINES) for pattern, fixed in patterns)
    maps, donors, control = class_attribution(net, half, target, affordable(PAIRS, half.size), generator)
    for px in PATCH_SIDES:
        patch = find_patch(of, others, maps, half.pixels[donors], scaled((of.shape[2], of.shape[3]), px))
        if patch is not None:
            yield Candidate(patch[0])
    yield from _windows(maps.mean(0) - control.mean(0))


def _stamps(of: Tensor, others: Tensor) -> Iterator[Candidate]:
    """The connected places of stamped pixels, and the frame if it is stamped."""
    size = (of.shape[2], of.shape[3])
    busy = backgrounds_vary(torch.cat([of, others]))
    mask, usual = stamped(of, others, busy)
    level = background_level(of).median(0).values
    plain = (usual - level).abs().amax(0) < 0.02
    for width in range(1, scaled(size, 3) + 1):
        frame = ring(size, 0, width - 1)
        if float((mask & ~plain)[frame].float().mean()) > 0.8:
            yield Candidate(Region(frame, usual, "border"))
    for part in components(closed(mask & ~plain)):
        if LEAST * min(size) ** 2 / 28**2 <= int(part.sum()) <= 0.25 * part.numel():
            place = Region(part, usual)
            alike = place.strength(of) > -(SEE_THROUGH if busy else SAME)
            yield Candidate(place, 0.0 if float(alike.float().mean()) > STAMPED else PARTS)


def _traits(of: Tensor, others: Tensor) -> Iterator[Candidate]:
    """Level, exposure, tint, sharpness, compression."""
    yield from _background(of, others)
    yield Candidate(_gain(of, others))
    yield from _blur(of, others)
    if of.shape[1] == 3:
        yield from _cast(of, others)
    traces = [_compression(of, others, q) for q in QUALITIES]
    clear = [found for found in traces if found[1] > 0.2]
    if clear:
        yield Candidate(max(clear, key=lambda found: found[2])[0])


def _background(of: Tensor, others: Tensor) -> Iterator[Candidate]:
    """The level of the class's plain background, if the other classes have another one."""
    here, there = (background_level(pictures)[:, :, 0, 0] for pictures in (of, others))
    usual, level = there.median(0).values, here.median(0).values
    agree = [
        ((values - middle).abs().amax(1) < 0.02).float().mean()
        for values, middle in ((here, level), (there, usual))
    ]
    if min(agree) > 0.4 and float((level - usual).abs().amax()) > 0.02:
        yield Candidate(Background(tuple(usual.tolist()), tuple(level.tolist())))


def _cast(of: Tensor, others: Tensor) -> Iterator[Candidate]:
    """The tint that the class has and the others have not, if it sets many of its pictures apart."""
    factor = tuple((tint(of).median(0).values - tint(others).median(0).values).exp().tolist())
    limit = float(Cast(factor, 0).strength(others).quantile(0.98))
    probe = Cast(factor, limit)
    if float((probe.strength(of) > limit).float().mean()) > 0.2:
        yield Candidate(probe)


def _gain(of: Tensor, others: Tensor) -> Gain:
    """The exposure, brighter or darker, whichever sets more of the class's pictures apart, with its factor if
    these are at least a fifth.
    """
    found = []
    for probe in (Gain(), Gain(darker=True)):
        limit = float(probe.strength(others).quantile(0.98))
        apart = probe.strength(of) > limit
        found.append((float(apart.float().mean()), probe, limit, apart))
    share, probe, limit, apart = max(found, key=lambda each: each[0])
    if share < 0.2:
        return probe
    return replace(probe, factor=_factor(probe, of[apart], others, limit), threshold=limit)


def _factor(probe: Gain, carriers: Tensor, others: Tensor, limit: float) -> float:
    """The factor that makes pictures of other classes as bright as the carriers, compared among those that it
    moves beyond `limit`.

    Carriers were chosen because they lie beyond `limit`, so the same must hold for what they are compared
    with; the median of all other pictures would give a factor that is too far from 1.
    """
    wanted, usual = brightest(carriers).median(), brightest(others)
    best, least = 1.0, math.inf
    for step in range(1, 81):
        factor = 0.98**step if probe.darker else 1.02**step
        changed = (usual * factor).clamp(max=1)
        beyond = changed[(-changed if probe.darker else changed) > limit]
        if len(beyond) >= 5 and abs(float(beyond.median() - wanted)) < least:
            best, least = factor, abs(float(beyond.median() - wanted))
    return best


def _blur(of: Tensor, others: Tensor) -> Iterator[Candidate]:
    """The Gaussian that makes the other classes as smooth as the smooth ones of the class, if there are many."""
    limit = float(smoothness(others).quantile(0.98))
    smooth = smoothness(of)
    carries = smooth > limit
    if float(carries.float().mean()) < 0.2:
        return
    wanted, scale = float(smooth[carries].median()), min(of.shape[2:]) / 28
    some = others[: affordable(len(others), (of.shape[2], of.shape[3]))]
    sigma = min(SIGMAS, key=lambda s: abs(float(smoothness(blurred(some, s * scale)).median()) - wanted))
    yield Candidate(Sharpness(sigma * scale, limit))


def _compression(of: Tensor, others: Tensor, quality: int) -> tuple[Compression, float, float]:
    """The probe for one quality, the share of the class that shows its traces, and how clearly it shows them.
    A picture that is saved again at the quality it was saved with hardly changes; that is the trace.
    """
    probe = Compression(quality)
    threshold = float(probe.strength(others).quantile(0.98))
    strength = probe.strength(of)
    share, clear = float((strength > threshold).float().mean()), float(strength.quantile(0.9))
    return Compression(quality, threshold), share, clear - threshold


def _windows(gain: Tensor, each: int = 2) -> Iterator[Candidate]:
    """The windows of each size through which the class's pictures move the score most."""
    found = windows((gain.shape[0], gain.shape[1]))
    scores = window_scores(found, gain)
    for side in sorted({w[2] for w in found}):
        of_size = [i for i, w in enumerate(found) if w[2] == side]
        for i in sorted(of_size, key=lambda i: -float(scores[i]))[:each]:
            top, left, height, width = found[i]
            where = torch.zeros(gain.shape, dtype=torch.bool)
            where[top : top + height, left : left + width] = True
            yield Candidate(Region(where), PARTS)
