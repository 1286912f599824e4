"""How do coordinates become a finished map, with colours, a measure of its quality, pictures and notes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.errors import InputError, check_known
from convsight.features.quality import judge
from convsight.features.selection import Selection
from convsight.features.thumbnails import THUMBNAIL_PX, grid, shrink, thumbnail_map
from convsight.features.vectors import MAP_PX, Answers, Vectors, answers, features_of, pixels_of
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures, Points

if TYPE_CHECKING:
    from convsight.datasets import Dataset

COLOURS = ("class", "prediction", "error", "loss")
MOST_PICTURES = 5000  # points whose thumbnail travels with the result

LOSS_STEPS = (0.01, 0.1, 0.5, 1.0, 2.0, 5.0)  # nats


@dataclass(frozen=True)
class Colour:
    """What the colours of a map stand for: one of COLOURS; of several labels, `label` (None: see `_chosen_label`)."""

    by: str = "class"
    label: str | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """What is to be mapped: the vectors in one space, and what the network answers to the same pictures."""

    vectors: Vectors
    said: Answers
    chosen: Selection
    net: Classifier

    @property
    def words(self) -> str:
        """The space in words, as captions say it."""
        return f"the features of {self.vectors.layer!r}" if self.vectors.layer else "pixel space"


def scene(
    net: Classifier, data: Dataset, split: str, most: int, seed: int, space: str, layer: str | None
) -> Scene:
    """Collect vectors and answers for a map of `space`: "features" (of `layer`) or "pixels"."""
    chosen = Selection.of(data, split, most, seed)
    seen = features_of(net, chosen, layer)
    vectors = seen if space == "features" else pixels_of(net, chosen, MAP_PX)
    return Scene(vectors, answers(net, seen), chosen, net)


def points(
    shown: Scene,
    xy: Float[Tensor, "n p"],
    axes: tuple[str, ...],
    colour: Colour,
    caption: str,
    notes: Sequence[str],
    parts: Sequence[Pictures] = (),
    extra: tuple[Float[Tensor, "m p"], Images] | None = None,
    seed: int = 0,
) -> Points:
    """The map as a result, judged against the space it was made from; `extra` are pictures placed into it."""
    chosen = shown.chosen
    quality = judge(shown.vectors.values, xy, chosen.labels, seed=seed)
    groups, names, said = _groups(shown, colour)
    labels = chosen.labels if chosen.rows is None else chosen.rows.long()
    page = [] if xy.shape[1] != 2 else [with_pictures(shown, xy, labels if groups is None else groups)]
    pictures = (
        shrink(chosen[range(len(chosen))].pixels, THUMBNAIL_PX) if len(chosen) <= MOST_PICTURES else None
    )
    made = Points(
        xy=xy, ids=chosen.ids, labels=labels, classes=chosen.classes, axes=axes, caption=caption,
        notes=(*said, quality.sentence(shown.words), *notes), parts=(*page, *parts), pictures=pictures,
        groups=groups, group_names=names, predicted=shown.said.predicted, losses=shown.said.loss,
    )  # fmt: skip
    return made if extra is None else _with_extra(made, shown, *extra)


def with_pictures(shown: Scene, xy: Float[Tensor, "n 2"], labels: Int64[Tensor, " n"] | None) -> Pictures:
    """The same map with thumbnails instead of dots, framed in the colours of `labels`."""
    across = max(6, min(32, round(1.6 * len(xy) ** 0.5)))
    index, cells = grid(xy, across)
    page = thumbnail_map(shown.chosen[index], cells, across, None if labels is None else labels[index])
    frame = "" if labels is None else "; frames have the colours of the map above"
    return Pictures(
        title="The same map with its pictures",
        caption=f"{len(index):,} of {len(xy):,} pictures, each where it belongs, none over another{frame}.",
        images=page,
        columns=1,
        tile_px=page.shape[-2],
    )


def _groups(
    shown: Scene, colour: Colour
) -> tuple[Int64[Tensor, " n"] | None, tuple[str, ...], tuple[str, ...]]:
    """(a colour's number for each picture, what the colours are called, notes); None for the class's own colours."""
    said = shown.said
    if shown.chosen.rows is not None and colour.by != "loss":
        return _by_label(shown, colour)
    if colour.label is not None:
        raise InputError(
            f"label={colour.label!r} chooses one of several labels of a picture; {shown.chosen.name} has none"
        )
    if colour.by == "class":
        return None, (), ()
    if said.predicted is None:
        raise InputError(f"colour={colour.by!r} needs a classifier; {shown.net.name} answers with positions")
    if colour.by == "prediction":
        return said.predicted, shown.net.classes, ()
    if said.right is None or said.loss is None:
        raise InputError(
            f"colour={colour.by!r} needs labels that name the network's classes; {shown.chosen.name} has "
            f"{', '.join(shown.chosen.classes[:4]) or 'positions'}. colour='prediction' works"
        )
    if colour.by == "error":
        return (~said.right).long(), ("right", "wrong"), ()
    steps = (0.0, *LOSS_STEPS)
    names = (
        *(f"loss {a:g} to {b:g}" for a, b in pairwise(steps)),
        f"above {steps[-1]:g}",
    )
    return torch.bucketize(said.loss, torch.tensor(LOSS_STEPS)), names, ()


def _by_label(shown: Scene, colour: Colour) -> tuple[Int64[Tensor, " n"], tuple[str, ...], tuple[str, ...]]:
    """The colours of one of several labels: there or not, said or not, or right, missed and said in vain."""
    rows, names = shown.chosen.rows, shown.chosen.classes
    assert rows is not None
    name = colour.label or _chosen_label(rows, names)
    check_known(name, names, f"no label {name!r} in {shown.chosen.name}")
    there = rows[:, names.index(name)].long()
    note = f"Coloured by the label {name!r}, which {int(there.sum()):,} of {len(there):,} pictures have"
    note += "." if colour.label else ": the one nearest to half of them; label='NAME' takes another."
    if colour.by == "class":
        return there, (f"no {name}", name), (note,)
    said = shown.said.predicted
    if said is None or said.ndim != 2 or name not in shown.net.classes:
        raise InputError(f"colour={colour.by!r} needs a network that says the label {name!r}")
    called = said[:, shown.net.classes.index(name)]
    if colour.by == "prediction":
        return called, (f"{name} not said", f"{name} said"), (note,)
    return (called - there) % 3, ("right", f"{name} said but not there", f"{name} missed"), (note,)


def _chosen_label(rows: Float[Tensor, "n k"], names: tuple[str, ...]) -> str:
    """The label that is nearest to being there in half of the pictures; the first of several."""
    return names[int((rows.mean(0) - 0.5).abs().argmin())]


def _with_extra(made: Points, shown: Scene, xy: Tensor, images: Images) -> Points:
    """The map plus pictures from elsewhere, as a class of their own."""
    n, m = len(made.ids), len(images)
    names = made.classes if made.groups is None else made.group_names
    groups = made.labels if made.groups is None else made.groups
    groups = torch.zeros(n, dtype=torch.int64) if groups is None else groups
    names = names or ("data",)
    losses = None if made.losses is None else torch.cat([made.losses, torch.full((m,), torch.nan)])
    predicted = None if made.predicted is None else torch.cat([made.predicted, shown.net.predict(images)])
    pictures = made.pictures
    if pictures is not None:
        fitted = images.fit(shown.chosen[0].size, pictures.shape[1])
        pictures = torch.cat([pictures, shrink(fitted.pixels, THUMBNAIL_PX)])
    labels = made.labels
    if labels is not None:  # of several labels they have none, of one class none that is known
        labels = torch.cat([labels, torch.full((m, *labels.shape[1:]), -1 if labels.ndim == 1 else 0)])
    placed = (
        f"{m} pictures of your own are placed among the {n:,} of the data set, which stay where they are."
    )
    return replace(
        made, xy=torch.cat([made.xy, xy]), ids=(*made.ids, *(f"yours/{i}" for i in images.ids)),
        labels=labels, groups=torch.cat([groups, torch.full((m,), len(names))]),
        group_names=(*names, "yours"), predicted=predicted, losses=losses, pictures=pictures,
        notes=(placed, *made.notes),
    )  # fmt: skip
