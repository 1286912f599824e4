"""Does the same picture occur twice, and has the network seen test pictures in training?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from convsight.datasets import Dataset
from convsight.features.exact import graph
from convsight.features.projection import principal
from convsight.features.selection import SPLITS, Selection
from convsight.features.vectors import pixels_of
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures, Table

DIRECTIONS = 64  # a projection only brings pictures closer: near-duplicates stay near in it
CANDIDATES = 4


@dataclass(frozen=True)
class Duplicates(Method):
    """Pairs of pictures that are the same or nearly so, those that leak from training into a test first.

    Two pictures are near-duplicates if their pixels (averaged down to at most 32 a side) differ by at most
    `tolerance` grey levels, root mean square, after both are brought to the same mean brightness and contrast;
    this forgives another compression or exposure, not a shift or a mirror. A pair across splits is a leak: what
    is measured on such test pictures is memory. Pictures of one plain colour are left out.

    Candidates are the 4 nearest in the 64 widest directions of pixel space, then compared in full; of more than
    five copies of one picture some pairs may stay unnamed.

    Returns a `Table` of pairs: id, other id, difference (grey levels), label, other label, kind ("leak
    train-test", "within train"); its part shows them side by side. An empty table is good news.

    Source: Barz & Denzler 2020, arXiv:1902.00423 (duplicates between CIFAR's train and test pictures).

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.duplicates(net, data, tolerance=1).rows
    ()
    """

    title = "The same picture twice"
    kind = Table
    source = "Barz & Denzler 2020, arXiv:1902.00423"

    tolerance: float = knob(6.0, "more difference still counts as the same picture", unit="grey levels",
                            low=0, high=60)  # fmt: skip
    split: str = knob("all", "which pictures are compared with one another", choices=(*SPLITS, "all"))
    most: int = knob(100_000, "more pictures are compared; time grows with the square", low=3)
    show: int = knob(12, "more pairs with their pictures", unit="pairs", low=1)
    seed: int = knob(0, "another seed takes other pictures where there are more than `most`")

    def compute(self, net: Classifier, data: Dataset) -> Table:
        chosen = Selection.of(data, self.split, self.most, self.seed)
        pairs, differences = self._pairs(net, chosen)
        kinds = [_kind(chosen.splits[a], chosen.splits[b]) for a, b in pairs]
        order = sorted(
            range(len(pairs)), key=lambda i: (not kinds[i].startswith("leak"), differences[i], pairs[i])
        )
        rows = tuple(_row(chosen, pairs[i], differences[i], kinds[i]) for i in order)
        shown = [pairs[i] for i in order[: self.show]]
        counts = Counter(kinds)
        leaks = sum(count for kind, count in counts.items() if kind.startswith("leak"))
        counted = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items())) or "none"
        disagree = "" if chosen.labels is None else _disagreement(chosen, pairs)
        return Table(
            columns=("id", "other", "difference", "label", "other label", "kind"), rows=rows,
            caption=f"{len(pairs):,} pairs of near-duplicates among {chosen.describe()}: {leaks:,} between splits.",
            notes=(f"By kind: {counted}.{disagree} Shifted and mirrored copies are not found.",),
            parts=(_side_by_side(chosen, shown, rows),) if shown else (),
        )  # fmt: skip

    def _pairs(self, net: Classifier, chosen: Selection) -> tuple[list[tuple[int, int]], list[float]]:
        values = pixels_of(net, chosen, most_px=32).values
        mean, std = values.mean(1, keepdim=True), values.std(1, keepdim=True)
        plain = std[:, 0] < 2 / 255
        alike = (values - mean) / std.clamp(min=1e-6)
        alike[plain] = 0
        small = principal(alike, DIRECTIONS).place(alike)
        rows = graph(small, CANDIDATES)[1]
        first = torch.arange(len(values))[:, None].expand_as(rows).flatten()
        second = rows.flatten()
        keep = (first < second) | ~(rows[second] == first[:, None]).any(1)  # each pair once
        keep &= ~plain[first] & ~plain[second]
        first, second = first[keep], second[keep]
        contrast = (std[first, 0] + std[second, 0]) / 2
        difference = _differences(alike, first, second) * contrast * 255
        near = difference <= self.tolerance
        pairs = [tuple(sorted(p)) for p in zip(first[near].tolist(), second[near].tolist(), strict=True)]
        return pairs, difference[near].tolist()  # type: ignore[return-value]


def _differences(alike: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Root mean square difference of rows, in chunks."""
    parts = [
        (alike[a] - alike[b]).square().mean(1).sqrt()
        for a, b in zip(first.split(8192), second.split(8192), strict=True)
    ]
    return torch.cat(parts) if parts else torch.zeros(0)


def _kind(a: str, b: str) -> str:
    first, second = sorted((a, b), key=SPLITS.index)
    return f"within {first}" if first == second else f"leak {first}-{second}"


def _row(chosen: Selection, pair: tuple[int, int], difference: float, kind: str) -> tuple:
    a, b = pair
    labels = ("", "") if chosen.labels is None else tuple(chosen.classes[chosen.labels[i]] for i in pair)
    return (chosen.ids[a], chosen.ids[b], round(difference, 2), *labels, kind)


def _disagreement(chosen: Selection, pairs: list[tuple[int, int]]) -> str:
    assert chosen.labels is not None
    odd = sum(int(chosen.labels[a] != chosen.labels[b]) for a, b in pairs)
    return f" {odd:,} pairs carry two different labels." if odd else ""


def _side_by_side(chosen: Selection, shown: list[tuple[int, int]], rows: tuple) -> Pictures:
    pictures = chosen[torch.tensor(shown).flatten()]
    captions = [text for row in rows[: len(shown)] for text in (f"{row[0]} {row[3]}", f"{row[1]} {row[4]}")]
    return Pictures(
        title="The pairs",
        caption="Two by two, leaks first, then by how little they differ.",
        images=pictures.pixels,
        captions=tuple(captions),
        columns=6,
    )
