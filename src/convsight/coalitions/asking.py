"""Which games does one call ask about: whose pictures, which regions, which targets share their passes?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from convsight.coalitions.figure import Answer, map_of
from convsight.coalitions.game import Game, scores_for
from convsight.coalitions.hiding import Hider, hider
from convsight.coalitions.regions import Regions, regions_of
from convsight.coalitions.solving import Solving
from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.progress import span
from convsight.results.kinds import Map

BLUR = 1 / 14  # the blur's reach, as a share of the short side


@dataclass(eq=False)
class ShapleyGames:
    """The games of one call, and which of them answers for picture i and its k-th target."""

    net: Classifier
    images: Images
    aim: Target
    regions: Int[Tensor, "n h w"]
    hidden: Hider
    games: list[Solving]
    answers: list[list[Answer]]  # the target itself first, then its rivals, for each picture

    @property
    def done(self) -> bool:
        return all(game.done for game in self.games)

    def step(self) -> None:
        """One stage further with every game that is not done."""
        for i, game in enumerate(self.games):
            if not game.done:
                with span(i / len(self.games), (i + 1) / len(self.games)):
                    game.step()

    def finish(self) -> None:
        """Every game to its end, one after the other."""
        for i, game in enumerate(self.games):
            with span(i / len(self.games), (i + 1) / len(self.games)):
                while not game.done:
                    game.step()

    def map(self) -> Map:
        """What is known so far; the rivals' maps are parts."""
        words = f"Hidden regions show {self.hidden.words}."
        maps = [
            map_of(rank, self.images, self.regions, words, self.net.notes_on(self.aim) if not k else ())
            for k, rank in enumerate(zip(*self.answers, strict=True))
        ]
        named = [
            replace(rival, title=f"Shapley values of rival {k}", name=f"rival{k}")
            for k, rival in enumerate(maps[1:], 1)
        ]
        return replace(maps[0], parts=(*maps[0].parts, *named))


def games_of(
    net: Classifier, images: Images, target: Any, data: Dataset | None, *, regions: Regions, fill: str, passes: int,
    precision: float, rivals: int, seed: int,
) -> ShapleyGames:  # fmt: skip
    """The games behind one call, each of them not begun."""
    cut = regions_of(regions, images)
    aim = net.target(target, images)
    every = _with_rivals(net, images, aim, rivals)
    hidden = hider(fill, net, images, data, BLUR * min(images.size), seed)
    games, answers = [], []
    for asked in _shared(images, cut, every, rivals):
        i = asked[0] // (rivals + 1)
        scores = scores_for(net, every, asked, passes)
        games.append(
            Solving(Game(images.pixels[i], hidden.pixels[i], cut[i], scores), passes, precision, seed)
        )
        answers += [(number, Answer(games[-1], t, every.labels[number])) for t, number in enumerate(asked)]
    found = [answer for _, answer in sorted(answers, key=lambda pair: pair[0])]
    rows = [found[at : at + rivals + 1] for at in range(0, len(found), rivals + 1)]
    return ShapleyGames(net, images, aim, cut, hidden, games, rows)


def _with_rivals(net: Classifier, images: Images, aim: Target, rivals: int) -> Target:
    """The target of each picture followed by the `rivals` classes with the highest scores beside it."""
    if not rivals:
        return aim
    if aim.outputs is None or aim.through is not None or rivals >= len(net.classes):
        most = len(net.classes) - 1 if aim.outputs is not None and aim.through is None else 0
        raise InputError(
            f"rivals={rivals} asks for more classes than there are beside {aim.labels[0]!r}: {most}"
        )
    scores = net.explained(images).scatter(1, aim.outputs[:, None], -torch.inf)
    outputs = torch.cat([aim.outputs[:, None], scores.topk(rivals, 1).indices], 1).flatten()
    return net.target(outputs.tolist(), Images(images.pixels.repeat_interleave(rivals + 1, 0)))


def _shared(images: Images, cut: Tensor, every: Target, rivals: int) -> list[list[int]]:
    """The numbers of targets that are about the same picture and regions, and so share their passes.

    A unit of a layer is read in a pass of its own.
    """
    groups: dict[Any, list[int]] = {}
    for number in range(len(every)):
        i = number // (rivals + 1)
        same = images.pixels[i].numpy().tobytes(), cut[i].numpy().tobytes()
        groups.setdefault(number if every.outputs is None else same, []).append(number)
    return list(groups.values())
