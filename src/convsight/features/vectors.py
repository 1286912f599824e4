"""Which vector does the network turn each picture into, and what does it answer? One pass computes both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convsight.features.kept import kept
from convsight.features.selection import Selection
from convsight.images import Images
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.layers import feature_vectors
from convsight.progress import report_count

if TYPE_CHECKING:
    from convsight.datasets import Split

MAP_PX = 32  # maps of pixel space average larger pictures down to this side, so that PCA stays small


@dataclass(frozen=True, eq=False)
class Vectors:
    """One row a picture of `of`: its vector, and what the network answers.

    values: float32 n d. logits: float32 n k, or None where the network was not asked (pixel space).
    """

    of: Selection
    values: Float[Tensor, "n d"]
    logits: Float[Tensor, "n k"] | None
    space: str
    layer: str = ""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network says of labelled pictures: predicted class, whether it is right, its loss in nats.

    `predicted` counts in the network's classes, or has a row with 1 for each label that the network says (None of a
    network that answers with numbers or positions). Of several labels `right` means every one, `loss` is the mean
    over labels. `right` and `loss` are None where the labels name classes that the network does not have.
    """

    predicted: Int64[Tensor, " n"] | Int64[Tensor, "n k"] | None
    right: Bool[Tensor, " n"] | None
    loss: Float[Tensor, " n"] | None


def features_of(net: Classifier, chosen: Selection, layer: str | None = None) -> Vectors:
    """The features and logits of every picture in one pass; whole splits are remembered for the next call.

    layer: None for the vector that feeds the class scores; maps of other layers are averaged over place.
    """
    layer = net.layers[layer].name if layer else net.feature_layer
    rows, logits, done = [], [], 0
    for name, split in chosen.parts:
        known = _MEMORY.setdefault(net.module, WeakKeyDictionary()).setdefault(split, {})
        key = _state(net, layer)
        if key not in known:
            known[key] = kept(net, split, layer) or _run(net, split, layer, name, done, len(chosen))
        rows.append(known[key][0])
        logits.append(known[key][1])
        done += len(split)
    return Vectors(chosen, torch.cat(rows), torch.cat(logits), "features", layer)


def passes(net: Classifier, split: Split, layer: str) -> Iterator[tuple[Images, Tensor, Tensor]]:
    """(pictures, features b d, logits b k) of every batch of a split, in order, on the CPU."""
    shape = (net.channels, *net.input_size)
    for batch in split.batches(chunk_size(shape, most=1024)):
        images = net.fit(batch)
        parts = in_chunks(lambda part, i=images: _pass(net, i.pixels[part], layer), len(images), len(images))
        yield images, torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])


def pixels_of(net: Classifier, chosen: Selection, most_px: int | None = None) -> Vectors:
    """The pictures themselves as vectors, as the network receives them (before normalisation).

    most_px: larger pictures are averaged down to this side.
    """
    rows, start = torch.empty(0), 0
    for batch in chosen.batches(512):
        flat = _flat(net.fit(batch), most_px)
        rows = torch.empty(len(chosen), flat.shape[1]) if start == 0 else rows
        rows[start : start + len(flat)] = flat
        start += len(flat)
    return Vectors(chosen, rows, None, "pixels")


def query_vectors(
    net: Classifier, images: Images, space: str, layer: str | None, map_px: bool = False
) -> Float[Tensor, "n d"]:
    """The vectors of pictures that need not be in any data set. `map_px`: averaged down, as in maps of pixel
    space.
    """
    images = net.fit(images)
    return net.features(images, layer) if space == "features" else _flat(images, MAP_PX if map_px else None)


def answers(net: Classifier, vectors: Vectors) -> Answers:
    """Predicted class or labels, right or wrong and cross-entropy of every picture; nothing for numbers."""
    assert vectors.logits is not None  # vectors in pixel space have no logits
    several = net.task == "multilabel"
    if not net.one_class and not several:
        return Answers(None, None, None)
    chances = net.chances(vectors.logits)
    predicted = net.reader.predicted(chances)
    truth = as_net_labels(net, vectors.of) if several else as_net_classes(net, vectors.of)
    if truth is None:
        return Answers(predicted, None, None)
    if several:
        loss = F.binary_cross_entropy(chances, truth.to(chances), reduction="none").mean(1)
        return Answers(predicted, (predicted == truth).all(1), loss)
    return Answers(predicted, predicted == truth, losses(net, vectors.logits, truth))


def losses(net: Classifier, scores: Float[Tensor, "n k"], truth: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Cross-entropy of each picture in nats; rounding below zero is cut off."""
    return F.cross_entropy(net.softmax_scores(scores), truth, reduction="none").clamp(min=0)


def unit_rows(values: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Rows of length one; rows of zeros stay."""
    return F.normalize(values, dim=1, eps=1e-12)


def _run(
    net: Classifier, split: Split, layer: str, name: str, done: int, total: int
) -> tuple[Tensor, Tensor]:
    rows, logits, here = [], [], 0
    for images, vectors, scores in passes(net, split, layer):
        rows.append(vectors)
        logits.append(scores)
        here += len(images)
        report_count(done + here, total, "pictures", f"features of {name}")
    return torch.cat(rows), torch.cat(logits)


def _pass(net: Classifier, pixels: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    with torch.no_grad(), net.record(layer) as seen:
        logits = net.logits(pixels)
    return feature_vectors(seen[layer]).cpu(), logits.cpu()


def _flat(images: Images, most_px: int | None) -> Float[Tensor, "n d"]:
    pixels = images.pixels
    if most_px is not None and max(pixels.shape[2:]) > most_px:
        scale = most_px / max(pixels.shape[2:])
        pixels = F.adaptive_avg_pool2d(pixels, [max(1, round(side * scale)) for side in pixels.shape[2:]])
    return pixels.flatten(1)


def as_net_classes(net: Classifier, chosen: Selection) -> Int64[Tensor, " n"] | None:
    """Labels as indices of the network's classes: matched by name, or taken as they are if the network's
    classes are only numbered. None if neither fits.
    """
    if chosen.labels is None or not net.one_class:
        return None
    index = {name: i for i, name in enumerate(net.classes)}
    if all(name in index for name in chosen.classes):
        return torch.tensor([index[name] for name in chosen.classes])[chosen.labels]
    nameless = net.classes == tuple(map(str, range(len(net.classes))))
    return chosen.labels if nameless and len(chosen.classes) <= len(net.classes) else None


def as_net_labels(net: Classifier, chosen: Selection) -> Int64[Tensor, "n k"] | None:
    """Several labels of each picture as 0 and 1 in the order of the network's labels; None if the names differ."""
    if chosen.rows is None or set(chosen.classes) != set(net.classes):
        return None
    return chosen.rows[:, [chosen.classes.index(name) for name in net.classes]].long()


# By network and split, what was computed, kept as long as both exist
_MEMORY: WeakKeyDictionary[torch.nn.Module, WeakKeyDictionary] = WeakKeyDictionary()


def _state(net: Classifier, layer: str) -> tuple:
    """Everything that decides a feature besides the pictures."""
    scale = [None if t is None else tuple(t.flatten().tolist()) for t in (net.mean, net.std)]
    return (net.weights_hash, layer, net.input_size, net.crop, *scale)
