"""How good is it, on pictures it has not seen, and how sure can we be of that?"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.datasets import Split
from convsight.errors import DataError
from convsight.network.classifier import Classifier

BATCH = 500
BINS = 15  # of confidence, as in Guo et al. 2017


def test(net: Classifier, split: Split, *, flip: bool = True) -> dict[str, Any]:
    """Everything measured on a labelled split, as plain numbers that JSON can hold.

    For classes: n, right, accuracy with its 95 % Wilson interval; loss (cross-entropy, nats); `flip`:
    accuracy when the probabilities of each picture and its mirror image are averaged (a separate, better
    figure); per_class: one entry a class with accuracy (of those that are it), interval, and precision (of
    those called it); confusion: rows true, columns predicted; confused: the pairs most often mistaken, worst
    first; calibration: the expected calibration error and the reliability diagram behind it. For positions:
    errors in pixels over all and per output.

    Raises DataError if the split's classes are not the network's.
    """
    if net.task == "locate":
        return locate_metrics(*_scored(net, split)[:2], net.classes)
    scores, truth, mirrored = _scored(net, split, flip=flip)
    truth = _in_order_of(net, split)[truth]
    return {
        **class_metrics(scores, truth, net.classes),
        **(_flipped(scores, mirrored, truth) if flip else {}),
    }


def class_metrics(
    scores: Float[Tensor, "n k"], truth: Int64[Tensor, " n"], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Accuracy, confusion and calibration from logits and true classes."""
    k, n = len(classes), len(truth)
    predicted = scores.argmax(1)
    confusion = torch.bincount(truth * k + predicted, minlength=k * k).view(k, k)
    right = int(confusion.diag().sum())
    return {
        "n": n,
        "right": right,
        "accuracy": _ratio(right, n),
        "interval": wilson(right, n),
        "loss": F.cross_entropy(scores, truth).item() if n else None,
        "classes": list(classes),
        "per_class": [_class_row(name, i, confusion) for i, name in enumerate(classes)],
        "confusion": confusion.tolist(),
        "confused": most_confused(confusion, classes),
        "calibration": calibration(scores.softmax(1), truth),
    }


def locate_metrics(
    places: Float[Tensor, "n m"], truth: Float[Tensor, "n m"], outputs: tuple[str, ...]
) -> dict[str, Any]:
    """Absolute errors in pixels: mean, median and the 95th percentile, over everything and per output."""
    error = (places - truth).abs()
    rows = [{"output": name, **_error_row(error[:, i])} for i, name in enumerate(outputs)]
    return {"n": len(error), "error_px": _error_row(error), "per_output": rows}


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


def calibration(probabilities: Float[Tensor, "n k"], truth: Int64[Tensor, " n"]) -> dict[str, Any]:
    """Does 80 % sure mean 80 % right? Expected calibration error over 15 equal bins of confidence.

    ece = Σ (bin's share) · |accuracy - mean confidence|, 0 (honest) to 1. Source: Guo, Pleiss, Sun and
    Weinberger 2017, arXiv 1706.04599.
    """
    n = len(truth)
    confidence, predicted = probabilities.max(1)
    right = (predicted == truth).double()
    place = (confidence * BINS).long().clamp(max=BINS - 1)
    count = torch.bincount(place, minlength=BINS).double()
    sure = torch.bincount(place, confidence.double(), minlength=BINS)
    true = torch.bincount(place, right, minlength=BINS)
    bins = [
        {
            "low": b / BINS,
            "high": (b + 1) / BINS,
            "n": int(count[b]),
            "confidence": _ratio(sure[b].item(), count[b].item()),
            "accuracy": _ratio(true[b].item(), count[b].item()),
        }
        for b in range(BINS)
    ]
    gap = _ratio((true - sure).abs().sum().item(), n)
    return {"ece": gap, "mean_confidence": _ratio(confidence.sum().item(), n), "bins": bins}


def _scored(net: Classifier, split: Split, *, flip: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, labels, and scores of the mirror images (empty if not asked for)."""
    scores, mirrored = [torch.zeros(0, len(net.classes))], [torch.zeros(0, len(net.classes))]
    for images in split.batches(BATCH):
        pixels = images.pixels if images.size == net.input_size and images.channels == net.channels else None
        pixels = net.fit(images).pixels if pixels is None else pixels
        scores.append(net.scores(pixels))
        if flip:
            mirrored.append(net.scores(pixels.flip(3)))
    return torch.cat(scores), split.labels, torch.cat(mirrored)


def _flipped(scores: Tensor, mirrored: Tensor, truth: Tensor) -> dict[str, Any]:
    right = int(((scores.softmax(1) + mirrored.softmax(1)).argmax(1) == truth).sum())
    return {
        "flip": {"right": right, "accuracy": _ratio(right, len(truth)), "interval": wilson(right, len(truth))}
    }


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
        "right": right,
        "accuracy": _ratio(right, n),
        "interval": wilson(right, n),
        "precision": _ratio(right, called),
    }


def _error_row(error: Tensor) -> dict[str, float | None]:
    if not error.numel():
        return {"mean": None, "median": None, "p95": None}
    flat = error.flatten().double()
    return {
        "mean": flat.mean().item(),
        "median": flat.quantile(0.5).item(),
        "p95": flat.quantile(0.95).item(),
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
