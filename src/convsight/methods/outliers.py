"""Which pictures are like no other, and which look as if they carried the wrong label?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convsight.datasets import Dataset
from convsight.features.exact import graph
from convsight.features.selection import SPLITS, Selection
from convsight.features.vectors import features_of
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures


@dataclass(frozen=True)
class Outliers(Method):
    """The pictures furthest from all others, and those whose neighbours all carry another label.

    First page: the distance to the k-th nearest picture in feature space, divided by the median of that
    distance over all pictures (1 is ordinary, 3 is lonely). Second page: pictures none or few of whose k
    neighbours share their label, the loneliest among their own first: wrong labels, or honest border cases. A
    network that was trained on wrong labels has learnt some of them by heart, so train may hide what test shows.

    Returns `Pictures`, `.values` n × 2: the distance ratio (≥ 0) and the share of neighbours with the same
    label (0 … 1; NaN without labels) of each picture shown.

    Source: Ramaswamy, Rastogi & Shim 2000 (distance to the k-th neighbour).

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=40)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.outliers(net, data, show=6).values.shape
    torch.Size([6, 2])
    """

    title = "Like no other picture"
    kind = Pictures
    source = "Ramaswamy, Rastogi & Shim 2000"

    k: int = knob(10, "more neighbours count: small groups of odd pictures become outliers too", low=1)
    layer: str | None = knob(None, "the layer whose vector is used; none takes the last before the scores")
    split: str = knob("test", "which pictures are looked at", choices=(*SPLITS, "all"))
    most: int = knob(100_000, "more pictures are compared; time grows with the square", low=3)
    show: int = knob(24, "more pictures on each page", unit="pictures", low=1)
    seed: int = knob(0, "another seed takes other pictures where there are more than `most`")

    def compute(self, net: Classifier, data: Dataset) -> Pictures:
        chosen = Selection.of(data, self.split, self.most, self.seed)
        distances, rows = graph(features_of(net, chosen, self.layer).values, self.k)
        reach = distances[:, -1]
        ratio = reach / reach.median().clamp(min=1e-12)
        shared = torch.full_like(ratio, torch.nan)
        if chosen.labels is not None:
            shared = (chosen.labels[rows] == chosen.labels[:, None]).float().mean(1)
        lonely = ratio.argsort(descending=True, stable=True)[: self.show]
        caption = (
            f"The {len(lonely)} of {chosen.describe()} furthest from all others in feature space; the number says "
            "how many times further than an ordinary picture."
        )
        parts = () if chosen.labels is None else (self._odd_labels(net, chosen, shared, rows, ratio),)
        return _page(chosen, lonely, ratio, shared, caption=caption, parts=parts)

    def _odd_labels(
        self, net: Classifier, chosen: Selection, shared: Tensor, rows: Tensor, ratio: Tensor
    ) -> Pictures:
        labels = chosen.labels
        assert labels is not None
        order = (shared * 1e3 + ratio / ratio.max().clamp(min=1e-12)).argsort(stable=True)[: self.show]
        says = labels[rows[order]].mode(1).values.tolist()
        few = int((shared == 0).sum())
        return Pictures(
            title="Among others' pictures",
            caption="label → the label of most of its neighbours: a wrong label, or a true border case.",
            notes=(
                f"{few:,} of {len(chosen):,} pictures have no neighbour of their own label among {self.k}.",
            ),
            images=chosen[order].pixels,
            captions=tuple(
                f"{chosen.classes[labels[i]]} → {chosen.classes[j]}"
                for i, j in zip(order.tolist(), says, strict=True)
            ),
            columns=8,
            values=torch.stack([ratio[order], shared[order]], 1),
        )


def _page(chosen: Selection, order: Tensor, ratio: Tensor, shared: Tensor, **words: object) -> Pictures:
    labels = chosen.labels
    names = [chosen.ids[i] if labels is None else chosen.classes[labels[i]] for i in order.tolist()]
    return Pictures(
        images=chosen[order].pixels,
        captions=tuple(f"{r:.2g}× {name}" for r, name in zip(ratio[order].tolist(), names, strict=True)),
        columns=8,
        values=torch.stack([ratio[order], shared[order]], 1),
        **words,  # type: ignore[arg-type]
    )
