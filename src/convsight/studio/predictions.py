"""What does the network answer to every picture of a split? Computed once, in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from convsight.datasets import Dataset
from convsight.errors import InputError, closest
from convsight.features.selection import Selection
from convsight.features.vectors import Vectors, answers, features_of
from convsight.network.classifier import Classifier
from convsight.studio.schemas import Picture

NO_LABEL = "no label"


@dataclass(frozen=True, eq=False)
class Predicted:
    """One row for each picture of a split; predicted, right and loss as in `features.vectors.Answers`.

    confidence: the probability of the predicted class, or of the least sure decision about several labels.
    """

    logits: Float[Tensor, "n k"]
    predicted: Int64[Tensor, " n"] | Int64[Tensor, "n k"] | None
    confidence: Float[Tensor, " n"] | None
    right: Bool[Tensor, " n"] | None
    loss: Float[Tensor, " n"] | None

    @classmethod
    def of(cls, net: Classifier, vectors: Vectors) -> Predicted:
        assert vectors.logits is not None
        said = answers(net, vectors)
        if said.predicted is None:
            return cls(vectors.logits, None, None, None, None)
        chances = net.chances(vectors.logits)
        if said.predicted.ndim == 2:
            sure = torch.where(said.predicted == 1, chances, 1 - chances).amin(1)
        else:
            sure = chances.max(1).values
        return cls(vectors.logits, said.predicted, sure, said.right, said.loss)


class Predictions:
    """The answers to each split, kept once they are known."""

    def __init__(self, net: Classifier, data: Dataset | None):
        self.net, self.data = net, data
        self._known: dict[str, Predicted] = {}
        self._lock = threading.Lock()

    def get(self, split: str) -> Predicted | None:
        """The predictions of a split, or None if they have not been computed."""
        return self._known.get(split)

    def make(self, split: str) -> Predicted:
        """Compute the predictions of a split unless they are known; reports progress."""
        assert self.data is not None
        with self._lock:
            if split not in self._known:
                chosen = Selection.of(self.data, split)
                self._known[split] = Predicted.of(self.net, features_of(self.net, chosen))
        return self._known[split]

    def page(
        self,
        split: str,
        offset: int,
        limit: int,
        *,
        label: str | None = None,
        predicted: str | None = None,
        missed: str | None = None,
        invented: str | None = None,
        right: bool | None = None,
        q: str = "",
        sort: str = "index",
    ) -> tuple[int, list[Picture]]:
        """(how many pictures pass the filters, the page of them that begins at `offset`).

        missed: a label that they have and that the network does not say; invented: one that it says and they have not.
        """
        data = self.data
        if data is None:
            return 0, []
        part, known = data.splits[split], self._known.get(split)
        kept = torch.ones(len(part), dtype=torch.bool)
        for name, is_it in ((label, True), (missed, True), (invented, False)):
            if name is not None:
                kept &= _has(part.labels, _index(name, part.classes)) == is_it
        for name, said in ((predicted, True), (missed, False), (invented, True)):
            if name is not None:
                place = _index(name, self.net.classes)
                answers = None if known is None else known.predicted
                kept &= False if answers is None else _has(answers, place) == said
        if right is not None:
            kept &= known.right == right if known is not None and known.right is not None else False
        numbers = kept.nonzero().flatten()
        if q:
            numbers = torch.tensor([i for i in numbers.tolist() if self._says(split, i, q.lower())]).long()
        numbers = numbers[_order(numbers, known, sort)]
        return len(numbers), list(self._items(split, numbers[offset : offset + limit].tolist()))

    def item(self, split: str, index: int) -> Picture:
        """One picture of the data set as the page shows it."""
        return next(self._items(split, [index]))

    def _items(self, split: str, numbers: list[int]) -> Iterator[Picture]:
        assert self.data is not None
        part, known = self.data.splits[split], self._known.get(split)
        for i in numbers:
            yield Picture(
                id=f"{split}:{i}",
                name=part.ids[i],
                label=name_of(part.labels, i, part.classes),
                predicted=None if known is None else name_of(known.predicted, i, self.net.classes),
                confidence=None if known is None else _at(known.confidence, i),
                loss=None if known is None else _at(known.loss, i),
            )

    def _says(self, split: str, index: int, q: str) -> bool:
        """Whether a picture's number, own name, class or predicted class contains the words."""
        assert self.data is not None
        part, known = self.data.splits[split], self._known.get(split)
        label = name_of(part.labels, index, part.classes) or ""
        predicted = (name_of(known.predicted, index, self.net.classes) if known else None) or ""
        if q == str(index) or q == f"{split}:{index}":
            return True
        return any(q in word.lower() for word in (part.ids[index], label, predicted)) and not q.isdigit()


def name_of(values: Tensor | None, index: int, names: tuple[str, ...]) -> str | None:
    """The class name of one entry of an index tensor, or the names of its labels in a row of 0 and 1.

    None for positions and for unknown classes.
    """
    if values is None or not names:
        return None
    if values.ndim == 2:
        # sorted, so that the data set's order and the network's read the same
        there = [name for name, value in zip(names, values[index].tolist(), strict=True) if value > 0.5]
        return " + ".join(sorted(there)) or NO_LABEL
    place = int(values[index])
    return names[place] if 0 <= place < len(names) else None


def _has(values: Tensor, place: int) -> Bool[Tensor, " n"]:
    """Which pictures are of a class, or have a label."""
    return values == place if values.ndim == 1 else values[:, place] > 0.5


def _at(values: Tensor | None, index: int) -> float | None:
    return None if values is None else round(float(values[index]), 6)


def _index(name: str, names: tuple[str, ...]) -> int:
    """The index of a class by its name, or by "#3", which distinguishes classes of the same name."""
    if name in names:
        return names.index(name)
    if name[:1] == "#" and name[1:].isdigit() and int(name[1:]) < len(names):
        return int(name[1:])
    raise InputError(f"no class {name!r}", given=name, works=closest(name, names))


def _order(numbers: Tensor, known: Predicted | None, sort: str) -> Any:
    """The indices of `numbers` in the order asked for: as they are, largest loss first, or least sure
    first.
    """
    values = None if known is None else {"loss": known.loss, "confidence": known.confidence}.get(sort)
    if values is None:
        return slice(None)
    return values[numbers].argsort(descending=sort == "loss", stable=True)
