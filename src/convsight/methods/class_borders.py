"""Which classes does the network hardly tell apart, and which pictures lie on the border between them?"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from convsight.datasets import Dataset
from convsight.errors import InputError
from convsight.features.classes import Border, Centroids, borders, centroids
from convsight.features.selection import SPLITS, Selection
from convsight.features.vectors import features_of
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures, Table


@dataclass(frozen=True)
class ClassBorders(Method):
    """Which classes overlap in the feature space, with the pictures that lie right between them.

    Every class has a centre, the mean of its vectors, and a spread, their root mean square distance from it.
    For each pair the gap is ‖centre a − centre b‖ ÷ mean spread (below about 1 the classes overlap), and strays
    are the share of both classes' pictures that lie nearer to the other's centre. The pairs are sorted by
    strays. Below the table: the pictures nearest to the plane midway between the centres of the first pairs,
    and the most typical picture of every class.

    A centre stands for its class only if the class is one heap; a class of two kinds (left and right shoes) has
    its centre where no picture is.

    Returns a `Table`: first class, second class, gap (spreads), strays (0 … 1). Raises InputError for data
    without class labels.

    Source: nearest class mean, as in Mensink et al. 2013.

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.class_borders(net, data).columns
    ('class', 'beside', 'gap (spreads)', 'strays')
    """

    title = "Which classes lie side by side, and what is between them"
    kind = Table
    source = "Mensink et al. 2013, Distance-Based Image Classification"

    layer: str | None = knob(None, "the layer whose vector is used; none takes the last before the scores")
    split: str = knob("test", "which pictures are looked at", choices=(*SPLITS, "all"))
    pairs: int = knob(5, "more pairs of classes are shown with pictures", unit="pairs", low=1)
    show: int = knob(10, "more pictures in each row", unit="pictures", low=2)

    def compute(self, net: Classifier, data: Dataset) -> Table:
        chosen = Selection.of(data, self.split)
        labels = chosen.labels
        if labels is None or len(labels.unique()) < 2:
            raise InputError(f"borders need pictures of two classes or more; {chosen.name} has none")
        found = centroids(features_of(net, chosen, self.layer).values, labels)
        ranked = borders(found, labels, self.show)
        first = ranked[0]
        names = chosen.classes
        nearest = found.present[found.distances.argmin(1)] == labels
        caption = (
            f"{names[first.first]} and {names[first.second]} are hardest to tell apart: {first.strays:.0%} of "
            f"their pictures lie nearer to the other's centre."
        )
        note = (
            f"{float(nearest.float().mean()):.1%} of the {chosen.describe()} lie nearest to their own centre."
        )
        rows = tuple((names[p.first], names[p.second], round(p.gap, 3), round(p.strays, 4)) for p in ranked)
        return Table(
            columns=("class", "beside", "gap (spreads)", "strays"), rows=rows, caption=caption,
            notes=(note, "A gap below about 1 means that the two heaps overlap."),
            parts=(_between(chosen, ranked[: self.pairs]), _typical(chosen, found, self.show)),
        )  # fmt: skip


def _between(chosen: Selection, shown: list[Border]) -> Pictures:
    columns = max(len(p.between) for p in shown)
    numbers = [[*p.between, *p.between[-1:] * (columns - len(p.between))] for p in shown]
    pictures = chosen[torch.tensor(numbers).flatten()]
    assert pictures.labels is not None
    return Pictures(
        title="On the border",
        caption="The pictures nearest to the plane midway between two classes, with their labels.",
        images=pictures.pixels,
        captions=tuple(chosen.classes[i] for i in pictures.labels.tolist()),
        columns=columns,
        row_labels=tuple(f"{chosen.classes[p.first]} | {chosen.classes[p.second]}" for p in shown),
    )


def _typical(chosen: Selection, found: Centroids, show: int) -> Pictures:
    """A row a class: the pictures nearest to its centre."""
    assert chosen.labels is not None
    rows = []
    for column, k in enumerate(found.present.tolist()):
        members = (chosen.labels == k).nonzero().flatten()
        order = members[found.distances[members, column].argsort(stable=True)[:show]]
        rows.append(torch.cat([order, order[-1:].expand(show - len(order))]))
    return Pictures(
        title="The most typical pictures of each class",
        caption="Nearest to their class's centre first.",
        images=chosen[torch.cat(rows)].pixels,
        columns=show,
        row_labels=tuple(chosen.classes[k] for k in found.present.tolist()),
        tile_px=56,
    )
