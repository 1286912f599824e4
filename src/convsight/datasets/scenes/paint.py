"""How do objects, surroundings and cues become one picture, and what is then true of each pixel?"""

from __future__ import annotations

from typing import Protocol

import torch
from jaxtyping import UInt8
from torch import Generator, Tensor

from convsight.datasets.pixels import MemoryStore
from convsight.datasets.scenes.noise import Picture, mix, noise, pixel_grid, step
from convsight.datasets.scenes.objects import Objects
from convsight.datasets.scenes.plan import PLACES, Lots, Plan, crossed_lots, drawn_lots
from convsight.datasets.scenes.things import BEFORE, THINGS
from convsight.datasets.scenes.truth import LAYERS, Scenes, SceneSplit, Truth
from convsight.datasets.shapes import Field, Random
from convsight.picture import to_uint8

SPLITS = ("train", "validation", "test", "balanced")
CHUNK = 128  # objects painted at once
SEEN = 0.5  # from this cover on a pixel shows what covers it


class Source(Protocol):
    """Where objects and surroundings come from. `part` says of which split; the balanced one is like the test."""

    def objects(self, k: int, n: int, part: str, r: Random) -> Objects: ...
    def ground(self, kind: str, n: int, part: str, r: Random) -> Picture: ...


def composed(
    name: str,
    source: Source,
    plan: Plan,
    sizes: dict[str, int],
    size_px: int,
    seed: int,
    notes: tuple[str, ...],
) -> Scenes:
    """The data set. sizes: by split the pictures a class; of "balanced", about so many."""
    splits = {}
    for number, split in enumerate(SPLITS):
        generator = Generator().manual_seed(len(SPLITS) * seed + number)
        if split == "balanced":
            lots = crossed_lots(plan, max(1, sizes[split] // len(plan.tried)), generator)
        else:
            lots = drawn_lots(plan, sizes[split], generator)
        splits[split] = _painted(name, split, source, plan, lots, size_px, generator)
    return Scenes(
        name=name, classes=plan.classes, notes=notes, cues=plan.cues, correlation=plan.correlation, **splits
    )


def _painted(
    name: str, split: str, source: Source, plan: Plan, lots: Lots, size_px: int, generator: Generator
) -> SceneSplit:
    n, part = len(lots.label), "test" if split == "balanced" else split
    pixels = torch.empty(n, 3, size_px, size_px, dtype=torch.uint8)
    layers = torch.empty(n, size_px, size_px, dtype=torch.uint8)
    for k in range(len(plan.classes)):
        members = (lots.label == k).nonzero().flatten()
        times = len(members) // len(lots.number[members].unique())
        for some in members.split(CHUNK // times * times if times <= CHUNK else times):
            objects = source.objects(k, len(some) // times, part, Random(len(some) // times, generator))
            picture, shown = _composed(source, plan, lots, some, part, objects.repeated(times), generator)
            pixels[some], layers[some] = to_uint8(picture), shown
    order = torch.randperm(n, generator=generator)
    truth = Truth(layers, lots.ground, lots.carries, lots.number, plan.kinds, plan.named).take(order)
    ids = [f"{split}/{i}" for i in range(n)]
    return SceneSplit(MemoryStore(pixels[order]), lots.label[order], plan.classes, ids, truth)


def _composed(
    source: Source, plan: Plan, lots: Lots, some: Tensor, part: str, objects: Objects, generator: Generator
) -> tuple[Picture, UInt8[Tensor, "n h w"]]:
    """These pictures with their layers: surroundings, parts of them, things behind, the object, things before."""
    n, size_px = len(some), objects.cover.shape[-1]
    picture = torch.empty(n, 3, size_px, size_px)
    layers = torch.zeros(n, size_px, size_px, dtype=torch.uint8)
    for i, kind in enumerate(plan.kinds):
        here = (lots.ground[some] == i).nonzero().flatten()
        if len(here):
            picture[here] = source.ground(kind, len(here), part, Random(len(here), generator))
    carried = {cue: lots.carries[some, j].nonzero().flatten() for j, cue in enumerate(plan.named)}
    for cue, here in carried.items():
        if cue.endswith(PLACES) and len(here):
            r = Random(len(here), generator)
            kind, place = cue.split()
            cover = _area(r, size_px, place)
            picture[here] = mix(picture[here], source.ground(kind, len(here), part, r), cover)
            layers[here] = layers[here].masked_fill(cover > SEEN, LAYERS.index("part"))
    picture = picture * objects.shade[:, None]
    things = {cue: here for cue, here in carried.items() if cue in THINGS and len(here)}
    for cue in (cue for cue in things if cue not in BEFORE):
        _add(cue, things[cue], picture, layers, objects, generator)
    picture = mix(picture, objects.colours, objects.cover)
    layers = layers.masked_fill(objects.cover > SEEN, LAYERS.index("object"))
    for cue in (cue for cue in things if cue in BEFORE):
        _add(cue, things[cue], picture, layers, objects, generator)
    return picture.clamp(0, 1), layers


def _add(
    thing: str, here: Tensor, picture: Picture, layers: Tensor, objects: Objects, generator: Generator
) -> None:
    """Paint a thing onto some of the pictures, in place."""
    own = Objects(objects.colours[here], objects.cover[here], objects.shade[here], objects.collar[here])
    colours, cover = THINGS[thing](Random(len(here), generator), own, picture.shape[-1])
    picture[here] = mix(picture[here], colours, cover)
    layers[here] = layers[here].masked_fill(cover > SEEN, LAYERS.index("thing"))


def _area(r: Random, size_px: int, place: str) -> Field:
    """The lower or upper part of a picture, up to an uneven line."""
    x, y = pixel_grid(size_px)
    line = r(0.0, 0.4) if place == "below" else r(-0.3, 0.1)
    uneven = line + r(0.0, 0.08) * noise(r, x + 0 * y, 0 * x + 0 * y, 1.5, 2) + r(-0.08, 0.08) * x
    return step((y - uneven) * (1 if place == "below" else -1), 0.04)
