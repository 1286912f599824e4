"""What did the network say of the test pictures, beside what they are: a random dozen, and the surest mistakes?"""

from __future__ import annotations

import torch
from torch import Tensor

from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures
from convsight.run import Run

SHOWN = 16
SAMPLE = 2000


def predictions(run: Run) -> list[str]:
    """Figures of test pictures with what was said and what is true under each, for the task of the network."""
    net, split = run.classifier, run.dataset.test
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
    sample = split[order[: min(len(split), SAMPLE)]]
    if net.one_class:
        return _of_classes(net, sample)
    if net.task == "multilabel" and sample.labels is not None and sample.labels.ndim == 2:
        return _of_labels(net, sample)
    return _of_numbers(net, sample) if net.task in ("regress", "locate") else []


def _of_classes(net: Classifier, sample: Images) -> list[str]:
    predicted, confidence = net.predict(sample), net.probabilities(sample).max(1).values
    right = predicted == sample.labels
    words = f"A random sixteen; {int(right.sum())} of {len(sample)} drawn were right. Under each: predicted (true)."
    labels = [] if sample.labels is None else sample.labels.tolist()
    names = [_named(net.classes, int(p), labels[i]) for i, p in enumerate(predicted)]
    first = _grid(sample, "Predicted and true", words, torch.arange(min(SHOWN, len(sample))), names, right)
    return [first, *_mistakes(sample, "Wrong, and most confident of it.", names, right, confidence)]


def _of_labels(net: Classifier, sample: Images) -> list[str]:
    assert sample.labels is not None
    said, chance, truth = net.predict(sample).bool(), net.probabilities(sample), sample.labels > 0.5
    right = (said == truth).all(1)
    names = [_differences(net.classes, s, t) for s, t in zip(said, truth, strict=True)]
    words = "Under each what was said; − was missed, + was said and is not there."
    caption = f"A random sixteen; {int(right.sum())} of {len(sample)} drawn have every label right. {words}"
    first = _grid(sample, "Labels said", caption, torch.arange(min(SHOWN, len(sample))), names, right)
    off = (chance - truth.float()).abs().amax(1)
    return [first, *_mistakes(sample, f"A label wrong, and most confident of it. {words}", names, right, off)]


def _of_numbers(net: Classifier, sample: Images) -> list[str]:
    if sample.labels is None or sample.labels.ndim != 2:
        return []
    said, truth = net.scores(sample), sample.labels.float()
    unit = [f" {u}" for u in net.units] or ["" if net.task == "regress" else " px"] * len(net.classes)
    names = [
        ", ".join(f"{s:.3g}{u} ({t:.3g})" for s, t, u in zip(row, right, unit, strict=True))
        for row, right in zip(said.tolist(), truth.tolist(), strict=True)
    ]
    far = ((said - truth) / truth.std(0).clamp(min=1e-9)).abs().mean(1).argsort(descending=True)[:SHOWN]
    caption = f"Under each: said (true), of {', '.join(net.classes)}."
    first = torch.arange(min(SHOWN, len(sample)))
    return [
        _grid(sample, "Said and true", f"A random sixteen. {caption}", first, names, None),
        _grid(sample, "Farthest off", caption, far, names, None),
    ]


def _mistakes(sample: Images, caption: str, names: list[str], right: Tensor, sureness: Tensor) -> list[str]:
    """The mistakes of which the network was surest; nothing if there are none."""
    wrong = (sureness * ~right).argsort(descending=True)[: min(SHOWN, int((~right).sum()))]
    return [_grid(sample, "Surest mistakes", caption, wrong, names, right)] if len(wrong) else []


def _grid(
    sample: Images, title: str, caption: str, index: Tensor, names: list[str], right: Tensor | None
) -> str:
    return Pictures(
        title=title, caption=caption, images=sample[index].pixels, captions=tuple(names[i] for i in index.tolist()),
        columns=8, right=() if right is None else tuple(bool(right[i]) for i in index), tile_px=112,
    ).html()  # fmt: skip


def _named(classes: tuple[str, ...], predicted: int, true: int) -> str:
    return classes[predicted] if predicted == true else f"{classes[predicted]} ({classes[true]})"


def _differences(classes: tuple[str, ...], said: Tensor, truth: Tensor) -> str:
    words = [name for name, s, t in zip(classes, said, truth, strict=True) if s and t]
    words += [f"−{name}" for name, s, t in zip(classes, said, truth, strict=True) if t and not s]
    words += [f"+{name}" for name, s, t in zip(classes, said, truth, strict=True) if s and not t]
    return ", ".join(words) or "nothing"
