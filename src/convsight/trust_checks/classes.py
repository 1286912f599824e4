"""Would the same map be drawn for another class?"""

from __future__ import annotations

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import ConvsightError
from convsight.images import Images
from convsight.network.targets import Target, resolve_target
from convsight.trust_checks.light import CLASS, Answer, Light, answered
from convsight.trust_checks.likeness import correlation, ranks
from convsight.trust_checks.subject import JudgedMap, one_picture

INVISIBLE = 1 / 255  # largest change of a pixel in the noisy picture
SAME, OTHER = 0.9, 0.7  # shares of the likeness that the same class keeps under noise


def depends_on_class(subject: JudgedMap, seed: int) -> list[Light]:
    """The third light of each picture.

    The runner-up is the class with the highest score after the map's own. Its map is compared with the given
    one, and this likeness with that of the same class's map for the picture under invisible noise: more alike
    no map can be.
    """
    n = len(subject.images)
    if not _is_about_a_class(subject):
        why = "The map is not about a class, so there is no other class to ask about."
        return [answered(CLASS, "can't tell", why)] * n
    rivals = _runners_up(subject)
    try:
        again, other = _remade(subject, rivals, seed)
    except ConvsightError as error:
        return [answered(CLASS, "can't tell", f"The runner-up could not be asked: {error}.")] * n
    same, rival = correlation(subject.ranks, ranks(again)), correlation(subject.ranks, ranks(other))
    return [_light(subject, i, float(rival[i]), float(same[i]), rivals.labels[i], other[i]) for i in range(n)]


def class_likeness(subject: JudgedMap, seed: int) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Likeness of each map to the runner-up's, and to its own under invisible noise; NaN where there is no runner-up."""
    nothing = torch.full((len(subject.images),), torch.nan)
    if not _is_about_a_class(subject):
        return nothing, nothing
    try:
        again, other = _remade(subject, _runners_up(subject), seed)
    except ConvsightError:
        return nothing, nothing
    return correlation(subject.ranks, ranks(other)), correlation(subject.ranks, ranks(again))


def _is_about_a_class(subject: JudgedMap) -> bool:
    """Whether the map is about one of several classes, so that there is a runner-up."""
    net, aim = subject.net, subject.aim
    return aim.outputs is not None and aim.through is None and net.has_probabilities and len(net.classes) > 1


def _remade(
    subject: JudgedMap, rivals: Target, seed: int
) -> tuple[Float[Tensor, "n h w"], Float[Tensor, "n h w"]]:
    """The same class's maps under invisible noise, and the runners-up's maps, made in one call."""
    aim, n = subject.aim, len(subject.images)
    assert aim.outputs is not None and rivals.outputs is not None
    outputs = torch.cat([aim.outputs, rivals.outputs])
    both = dataclasses.replace(aim, labels=(*aim.labels, *rivals.labels), outputs=outputs)
    asked = Images(torch.cat([_noisy(subject.images.pixels, seed), subject.images.pixels]))
    maps = subject.remade(subject.net, asked, both).values.float()
    return maps[:n], maps[n:]


def _runners_up(subject: JudgedMap) -> Target:
    assert subject.aim.outputs is not None
    scores = subject.scores.scatter(1, subject.aim.outputs[:, None], -torch.inf)
    return resolve_target(subject.net, scores.argmax(1), len(scores))


def _noisy(pixels: Float[Tensor, "n c h w"], seed: int) -> Float[Tensor, "n c h w"]:
    """Every pixel changed by up to one 255th; the same noise for each picture."""
    noise = torch.rand(pixels.shape[1:], generator=torch.Generator().manual_seed(seed))
    return (pixels + (2 * noise - 1) * INVISIBLE).clamp(0, 1)


def _light(
    subject: JudgedMap, i: int, rival: float, same: float, name: str, other: Float[Tensor, "h w"]
) -> Light:
    numbers = {"runner_up_alike": rival, "same_class_alike": same}
    pictures = one_picture(subject.shown(other, i), f"{name} {rival:.2f}")
    if math.isnan(rival) or math.isnan(same):
        why = f"There is nothing to compare: this map, or the one for “{name}”, is the same everywhere."
        return answered(CLASS, "can't tell", why, numbers, pictures)
    answer, words = _answer(rival, same, len(subject.net.classes) == 2 and not subject.map.signed)
    sentence = (
        f"The map for the runner-up, “{name}”, is alike to it by {rival:.2f} (1 the same, 0 unrelated; the same "
        f"class with noise nobody sees: {same:.2f}). {words}"
    )
    return answered(CLASS, answer, sentence, numbers, pictures)


def _answer(rival: float, same: float, mirrored: bool) -> tuple[Answer, str]:
    """The verdict on measured likenesses, and what it says about the map."""
    if same < 0.3:
        return (
            "can't tell",
            "Invisible noise changes this map as much: it is not steady enough to be compared.",
        )
    if rival > SAME * same and mirrored:
        return (
            "can't tell",
            "Of two classes, what speaks for one speaks against the other: without signs alike.",
        )
    if rival > SAME * same:
        return (
            "no",
            "It does not say why this class and not that one; close relatives may share their evidence.",
        )
    if rival < OTHER * same:
        return "yes", "It shows something about this class."
    return "can't tell", "Part of it is about this class, much of it about any."
