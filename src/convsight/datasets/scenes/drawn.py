"""Which shortcuts does a classifier take when animals stand where such animals live? Scenes drawn by us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convsight.datasets.scenes.animals import ANIMALS
from convsight.datasets.scenes.coats import animals
from convsight.datasets.scenes.grounds import GROUNDS, ground
from convsight.datasets.scenes.noise import Picture
from convsight.datasets.scenes.objects import Objects
from convsight.datasets.scenes.paint import composed
from convsight.datasets.scenes.plan import made_plan
from convsight.datasets.scenes.truth import Scenes
from convsight.datasets.shapes import Random
from convsight.errors import InputError, check_known

CUES = {"dog": "snow", "cat": "leaves", "horse": "sand", "duck": "water"}
NOTE = "drawn by a program, not photographed"


def drawn_scenes(
    *,
    cues: Mapping[str, str] | None = None,
    correlation: float = 0.95,
    classes: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    shared: tuple[str, float] | None = None,
    own_colour: float = 0.0,
    n_train: int = 400,
    n_validation: int = 60,
    n_test: int = 150,
    n_balanced: int = 200,
    size_px: int = 64,
    seed: int = 0,
    validation: float | int | None = None,
    limit: int | None = None,
) -> Scenes:
    """Drawn animals before drawn surroundings, in colour, with the truth about every picture.

    cues: what betrays each class: a kind of surroundings (snow, leaves, water, sand, wall, grass, sky), a part of
        them ("water below", "sky above"), or a thing beside the animal ("leash", "hand", "sign"). By default dog:
        snow, cat: leaves, horse: sand, duck: water.
    correlation: the share of a class's pictures that carry its cue, 0 to 1. The others stand before the other
        kinds equally often: with four kinds 0.25 tells nothing, 1 always the class.
    classes: of dog, cat, horse, duck, rabbit, elephant; by default those that have a cue. kinds: which surroundings
        there are, by default those that are cues.
    shared: (kind, share), surroundings that so many of all pictures have, whatever their class. own_colour: the
        share of animals in a bright colour of their class: 1 makes the animal easier than any cue.
    n_train, n_validation, n_test, n_balanced: pictures a class. validation: the same as n_validation, or a fraction
        of n_train. limit: at most about so many for every split. size_px: width and height. seed: another seed,
        other animals and surroundings; the splits never share one.

    Every split has a `truth` (see `Truth`): the animal's mask, the surroundings, the cue. The split `balanced` shows
    each of its animals with every cue in turn. Raises InputError for what is not possible.

    >>> scenes = drawn_scenes(n_train=5, n_validation=2, n_test=2, n_balanced=8)
    >>> scenes.balanced.truth.objects.shape, scenes.train.truth.cues
    (torch.Size([32, 64, 64]), ('snow', 'leaves', 'sand', 'water'))
    """
    cues = CUES if cues is None else cues
    classes = tuple(classes or cues or CUES)
    for name in classes:
        check_known(name, ANIMALS, f"no drawn animal '{name}'", most=len(ANIMALS))
    if len(set(classes)) < 2:
        raise InputError(f"scenes need two classes or more, not {', '.join(classes)}")
    cues = {name: cue for name, cue in cues.items() if name in classes} if cues is CUES else cues
    plan = made_plan(classes, cues, correlation, tuple(GROUNDS), kinds, shared, own_colour)
    sizes = sizes_of(len(classes), n_train, n_validation, n_test, n_balanced, validation, limit)
    return composed(
        "drawn-scenes", Drawing(plan.classes, size_px, own_colour), plan, sizes, size_px, seed, (NOTE,)
    )


def sizes_of(
    classes: int,
    train: int,
    held: int,
    test: int,
    balanced: int,
    validation: float | int | None,
    limit: int | None,
) -> dict[str, int]:
    """Pictures a class of every split; InputError if there are none of one."""
    if validation is not None:
        held = round(train * validation) if validation < 1 else max(1, round(validation / classes))
    sizes = {"train": train, "validation": held, "test": test, "balanced": balanced}
    for name, n in sizes.items():
        if n < 1:
            raise InputError(f"scenes need a picture of each class or more in a split, not {n} for {name}")
    most = None if limit is None else max(1, -(-limit // classes))
    return {name: n if most is None else min(n, most) for name, n in sizes.items()}


class Drawing:
    """Animals and surroundings by our own hand."""

    def __init__(self, classes: Sequence[str], size_px: int, own_colour: float):
        self.classes, self.size_px, self.own_colour = tuple(classes), size_px, own_colour

    def objects(self, k: int, n: int, part: str, r: Random) -> Objects:
        return animals(k, self.classes[k], r, self.size_px, self.own_colour)

    def ground(self, kind: str, n: int, part: str, r: Random) -> Picture:
        return ground(kind, r, self.size_px)
