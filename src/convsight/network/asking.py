"""What does a user's target mean for these pictures, whatever kind of output the network has?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images, as_images
from convsight.network.answering import Answering
from convsight.network.detections import agreement, best_scores
from convsight.network.regions import (
    WHERE,
    Box,
    confident_box,
    free,
    in_regions,
    is_box,
    like_vectors,
    mask_of,
)
from convsight.network.targets import Target, output_of, outputs_target, resolve_target


def target_of(net: Answering, target: Any, images: Images, logits: Tensor | None = None) -> Target:
    """The `Target` that a user's `target` means for these pictures.

    Beside what `resolve_target` takes: a function of the network's output that gives one number a picture;
    for maps a class, or (class, region) with a mask, a box (y, x, height, width), "where predicted" or
    "everywhere"; for detections (class, box); for vectors a picture to be alike. None is what the network
    predicts. `logits`: those of the pictures, if the caller has them.
    """
    if isinstance(target, Target):
        return target
    if callable(target) and not isinstance(target, (Tensor, type)):
        return of_function(net, cast(Callable[[Any], Tensor], target), len(images))
    if not _is_unit(net, target):
        if net.task == "segment":
            return _in_maps(net, target, images)
        if net.task == "detect":
            return _in_boxes(net, target, images)
        if net.task == "embed" and not isinstance(target, int):
            return _likeness(net, target, images)
    if target is None:
        return _predicted(net, images, logits)
    return resolve_target(net, target, len(images))


def of_function(net: Answering, function: Callable[[Any], Tensor], n: int) -> Target:
    """One number a picture that the user's function makes of all that the network returns."""
    name = getattr(function, "__name__", type(function).__name__)
    label = "your function of the output" if name == "<lambda>" else f"{name} of the output"
    return _through(net, free(function), (label,), torch.zeros(n, dtype=torch.long), (label,) * n)


def _predicted(net: Answering, images: Images, logits: Tensor | None) -> Target:
    if net.task in ("regress", "locate", "embed"):
        chosen = outputs_target(net, torch.zeros(len(images), dtype=torch.long))
        note = "" if len(net.classes) == 1 else f"No target was given: the first output, {net.classes[0]!r}."
        return replace(chosen, note=note)
    if logits is None or net.task != "classify":  # a binary network may have a threshold of its own
        predicted = net.predict(images) if net.one_class else net.probabilities(images).argmax(1)
    else:
        predicted = logits.argmax(1)
    note = "No target was given: each picture's most probable label." if net.task == "multilabel" else ""
    return replace(outputs_target(net, predicted), note=note)


def _in_maps(net: Answering, target: Any, images: Images) -> Target:
    """A class in a region of each picture, by default where the network predicts it."""
    predicted = net.predict(images)
    classes, masks, labels = [], [], []
    for i, (wanted, region) in enumerate(_pairs(target, len(images))):
        of_class = int(predicted[i].flatten().mode().values) if wanted is None else output_of(net, wanted)
        mask, words = mask_of(region, images.size, predicted[i] == of_class)
        classes.append(of_class)
        masks.append(mask)
        labels.append(f"{net.classes[of_class].split(', ')[0]} {words}")
    view = in_regions(net.reader, classes, torch.stack(masks))
    return _through(net, view, labels, torch.arange(len(images)), labels)


def _in_boxes(net: Answering, target: Any, images: Images) -> Target:
    """A box of each picture, by default the most confident one of that class or of all."""
    asked: list[tuple[int, Box | None]] = []
    for i, (wanted, box) in enumerate(_pairs(target, len(images))):
        label = None if wanted is None else output_of(net, wanted)
        if is_box(box):
            if label is None:
                raise InputError("a box needs a class: target=(class, (y, x, height, width))")
            asked.append((label, tuple(map(float, box))))  # type: ignore[arg-type]
            continue
        best = confident_box(net.detections(images[i]), label)
        if best is None and label is None:
            raise InputError(f"nothing is detected in picture {images.ids[i]}; name a class: target='...'")
        asked.append(best or (label or 0, None))
    labels = [_boxed(net, label, box) for label, box in asked]

    def of(output: Any) -> Tensor:
        each = [
            best_scores(output, len(net.classes))[:, label] if box is None else agreement(output, label, box)
            for label, box in asked
        ]
        return torch.stack(each, 1)

    return _through(net, of, labels, torch.arange(len(images)), labels)


def _boxed(net: Answering, label: int, box: Box | None) -> str:
    if box is None:
        return f"{net.classes[label]} (not detected)"
    y, x, height, width = (round(v) for v in box)
    return f"{net.classes[label]} at y {y}, x {x}, {height}×{width}"


def _likeness(net: Answering, target: Any, images: Images) -> Target:
    """How alike each picture's vector is to that of the target's picture (one for all, or one each)."""
    if not isinstance(target, (Images, Tensor, np.ndarray, str, os.PathLike)) and not hasattr(target, "size"):
        raise InputError(
            "this network gives a vector: target is a picture to be alike (a file, an array, Images), the number "
            "of an output, or a function of the vectors"
        )
    wanted = net.scores(net.fit(as_images(target)))
    if len(wanted) not in (1, len(images)):
        raise InputError(f"{len(wanted)} pictures as target for {len(images)}; give one, or one each")
    label = "likeness to the target's picture"
    outputs = torch.zeros(len(images)) if len(wanted) == 1 else torch.arange(len(images))
    names = (label,) * len(wanted)
    return _through(net, like_vectors(net.reader, wanted), names, outputs.long(), (label,) * len(images))


def _through(
    net: Answering,
    of: Callable[[Any], Tensor],
    names: Sequence[str],
    outputs: Tensor,
    labels: Sequence[str],
) -> Target:
    return Target(tuple(labels), outputs, through=net.view(of, names))


def _pairs(target: Any, n: int) -> list[tuple[Any, Any]]:
    """(class, region) of each picture; a class given alone stands for the region where it is predicted."""
    several = isinstance(target, list) or (isinstance(target, Tensor) and target.ndim == 1)
    if not several:
        return [_pair(target)] * n
    if len(target) != n:
        raise InputError(f"{len(target)} targets given for {n} pictures; give one, or one per picture")
    return [_pair(item) for item in target]


def _pair(target: Any) -> tuple[Any, Any]:
    if isinstance(target, tuple) and len(target) == 2:
        return target
    if isinstance(target, str) and "@" in target:
        name, _, region = target.partition("@")
        return name.strip(), region.strip()
    return target, WHERE[0]


def _is_unit(net: Answering, target: Any) -> bool:
    """Whether the target names a unit of a layer."""
    if isinstance(target, str):
        return target not in net.classes and ":" in target and target.partition(":")[0] in net.layers
    first = target[0] if isinstance(target, tuple) and target else None
    later = target[1:] if isinstance(target, tuple) else ()
    return (
        isinstance(first, str)
        and len(later) in (1, 3)
        and all(isinstance(v, (int, np.integer)) for v in later)
    )
