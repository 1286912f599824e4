"""Which pictures of a data set does the network think are most like this one, and which look most like it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from convsight.datasets import Dataset, as_dataset
from convsight.errors import InputError
from convsight.features.exact import METRICS, nearest
from convsight.features.quality import label_agreement
from convsight.features.search import find_in_set, named_pictures
from convsight.features.selection import SPLITS, Selection
from convsight.features.vectors import Vectors, answers, features_of, pixels_of, query_vectors
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier, as_classifier
from convsight.results.kinds import Ranking

SPACES = ("features", "pixels")


@dataclass(frozen=True)
class Neighbours(Method):
    """The pictures of a data set that are nearest to yours: as the network sees them, and as plain pixels.

    Two pictures are close in feature space if the network turns them into similar vectors just before it
    decides; in pixel space if they are bright and dark at the same places. Every distance to every picture is
    computed, none is approximated. The row asked for by `space` comes first; the other one is below it, as
    `.parts[0]`, for comparison.

    `metric`: l2 is √Σ(a−b)², l1 is Σ|a−b| (less moved by one large difference), mse the mean of (a−b)² (ranks
    like l2), cosine 1 − a·b/‖a‖‖b‖ (direction only; 0 … 2). `query` is pictures, files, or ids of the data
    set. A query that is itself in the data set (the same pixels) is left out of its own row; its duplicates
    stay, at distance 0 up to rounding.

    Returns a `Ranking`: `.ids`, `.distances` (ascending, ≥ 0) and `.labels`, n × k. Raises InputError for an
    unknown metric, split, class or layer, or if the filters leave no picture.

    Source: Cover & Hart 1967, "Nearest neighbor pattern classification"; in the space of a network's last
    feature vector as in Krizhevsky et al. 2012.

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> found = cs.neighbours(net, data.test[:2], data, split="train", k=5)
    >>> found.distances.shape, found.space, found.parts[0].space
    (torch.Size([2, 5]), 'features', 'pixels')
    """

    title = "What is nearest: to the network, and to the eye of a camera"
    kind = Ranking
    source = "Cover & Hart 1967; Krizhevsky et al. 2012"

    space: str = knob("features", "the space that is asked; the other one is shown below", choices=SPACES)
    metric: str = knob("l2", "how distance is measured", choices=METRICS)
    k: int = knob(10, "more neighbours in each row", unit="pictures", low=1, high=1000)
    layer: str | None = knob(
        None, "the layer whose vector is compared; none takes the last before the scores"
    )
    split: str = knob("all", "where neighbours are looked for", choices=(*SPLITS, "all"))
    only: str | None = knob(None, "look only among pictures labelled with this class")
    answers: str = knob("all", "look only among pictures that the network gets right, or wrong",
                        choices=("all", "right", "wrong"))  # fmt: skip
    sample: int = knob(1000, "pictures on which label agreement is measured; more take longer",
                       unit="pictures", low=0)  # fmt: skip
    seed: int = knob(0, "another seed measures label agreement on other pictures")

    def _bind(self, args: tuple, kwargs: dict, fit: str = "crop") -> dict[str, Any]:
        given = {**dict(zip(("net", "query", "data"), args, strict=False)), **kwargs}
        if len(args) <= 3 and {"net", "query", "data"} <= given.keys():
            given["net"] = as_classifier(given["net"])
            given["data"] = as_dataset(given["data"], given["net"], fit)
            given["query"] = named_pictures(given["net"], given["query"], given["data"])
            return super()._bind((), given, fit)
        return super()._bind(args, kwargs, fit)

    def compute(self, net: Classifier, query: Images, data: Dataset) -> Ranking:
        chosen = Selection.of(data, self.split)
        features = features_of(net, chosen, self.layer)
        kept, filtered = self._filter(net, features)
        itself, duplicates = find_in_set(net, query, chosen)
        if query.labels is None and chosen.labels is not None and (itself >= 0).all():
            query = replace(query, labels=chosen.labels[itself], classes=chosen.classes)
        rows, words = [], []
        for space in (self.space, *(s for s in SPACES if s != self.space)):
            vectors = features if space == "features" else pixels_of(net, chosen)
            rows.append(self._rank(net, query, vectors, kept, itself))
            words.append(self._agreement(vectors))
        notes = [
            *filtered,
            *_about_query(query, chosen, itself, duplicates),
            *self._judged(chosen, rows, words),
        ]
        caption = _caption(query, rows)
        first = Ranking(**rows[0], caption=caption, notes=tuple(notes))
        other = Ranking(**rows[1], title=f"The same by {rows[1]['space']}")
        return replace(first, parts=(other,))

    def _filter(self, net: Classifier, features: Vectors) -> tuple[Bool[Tensor, " n"], list[str]]:
        """Which pictures may be found, and a note on what was left out."""
        chosen = features.of
        kept = torch.ones(len(chosen), dtype=torch.bool)
        if self.only is not None:
            kept &= chosen.of_class(self.only)
        if self.answers != "all":
            right = answers(net, features).right
            if right is None:
                raise InputError(
                    f"answers={self.answers!r} needs labels that name the network's classes; {chosen.name} "
                    f"has {', '.join(chosen.classes[:4]) or 'positions'}"
                )
            kept &= right if self.answers == "right" else ~right
        words = [f"labelled {self.only!r}"] if self.only is not None else []
        words += [f"that the network gets {self.answers}"] if self.answers != "all" else []
        if not kept.any():
            raise InputError(f"no picture of {chosen.describe()} is {' and '.join(words)}")
        if not words:
            return kept, []
        return kept, [f"Only the {int(kept.sum()):,} pictures {' and '.join(words)} are looked at."]

    def _rank(
        self, net: Classifier, query: Images, vectors: Vectors, kept: Tensor, itself: Int64[Tensor, " q"]
    ) -> dict[str, Any]:
        chosen = vectors.of
        numbers = kept.nonzero().flatten()
        where = torch.full((len(chosen) + 1,), -1)
        where[numbers] = torch.arange(len(numbers))
        asked = query_vectors(net, query, vectors.space, self.layer)
        distances, rows = nearest(asked, vectors.values[numbers], self.k, self.metric, skip=where[itself])
        if not rows.shape[1]:
            raise InputError("the query is the only picture that the filters leave; loosen them")
        found = numbers[rows]
        pictures = chosen[found.flatten()]
        return {
            "ids": tuple(tuple(chosen.ids[i] for i in row) for row in found.tolist()),
            "distances": distances,
            "labels": None if chosen.labels is None else chosen.labels[found],
            "query": query,
            "pictures": pictures.pixels.view(*found.shape, *pictures.pixels.shape[1:]),
            "classes": chosen.classes,
            "space": vectors.space,
        }

    def _agreement(self, vectors: Vectors) -> tuple[float, int] | None:
        labels = vectors.of.labels
        if labels is None or self.sample == 0 or len(labels.unique()) == len(vectors):
            return None  # no picture has another of its label to be near to
        return label_agreement(vectors.values, labels, self.k, self.metric, self.sample, self.seed)

    def _judged(
        self, chosen: Selection, rows: list[dict], words: list[tuple[float, int] | None]
    ) -> list[str]:
        if words[0] is None or words[1] is None:
            return []
        shares = " and ".join(
            f"{share:.1%} by {row['space']}"
            for (share, _), row in zip(words, rows, strict=True)  # type: ignore[misc]
        )
        counts = sorted({f"{count:,}" for _, count in words})  # type: ignore[misc]
        notes = [
            f"Over the {chosen.describe()}, {shares} of the {self.k} nearest share the label (measured on "
            f"{' and '.join(counts)} of them, each against all; {self.metric})."
        ]
        if {"train"} & set(chosen.splits):
            notes.append(
                "Pictures that the network was trained on sit closer to their class than new ones do; "
                "split='test' is the stricter question."
            )
        return notes


def _about_query(query: Images, chosen: Selection, itself: Tensor, duplicates: list[str]) -> list[str]:
    inside = [chosen.ids[i] for i in itself.tolist() if i >= 0]
    if not inside:
        return []
    names = ", ".join(inside[:4]) + (", …" if len(inside) > 4 else "")
    notes = [
        f"{len(inside)} of {len(query)} queries are in the data set ({names}) and not their own neighbours."
    ]
    if duplicates:
        notes.append(f"Exactly the same picture occurs again as {', '.join(duplicates[:4])}.")
    return notes


def _caption(query: Images, rows: list[dict]) -> str:
    labels, k = query.labels, rows[0]["distances"].shape[1]
    if labels is None or labels.ndim != 1 or rows[0]["labels"] is None:
        return f"The {k} nearest pictures by {rows[0]['space']}; below, by {rows[1]['space']}."
    if query.classes is not None and query.classes != rows[0]["classes"]:
        return f"The {k} nearest pictures by {rows[0]['space']}; below, by {rows[1]['space']}."
    shares = [float((row["labels"] == labels[:, None]).float().sum(1).mean()) for row in rows]
    each = "" if len(query) == 1 else " on average"
    return (
        f"Of the {k} nearest, {shares[0]:.3g} carry the query's label by {rows[0]['space']} and "
        f"{shares[1]:.3g} by {rows[1]['space']}{each}."
    )
