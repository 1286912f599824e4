"""What does a network answer: scores, probabilities, maps, boxes, features, read as its task says?"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import ModelError
from convsight.images import Images
from convsight.network.graph import Node, Tape
from convsight.network.habits import Habits, habits_of
from convsight.network.inside import Inside
from convsight.network.interventions import Intervention, undisturbed
from convsight.network.layers import feature_vectors
from convsight.network.reader import NUMBERS, ONE_CLASS, Reader

ANSWERS = {
    "multilabel": ("label", "labels"), "regress": ("number", "numbers"), "locate": ("position", "positions"),
    "embed": ("number", "numbers"),
}  # fmt: skip


class Answering(Inside):
    """A network whose answers are read by a `Reader`; `Classifier` adds how it is made and asked."""

    reader: Reader
    notes: tuple[str, ...]  # what was guessed, picked or taken off, in sentences for the user
    units: tuple[str, ...]

    @property
    def answers(self) -> str:
        """How many of what the network answers with: "10 classes", "4 labels", "2 positions"."""
        one, several = ANSWERS.get(self.task, ("class", "classes"))
        return f"{len(self.classes)} {one if len(self.classes) == 1 else several}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the k outputs: classes, labels, or the numbers of a regression."""
        return self.reader.classes

    @property
    def task(self) -> str:
        """What the outputs mean; see `reader.TASKS`."""
        return self.reader.task

    @property
    def one_class(self) -> bool:
        """Whether each picture is exactly one of the classes: `task` is "classify" or "binary"."""
        return self.task in ONE_CLASS

    @property
    def has_probabilities(self) -> bool:
        """Whether the outputs can be read as probabilities: not those of a regression, positions, or vectors."""
        return self.task not in NUMBERS

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """What techniques explain, of pictures in [0, 1]: float32, differentiable with respect to `pixels`.

        These are the scores (logits); of a network that ends in a softmax or sigmoid what comes out of that,
        unless it was made with `explain="score"`. See `probabilities_of`.
        """
        self._check(pixels)

        def run(pixels: Tensor) -> Tensor:
            inside = self.normalise(pixels)
            with self._lock, undisturbed(self.module):
                return self.forward_inside(inside)

        return self._alone(pixels, run)

    def forward_inside(self, inside: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """`forward` for pictures that are normalised, by a caller who keeps modes and random state himself."""
        if self.reader.explain == "score" and self.reader.ending.before:
            return self.reader.rows(self._before(inside)[0], inside.shape[0])
        return self._read(
            inside, lambda output: self.reader.rows(self.reader.tensor(output), inside.shape[0])
        )

    def rows(self, value: Tensor, n: int) -> Float[Tensor, "n k"]:
        """The rows that `forward` returns, from the tensor that `trace` points at, for n pictures."""
        return self.reader.rows(value, n)

    def _before(self, inside: Tensor) -> tuple[Tensor, Tensor]:
        """The value that goes into the final softmax or sigmoid, and the one that comes out."""
        key = self.reader.ending.before
        assert key is not None
        intervention = Intervention(self.module, {"before": key})
        out = self._read(inside, self.reader.tensor, intervention)
        return intervention.seen.get("before", out), out

    def scores(self, images: Images | Tensor, batch_size: int | None = None) -> Float[Tensor, "n k"]:
        """Scores (logits), or numbers of a regression, of every picture, in batches and without gradients.

        Of a network that ends in a softmax or sigmoid they are what went into it. A binary network's one score
        comes as two, its negative for the first class; maps come averaged over their places.
        """
        return self._in_batches(images, self.logits, batch_size, len(self.classes))

    def explained(self, images: Images | Tensor, batch_size: int | None = None) -> Float[Tensor, "n k"]:
        """What `forward` says of every picture, in batches and without gradients: the values techniques explain."""
        return self._in_batches(images, self.forward, batch_size, len(self.classes))

    def logits(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """What `scores` returns, of one batch, differentiable with respect to `pixels`."""
        if not self.reader.ending.kind:
            return self.forward(pixels)
        self._check(pixels)

        def run(pixels: Tensor) -> Tensor:
            inside, n = self.normalise(pixels), pixels.shape[0]
            with self._lock, undisturbed(self.module):
                if self.reader.ending.before is None:
                    return self._read(
                        inside, lambda output: self.reader.scores(self.reader.tensor(output), n)
                    )
                return self.reader.rows(self._before(inside)[0], n, "")

        return self._alone(pixels, run)

    def maps(self, images: Images | Tensor, batch_size: int | None = None) -> Float[Tensor, "n k h w"]:
        """The class maps of a segmentation network, as it returns them; InputError for any other."""

        def run(pixels: Tensor) -> Tensor:
            with self._lock, undisturbed(self.module):
                read = self.reader
                return self._read(self.normalise(pixels), lambda out: read.maps(read.tensor(out)))

        return self._in_batches(
            images, lambda pixels: self._alone(pixels, run), batch_size, len(self.classes)
        )

    def detections(self, images: Images | Tensor) -> Any:
        """What a detector finds in one picture: a dictionary of boxes (x1 y1 x2 y2), labels and scores."""
        pixels = images.pixels if isinstance(images, Images) else images
        self._check(pixels)
        with self._lock, undisturbed(self.module), torch.no_grad():
            return self._run(self.normalise(pixels))[0]

    def probabilities(
        self, images: Images | Tensor, batch_size: int | None = None
    ) -> Float[Tensor, "n k *places"]:
        """What the task makes of the scores, from 0 to 1: softmax, or a sigmoid each; n k h w for maps.

        Raises InputError for numbers, positions and vectors, which have none.
        """
        maps = self.reader.layout == "maps"
        return self.probabilities_of((self.maps if maps else self.explained)(images, batch_size))

    def probabilities_of(self, values: Tensor, axis: int = 1) -> Tensor:
        """The probabilities that values of `forward` stand for, classes along `axis`."""
        return self.reader.probabilities(values, axis)

    def chances(self, scores: Tensor, axis: int = 1) -> Tensor:
        """The probabilities that `scores` stand for, classes along `axis`."""
        return self.reader.chances(scores, axis)

    def softmax_scores(self, scores: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Scores whose softmax gives the probabilities, for a cross-entropy; of a network with `one_class`."""
        return torch.nn.functional.logsigmoid(scores) if self.task == "binary" else scores

    def predict(self, images: Images | Tensor, batch_size: int | None = None) -> Tensor:
        """Index of each picture's class, n; of several labels 0 or 1 each, n k; of maps n h w; else the numbers."""
        if not self.has_probabilities:
            return self.scores(images, batch_size)
        return self.reader.predicted(self.probabilities(images, batch_size))

    def features(
        self, images: Images | Tensor, layer: str | None = None, batch_size: int | None = None
    ) -> Float[Tensor, "n d"]:
        """The vector that feeds the class scores (or, of another layer, its maps averaged over place)."""
        name = layer or self.feature_layer

        def run(pixels: Tensor) -> Tensor:
            with self.record(name) as seen:
                self.forward(pixels)
            return feature_vectors(seen[name])

        return self._in_batches(images, run, batch_size, 0)

    def view(self, of: Callable[[Any], Tensor], names: Sequence[str]) -> Self:
        """The same network read by `of`, a function of its whole output that returns n rows, a number for each name."""
        other = copy.copy(self)
        other.reader, other.notes, other.units = Reader("regress", tuple(names), of=of), (), ()
        return other

    def around(self, module: nn.Module, name: str) -> Self:
        """This classifier around another module of the same architecture, such as an untrained copy."""
        other = copy.copy(self)
        other.module, other.name, other._lock = module, name, threading.RLock()
        other._layers, other._hash = None, (None, "")
        return other

    def at_size(self, size: tuple[int, int]) -> Self:
        """The same network for pictures of another height and width, which it must take."""
        other = copy.copy(self)
        other.input_size, other._lock, other._layers = size, threading.RLock(), None
        return other

    def trace(self, pixels: Float[Tensor, "n c h w"]) -> tuple[list[Node], int | None]:
        """Every operation of one pass, and the index of the one whose value is the scores (None: not seen)."""
        inside, tape = self.normalise(pixels), Tape()
        with self._lock, undisturbed(self.module), torch.no_grad(), tape.watch(self.module, inside):
            scores = tape.index_of(self.reader.tensor(self._run(inside)))
        before = self.reader.ending.before if self.reader.explain == "score" else None
        if before is not None:
            scores = tape.keys.index(before) if before in tape.keys else None
        return list(tape.nodes), scores

    @property
    def feature_layer(self) -> str:
        """Name of the layer whose value feeds the last weighted layer."""
        index, _ = self.layers.last_feature()
        if index < 0:
            raise ModelError(
                f"{self.name} is one linear layer: its last feature vector is the picture itself"
            )
        return self.layers.nodes[index].name

    def _find_habits(self) -> Habits:
        def scores(inside: Tensor) -> Tensor:
            output = self._run(inside)
            if self.task == "detect":  # boxes, and not always as many
                return torch.zeros(len(inside), 1)
            return self.reader.tensor(output).reshape(len(inside), -1)

        shape = (self.channels, *self.input_size)
        with self._lock, undisturbed(self.module), torch.no_grad():
            return habits_of(self.module, scores, shape, self.normalise)
