"""At which layer do the classes come apart?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.features.quality import label_agreement
from convsight.features.selection import SPLITS, Selection
from convsight.method import Method, knob
from convsight.network.batching import chunk_size
from convsight.network.classifier import Classifier
from convsight.network.operations import CONVOLUTIONS, LINEAR
from convsight.progress import report_count
from convsight.results.kinds import Curve, Series

MOST_VALUES = 2048  # of one picture at one layer: maps are averaged to a grid that fits
WORTH_A_POINT = CONVOLUTIONS | LINEAR | {"max_pool2d", "adaptive_avg_pool2d", "avg_pool2d"}


@dataclass(frozen=True)
class LayerAgreement(Method):
    """How well neighbours share a label, layer after layer: where the network pulls the classes apart.

    At each layer every picture is a vector, and label agreement is the mean share of its k nearest pictures
    (l2) that carry its label: 1/classes by chance, 1 if the classes are apart. The first point is the pixels.
    Feature maps c × h × w are averaged to a coarser grid where they have more than 2,048 values, so that
    "where" still counts.

    Returns a `Curve` with one series, layer name → agreement in [0, 1]. Raises InputError for data without
    class labels.

    Source: Alain & Bengio 2016, arXiv:1610.01644 (linear probes); with neighbours as in Papernot & McDaniel
    2018, arXiv:1803.04765.

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=40)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.layer_agreement(net, data, k=3).series[0].x
    ('pixels', '1', '2')
    """

    title = "Where the classes come apart"
    kind = Curve
    source = "Alain & Bengio 2016, arXiv:1610.01644; Papernot & McDaniel 2018, arXiv:1803.04765"

    k: int = knob(10, "more neighbours count for each picture", unit="pictures", low=1)
    split: str = knob("test", "which pictures are compared with one another", choices=(*SPLITS, "all"))
    most: int = knob(2000, "more pictures make the curve steadier and take longer", unit="pictures", low=2)
    points: int = knob(12, "more layers get a point on the curve", unit="layers", low=1)
    seed: int = knob(0, "another seed takes other pictures where there are more than `most`")

    def compute(self, net: Classifier, data: Dataset) -> Curve:
        chosen = Selection.of(data, self.split, self.most, self.seed)
        if chosen.labels is None:
            raise InputError(f"label agreement needs class labels; {chosen.name} has positions")
        names = _layers(net, self.points)
        shares = []
        values = _all(net, chosen, names)
        for done, (name, rows) in enumerate(values.items()):
            report_count(done, len(values), "layers", f"neighbours at {name}", within=(0.5, 1.0))
            shares.append(label_agreement(rows, chosen.labels, self.k, sample=len(rows))[0])
        best = max(range(len(shares)), key=shares.__getitem__)
        chance = float(torch.bincount(chosen.labels).float().div(len(chosen)).square().sum())
        words = tuple(values)
        return Curve(
            series=(Series("label agreement", words, tuple(shares)),),
            x_label="layer", y_label=f"share of the {self.k} nearest with the same label",
            caption=f"{shares[0]:.1%} of the {self.k} nearest pixel pictures share the label, {shares[-1]:.1%} at "
            f"{words[-1]!r}; most at {words[best]!r}, {shares[best]:.1%}.",
            notes=(f"Among the {chosen.describe()}; neighbours drawn blindly would share it in {chance:.1%}.",),
        )  # fmt: skip


def _layers(net: Classifier, most: int) -> list[str]:
    """Layers worth a point, the last one always among them, evenly spread over the network."""
    found = [name for name, layer in net.layers.items() if layer.kind in WORTH_A_POINT]
    if not found:
        found = list(net.layers)
    if len(found) <= most:
        return found
    steps = torch.linspace(0, len(found) - 1, most).round().long().unique().tolist()
    return [found[i] for i in (steps if most > 1 else [len(found) - 1])]


def _all(net: Classifier, chosen: Selection, names: list[str]) -> dict[str, Tensor]:
    """The vectors of every picture at every layer, from one pass."""
    rows: dict[str, list[Tensor]] = {name: [] for name in ("pixels", *names)}
    done = 0
    for batch in chosen.batches(min(64, chunk_size((net.channels, *net.input_size)))):
        images = net.fit(batch)
        with torch.no_grad(), net.record(*names) as seen:
            net.forward(images.pixels)
        rows["pixels"].append(_vector(images.pixels))
        for name in names:
            rows[name].append(_vector(seen[name].float().cpu()))
        done += len(batch)
        report_count(done, len(chosen), "pictures", within=(0.0, 0.5))
    return {name: torch.cat(parts) for name, parts in rows.items()}


def _vector(value: Tensor) -> Tensor:
    if value.ndim == 4 and value[0].numel() > MOST_VALUES:
        side = max(1, int((MOST_VALUES / value.shape[1]) ** 0.5))
        value = F.adaptive_avg_pool2d(value, (min(side, value.shape[2]), min(side, value.shape[3])))
    return value.flatten(1)
