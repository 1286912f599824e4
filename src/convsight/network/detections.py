"""What does a detector say of a picture: boxes with a class and a score, as torchvision's detectors return them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import ModelError


def is_detections(output: Any) -> bool:
    """Whether it is a list of dictionaries, one a picture, with boxes, labels and scores."""
    wanted = {"boxes", "labels", "scores"}
    return (
        isinstance(output, (list, tuple))
        and len(output) > 0
        and all(isinstance(one, Mapping) and wanted <= set(one) for one in output)
    )


def best_scores(output: Sequence[Mapping[str, Tensor]], k: int) -> Float[Tensor, "n k"]:
    """For each picture and class the score of the most confident box; 0 where there is none."""
    return torch.stack([_best(one["scores"], one["labels"], k) for one in output])


def agreement(
    output: Sequence[Mapping[str, Tensor]], label: int, box: tuple[float, float, float, float]
) -> Float[Tensor, " n"]:
    """For each picture the largest score × overlap (IoU) of a box of that class with `box` (y, x, height, width).

    Source: the similarity of D-RISE, Petsiuk et al. 2021, arXiv:2006.03204, for one class and one box.
    """
    y, x, height, width = box
    asked = (x, y, x + width, y + height)
    found = []
    for one in output:
        of_class = one["labels"] == label
        agrees = one["scores"][of_class] * overlap(one["boxes"][of_class], asked)
        found.append(agrees.max() if len(agrees) else one["scores"].sum() * 0)
    return torch.stack(found)


def overlap(boxes: Float[Tensor, "m 4"], asked: tuple[float, float, float, float]) -> Float[Tensor, " m"]:
    """Intersection over union of boxes x1 y1 x2 y2 with one box."""
    left, top, right, bottom = boxes.unbind(1)
    width = (right.clamp(max=asked[2]) - left.clamp(min=asked[0])).clamp(min=0)
    height = (bottom.clamp(max=asked[3]) - top.clamp(min=asked[1])).clamp(min=0)
    both = width * height
    areas = (right - left) * (bottom - top) + (asked[2] - asked[0]) * (asked[3] - asked[1])
    return both / (areas - both).clamp(min=1e-9)


def classes_in(module: nn.Module) -> int:
    """How many classes a detector knows, by what it says of itself; ModelError if it says nothing."""
    for part in module.modules():
        if isinstance(known := getattr(part, "num_classes", None), int):
            return known
        if isinstance(head := getattr(part, "cls_score", None), nn.Linear):
            return head.out_features
    raise ModelError(
        "this network detects, and does not say how many classes it knows: give classes=[...], in the order of "
        "its labels (torchvision's label 0 is the background)"
    )


def _best(scores: Tensor, labels: Tensor, k: int) -> Float[Tensor, " k"]:
    if len(labels) and int(labels.max()) >= k:
        raise ModelError(
            f"the detector found the label {int(labels.max())}, but {k} class names were given, for the labels 0 to "
            f"{k - 1} (torchvision's label 0 is the background: name it too)"
        )
    none = torch.zeros(k, dtype=scores.dtype, device=scores.device)
    return none.scatter_reduce(0, labels, scores, "amax")
