"""How good is it, on pictures it has not seen, and how sure can we be of that?"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Split
from convsight.errors import DataError, InputError
from convsight.network.classifier import Classifier
from convsight.training.by_label import label_metrics
from convsight.training.by_neighbour import recall_metrics
from convsight.training.by_number import locate_metrics, number_metrics
from convsight.training.calibration import calibration, ratio
from convsight.training.roc import roc

BATCH = 500


def test(
    net: Classifier, split: Split, *, flip: bool = True, scores: Float[Tensor, "n k"] | None = None
) -> dict[str, Any]:
    """Everything measured on a labelled split, as plain numbers that JSON can hold.

    One class a picture ("classify", "binary"): n, right, accuracy with its 95 % Wilson interval; loss
    (cross-entropy, nats); `flip`: accuracy when the probabilities of each picture and its mirror image are
    averaged (a separate, better figure); per_class: one entry a class with accuracy (of those that are it),
    interval, and precision (of those called it); confusion: rows true, columns predicted; confused: the pairs
    most often mistaken, worst first; calibration: the expected calibration error and the reliability diagram
    behind it; roc: of two classes, see `roc.roc`. Several labels: see `by_label.label_metrics`. Numbers: see
    `by_number.number_metrics`. Positions: errors in pixels over all and per output. Vectors ("embed") of pictures
    with classes: see `by_neighbour.recall_metrics`.

    scores: what `net.scores` says of the split, from a caller who has it; then the network is not asked, and no mirror
    images are.

    Raises DataError if the split's labels are not what the network answers, InputError for a network whose
    task has no measure here.
    """
    if split.labels.ndim == 2 and not split.labels.shape[1]:
        raise DataError(
            "these pictures carry no labels, so nothing can be measured; a labels.csv beside them, with the columns "
            "file and label, names them"
        )
    measure = {"multilabel": _labels, "regress": _numbers, "locate": _numbers, "embed": _nearest}.get(
        net.task
    )
    if measure is not None:
        return measure(net, split, scores)
    if not net.one_class:
        raise InputError(
            f"the task {net.task!r} is not measured: a data set here has classes, labels or numbers, and no masks "
            "or boxes. Measure it in your own loop over net.probabilities(images)"
        )
    if split.labels.ndim != 1:
        raise DataError(
            f"the network says one of {len(net.classes)} classes, and the data has {split.labels.shape[1]} labels "
            "a picture; task='multilabel' reads a network as saying each of them"
        )
    truth = _in_order_of(net, split)[split.labels]
    flip = flip and scores is None
    scores = net.softmax_scores(_over(net, split, net.scores) if scores is None else scores)
    found = class_metrics(scores, truth, net.classes, net.reader.predicted(scores.softmax(1)))
    if len(net.classes) == 2:
        threshold = 0.5 if net.reader.thresholds is None else float(net.reader.thresholds[-1])
        found["roc"] = roc(scores.softmax(1)[:, 1], truth == 1, net.classes[1], threshold)
    return {**found, "flip": _flipped(net, split, scores, truth)} if flip else found


def _labels(net: Classifier, split: Split, scores: Tensor | None) -> dict[str, Any]:
    truth = split.labels.float()
    if truth.ndim == 1:  # one class a picture is its only label
        truth = F.one_hot(split.labels.long(), len(split.classes or net.classes)).float()
    order = _in_order_of(net, split)
    right = torch.zeros(len(truth), len(net.classes))
    if truth.shape[1] != len(order):
        raise DataError(f"the data has {truth.shape[1]} labels a picture, the network {len(net.classes)}")
    right[:, order] = truth
    chances = _over(net, split, net.probabilities) if scores is None else net.chances(scores)
    return label_metrics(chances, right, net.classes, net.reader.each_threshold)


def _nearest(net: Classifier, split: Split, scores: Tensor | None) -> dict[str, Any]:
    if split.labels.ndim != 1 or not split.classes:
        raise DataError(
            "a network of vectors is measured on pictures with one class each: which is nearest to which?"
        )
    scores = _over(net, split, net.scores) if scores is None else scores
    return recall_metrics(scores, split.labels, split.classes)


def _numbers(net: Classifier, split: Split, scores: Tensor | None) -> dict[str, Any]:
    truth = split.labels.float()
    truth = truth[:, None] if truth.ndim == 1 and not split.classes else truth
    if truth.ndim != 2 or truth.shape[1] != len(net.classes):
        given = f"{len(split.classes)} classes" if split.classes else f"{truth.shape[-1]} numbers a picture"
        raise DataError(f"the network answers with {len(net.classes)} numbers, the data has {given}")
    scores = _over(net, split, net.scores) if scores is None else scores
    if net.task == "locate":
        return locate_metrics(scores, truth, net.classes)
    return number_metrics(scores, truth, net.classes, net.units)


def class_metrics(
    scores: Float[Tensor, "n k"],
    truth: Int64[Tensor, " n"],
    classes: tuple[str, ...],
    predicted: Int64[Tensor, " n"] | None = None,
) -> dict[str, Any]:
    """Accuracy, confusion and calibration from logits and true classes (and predicted ones, if not by argmax)."""
    k, n = len(classes), len(truth)
    predicted = scores.argmax(1) if predicted is None else predicted
    confusion = torch.bincount(truth * k + predicted, minlength=k * k).view(k, k)
    right = int(confusion.diag().sum())
    return {
        "n": n,
        **_share_right(right, n),
        "loss": F.cross_entropy(scores, truth).item() if n else None,
        "classes": list(classes),
        "per_class": [_class_row(name, i, confusion) for i, name in enumerate(classes)],
        "confusion": confusion.tolist(),
        "confused": most_confused(confusion, classes),
        "calibration": calibration(scores.softmax(1), truth),
    }


def wilson(right: int, n: int, z: float = 1.959964) -> list[float]:
    """95 % interval of a share: where the true one lies, given `right` of `n` (Wilson 1927).

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return [0.0, 1.0]
    share = right / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return [max(0.0, centre - half), min(1.0, centre + half)]


