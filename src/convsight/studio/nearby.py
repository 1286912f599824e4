"""Which pictures of the data set are nearest to one, by the network's features and by pixels?"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

from convsight.errors import InputError
from convsight.features.exact import nearest
from convsight.features.search import find_in_set
from convsight.features.selection import Selection
from convsight.features.vectors import MAP_PX, Vectors, features_of, pixels_of, query_vectors
from convsight.images import Images
from convsight.studio import schemas
from convsight.studio.identity import picture_ids
from convsight.studio.session import Studio

MOST_NEIGHBOURS = 100
MOST_BYTES = 2**29  # if all pixels as floats take more, pictures are averaged down before they are compared
WAIT_S = 0.05


def neighbours(
    studio: Studio, picture: str, k: int, metric: str, layer: str | None, split: str
) -> schemas.Neighbours:
    """The k nearest pictures by features and by pixels; with `job` while the set is being gone through."""
    if studio.data is None:
        raise InputError("neighbours need a data set; start the studio with --data")
    asked = studio.pictures.some([picture])
    layer = studio.net.layers[layer].name if layer else None
    key = f"vectors {layer} {split}"
    both: tuple[Vectors, Vectors] | None = studio.store.get(key)
    if both is None:
        job = studio.jobs.start(
            "Features of the data set", lambda job: _remember(studio, key, layer, split), key=key, lane="data"
        )
        job.finished.wait(WAIT_S)
        if job.failure is not None:
            raise job.failure
        both = studio.store.get(key)
        if both is None:
            empty = schemas.Agreement(features=None, pixels=None)
            return schemas.Neighbours(features=[], pixels=[], agreement=empty, job=job.id)
    itself = _number(studio, asked, picture, both[0].of)
    features, pixels = (_row(studio, asked, vectors, itself, k, metric, layer, split) for vectors in both)
    label = _label(asked)
    agreement = schemas.Agreement(features=_share(features, label), pixels=_share(pixels, label))
    return schemas.Neighbours(features=features, pixels=pixels, agreement=agreement, job=None)


def _remember(studio: Studio, key: str, layer: str | None, split: str) -> None:
    assert studio.data is not None
    chosen = Selection.of(studio.data, split)
    both = (features_of(studio.net, chosen, layer), pixels_of(studio.net, chosen, _most_px(studio, chosen)))
    studio.store.put(key, both, sum(4 * each.values.numel() for each in both))


def _most_px(studio: Studio, chosen: Selection) -> int | None:
    h, w = studio.net.input_size
    return MAP_PX if 4 * len(chosen) * studio.net.channels * h * w > MOST_BYTES else None


def _row(
    studio: Studio,
    asked: Images,
    vectors: Vectors,
    itself: Int64[Tensor, " 1"],
    k: int,
    metric: str,
    layer: str | None,
    split: str,
) -> list[schemas.Neighbour]:
    chosen = vectors.of
    small = vectors.space == "pixels" and _most_px(studio, chosen) is not None
    query = query_vectors(studio.net, asked, vectors.space, layer, map_px=small)
    distances, rows = nearest(query, vectors.values, k, metric, skip=itself)
    found = rows[0].tolist()
    pictures = picture_ids(studio.data, [chosen.ids[i] for i in found], split)
    names = chosen.classes if chosen.labels is not None else ()
    labels = [names[int(chosen.labels[i])] if names and chosen.labels is not None else None for i in found]
    return [
        schemas.Neighbour(picture=p, distance=d, label=label)
        for p, d, label in zip(pictures, distances[0].tolist(), labels, strict=True)
    ]


def _number(studio: Studio, asked: Images, picture: str, chosen: Selection) -> Int64[Tensor, " 1"]:
    """The number of the picture itself in the selection, −1 if it is not among them."""
    split, _, index = picture.partition(":")
    if split == "up":
        return find_in_set(studio.net, asked, chosen)[0]
    start = 0
    for name, part in chosen.parts:
        if name == split:
            return torch.tensor([start + int(index)])
        start += len(part)
    return torch.tensor([-1])


def _label(asked: Images) -> str | None:
    if asked.labels is None or asked.labels.ndim != 1 or not asked.classes:
        return None
    return asked.classes[int(asked.labels[0])]


def _share(rows: list[schemas.Neighbour], label: str | None) -> float | None:
    if label is None or not rows:
        return None
    return sum(row.label == label for row in rows) / len(rows)
