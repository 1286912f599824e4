"""Would the same network draw this map before it had learned anything?"""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from convsight.errors import ConvsightError
from convsight.imaging.blur import blurred
from convsight.network.classifier import Classifier
from convsight.network.untrained import untrained
from convsight.trust_checks.light import WEIGHTS, Answer, Light, answered
from convsight.trust_checks.likeness import (
    Ranks,
    correlation,
    correlation_by_chance,
    left_over,
    of_the_picture,
    ranks,
)
from convsight.trust_checks.measured import Memo, fingerprint
from convsight.trust_checks.subject import JudgedMap, identity, one_picture

COPIES = 2
ALIKE, MUCH, SAME = 0.3, 0.5, 0.9  # rank correlations above which maps are alike at all, much alike, the same
_copies = Memo[tuple[Classifier, ...]](1)  # the copies of the last network that was checked
_drawn = Memo[list[Ranks]](4)


def untrained_copies(net: Classifier, key: str = "") -> tuple[Classifier, ...]:
    """`COPIES` copies of the network with random weights; they are kept until another network is checked.

    Batch normalisations measure their statistics on random pictures, as they would in the first step of a
    training; with the trained network's statistics, or with none, most signals would vanish on their way
    through. `key` is the network's `identity`, where it is known.
    """
    make = lambda: tuple(_settled(untrained(net, seed)) for seed in range(COPIES))  # noqa: E731
    return _copies(key or identity(net), make)


def _settled(net: Classifier) -> Classifier:
    norms = [m for m in net.module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    net.module.eval()
    if norms:
        noise = torch.rand(8, net.channels, *net.input_size, generator=torch.Generator().manual_seed(0))
        smooth = blurred(noise, min(net.input_size) / 14)
        spread = (smooth - smooth.mean()) / smooth.std().clamp(min=1e-6) * 0.25 + 0.5
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            net.module(net.normalise(spread.clamp(0, 1)))
        net.module.eval()
    return net


def needs_training(subject: JudgedMap) -> list[Light]:
    """The second light of each picture.

    Likeness is Spearman's rank correlation, of a signed map and of its magnitude. An untrained copy's map may
    be alike only because both follow the picture; so the partial correlation, given the picture and its
    edges, counts too.
    """
    n = len(subject.images)
    try:
        maps = [
            subject.remade(copy, subject.images, subject.aim).values.float()
            for copy in untrained_copies(subject.net, subject.identity)
        ]
    except (ConvsightError, RuntimeError) as error:
        return [answered(WEIGHTS, "can't tell", f"No untrained copy could be asked: {error}.")] * n
    measured = _measured(subject, maps)
    return [
        _light(subject, i, {name: float(v[i]) for name, v in measured.items()}, maps[0][i]) for i in range(n)
    ]


def _measured(subject: JudgedMap, maps: list[Tensor]) -> dict[str, Tensor]:
    """Each likeness of each picture. Every map is ranked once, and its magnitude only if it has negative
    values.
    """
    own, pixels = subject.ranks, subject.images.pixels
    signed = [ranks(m) for m in maps]
    size = _of_magnitude(subject.map.values.float(), own)
    sizes = [_of_magnitude(m, r) for m, r in zip(maps, signed, strict=True)]
    drawn = _drawn(fingerprint(pixels), lambda: [ranks(d) for d in of_the_picture(pixels)])
    rest = left_over(size, drawn)
    return {
        "alike": _mean([correlation(own, m) for m in signed]),
        "magnitude_alike": _mean([correlation(size, m) for m in sizes]),
        "beyond_picture": _mean([correlation(rest, left_over(m, drawn)) for m in sizes]),
        "by_chance": _mean([correlation_by_chance(size, m) for m in sizes]),
        "copies_alike": _mean([correlation(a, b) for a, b in combinations(signed, 2)]),
        "picture_alike": torch.stack([correlation(size, d) for d in drawn]).nan_to_num(-1).amax(0),
    }


def _of_magnitude(values: Tensor, ranked: Ranks) -> Ranks:
    return ranks(values.abs()) if bool((values < 0).any()) else ranked


def _light(subject: JudgedMap, i: int, found: dict[str, float], copied: Tensor) -> Light:
    if math.isnan(found["alike"]):
        flat = "this map is" if float(subject.map.values[i].std()) == 0 else "the untrained copies' maps are"
        return answered(
            WEIGHTS, "can't tell", f"There is nothing to compare: {flat} the same everywhere.", found
        )
    answer, words = _answer(found, subject.map.signed)
    sentence = (
        f"Untrained copies of the network draw maps alike to it by {found['alike']:.2f} (1 the same, 0 unrelated; "
        f"among themselves {found['copies_alike']:.2f}). Without signs and what the picture and its edges explain: "
        f"{found['beyond_picture']:.2f} (chance {found['by_chance']:.2f}). {words}"
    )
    caption = f"likeness {found['alike']:.2f}"
    return answered(WEIGHTS, answer, sentence, found, one_picture(subject.shown(copied, i), caption))


def _answer(found: dict[str, float], signed: bool) -> tuple[Answer, str]:
    """The verdict on measured likenesses, and what it says about the map."""
    likely = max(ALIKE, found["by_chance"])
    beyond = 0.0 if math.isnan(found["beyond_picture"]) else found["beyond_picture"]
    as_alike_as_copies = found["alike"] >= found["copies_alike"] - 0.1
    much = min(found["alike"], beyond) >= max(MUCH, likely)
    if found["alike"] >= SAME or (much and as_alike_as_copies):
        return "no", "A network that has learned nothing draws much the same map."
    if found["alike"] < ALIKE and found["magnitude_alike"] < likely:
        return "yes", "Without what was learned there is another map."
    if beyond < likely and (signed and found["alike"] < ALIKE):
        return "yes", "Where there is colour follows the picture, but its signs come from what was learned."
    if beyond < likely:
        return (
            "can't tell",
            "They are alike as far as both follow the picture, and no further: that proves nothing.",
        )
    return "can't tell", "Part of this map is there before anything is learned, part is not."


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).nanmean(0)