def most_confused(confusion: Int64[Tensor, "k k"], classes: tuple[str, ...], most: int = 10) -> list[dict]:
    """The mistakes (true, predicted) that happen most often, with their share of the true class."""
    wrong = confusion.clone().fill_diagonal_(0)
    pairs = []
    for index in wrong.flatten().argsort(descending=True, stable=True)[:most].tolist():
        true, predicted = divmod(index, len(classes))
        count = int(wrong[true, predicted])
        if count:
            share = count / int(confusion[true].sum())
            pairs.append(
                {"true": classes[true], "predicted": classes[predicted], "count": count, "share": share}
            )
    return pairs


def _over(net: Classifier, split: Split, ask: Callable[[Tensor], Tensor]) -> Tensor:
    """What `ask` answers for all pictures of a split, fitted to the network."""
    found = [torch.zeros(0, len(net.classes))]
    for images in split.batches(BATCH):
        fits = images.size == net.input_size and images.channels == net.channels
        found.append(ask(images.pixels if fits else net.fit(images).pixels))
    return torch.cat(found)


def _flipped(net: Classifier, split: Split, scores: Tensor, truth: Tensor) -> dict[str, Any]:
    """How many are right when the probabilities of each picture and of its mirror image are added."""
    mirrored = net.softmax_scores(_over(net, split, lambda pixels: net.scores(pixels.flip(3))))
    right = int(((scores.softmax(1) + mirrored.softmax(1)).argmax(1) == truth).sum())
    return _share_right(right, len(truth))


def _share_right(right: int, n: int) -> dict[str, Any]:
    return {"right": right, "accuracy": ratio(right, n), "interval": wilson(right, n)}


def _in_order_of(net: Classifier, split: Split) -> Int64[Tensor, " k"]:
    """For each class of the split, its index among the network's."""
    if not split.classes or split.classes == net.classes:
        return torch.arange(len(net.classes))
    if missing := [name for name in split.classes if name not in net.classes]:
        raise DataError(
            f"the data has classes that the network does not know: {', '.join(missing[:8])}; it knows"
            f" {', '.join(net.classes[:20])}"
        )
    return torch.tensor([net.classes.index(name) for name in split.classes])


def _class_row(name: str, i: int, confusion: Tensor) -> dict[str, Any]:
    right, n, called = (int(x) for x in (confusion[i, i], confusion[i].sum(), confusion[:, i].sum()))
    return {
        "class": name,
        "n": n,
        **_share_right(right, n),
        "precision": ratio(right, called),
    }
