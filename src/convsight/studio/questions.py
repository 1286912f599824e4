"""Who is mistaken for whom, and which pictures are near one? Questions to the whole data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from convsight.errors import InputError
from convsight.features.exact import nearest
from convsight.features.search import find_in_set
from convsight.features.selection import Selection
from convsight.features.vectors import as_net_classes, features_of, pixels_of, query_vectors
from convsight.studio import schemas
from convsight.studio.identity import picture_ids

if TYPE_CHECKING:
    from convsight.studio.session import Studio

MOST_NEIGHBOURS = 100


def confusion(studio: Studio, split: str) -> schemas.Confusion:
    """The confusion matrix of a split; with `job` and no numbers while its predictions are being made."""
    if studio.data is None or studio.net.task != "classify":
        raise InputError("a confusion matrix needs a data set of classes; start the studio with --data")
    known = studio.predictions.get(split)
    if known is None:
        job = studio.jobs.start(
            f"Predictions of the {split} split", lambda job: studio.predictions.make(split),
            key=f"predictions {split}", lane="data",
        )  # fmt: skip
        job.finished.wait(0.05)
        known = studio.predictions.get(split)
        if known is None:
            return schemas.Confusion(
                classes=list(studio.net.classes), counts=[], accuracy=None, interval=(None, None),
                per_class=[], job=job.id,
            )  # fmt: skip
    truth = as_net_classes(studio.net, Selection.of(studio.data, split))
    if truth is None:
        raise InputError("the labels of this data set do not name the network's classes")
    from convsight.training.evaluate import class_metrics  # with lightning: not before it is needed

    told = class_metrics(known.logits, truth, studio.net.classes)
    rows = [
        schemas.ClassAccuracy(
            name=row["class"], n=row["n"], accuracy=row["accuracy"], low=row["interval"][0],
            high=row["interval"][1],
        )
        for row in told["per_class"]
    ]  # fmt: skip
    low, high = told["interval"]
    return schemas.Confusion(
        classes=told["classes"], counts=told["confusion"], accuracy=told["accuracy"], interval=(low, high),
        per_class=rows,
    )  # fmt: skip


def neighbours(
    studio: Studio, picture: str, k: int, metric: str, layer: str | None, split: str
) -> schemas.Neighbours:
    """The k nearest pictures by features and by pixels; with `job` while the set is being gone through."""
    if studio.data is None:
        raise InputError("neighbours need a data set; start the studio with --data")
    asked = studio.pictures.some([picture])
    layer = studio.net.layers[layer].name if layer else None
    chosen = Selection.of(studio.data, split)
    job = studio.jobs.start(
        "Features of the data set", lambda job: _vectors(studio, chosen, layer, split),
        key=f"vectors {layer} {split}", lane="data",
    ) if studio.store.get(f"vectors {layer} {split}") is None else None  # fmt: skip
    if job is not None and not job.finished.wait(0.05):
        empty = schemas.Agreement(features=None, pixels=None)
        return schemas.Neighbours(features=[], pixels=[], agreement=empty, job=job.id)
    features, pixels = _vectors(studio, chosen, layer, split)
    chosen = features.of
    itself, _ = (
        (find_in_set(studio.net, asked, chosen))
        if picture.startswith("up:")
        else (_place(studio, picture, chosen), 0)
    )
    found = {}
    for vectors in (features, pixels):
        query = query_vectors(studio.net, asked, vectors.space, layer)
        distances, rows = nearest(query, vectors.values, k, metric, skip=itself)
        names = [chosen.ids[i] for i in rows[0].tolist()]
        labels = [None] * len(names) if chosen.labels is None else chosen.labels[rows[0]].tolist()
        found[vectors.space] = [
            schemas.Neighbour(
                picture=p,
                distance=d,
                label=None if label is None or not chosen.classes else chosen.classes[label],
            )
            for p, d, label in zip(
                picture_ids(studio.data, names, split), distances[0].tolist(), labels, strict=True
            )
        ]
    label = (
        None
        if asked.labels is None or asked.labels.ndim != 1 or not asked.classes
        else asked.classes[int(asked.labels[0])]
    )
    shares = {space: _share(rows, label) for space, rows in found.items()}
    return schemas.Neighbours(**found, agreement=schemas.Agreement(**shares))


def _vectors(studio: Studio, chosen: Selection, layer: str | None, split: str):
    """The features and pixels of a selection, remembered."""
    key = f"vectors {layer} {split}"
    kept = studio.store.get(key)
    if kept is None:
        both = (features_of(studio.net, chosen, layer), pixels_of(studio.net, chosen))
        size = sum(4 * each.values.numel() for each in both)
        kept = studio.store.put(key, both, size)
    return kept


def _place(studio: Studio, picture: str, chosen: Selection) -> torch.Tensor:
    """The number of a picture of the data set in the selection, −1 if it is not among them."""
    split, _, index = picture.partition(":")
    start = 0
    for name, part in chosen.parts:
        if name == split:
            return torch.tensor([start + int(index)])
        start += len(part)
    return torch.tensor([-1])


def _share(rows: list[schemas.Neighbour], label: str | None) -> float | None:
    if label is None or not rows:
        return None
    return sum(row.label == label for row in rows) / len(rows)
