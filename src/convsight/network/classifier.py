"""A network with its class names, input size and normalisation inside: pictures in [0, 1] go in, scores come out.

Nothing that convsight does changes the network: modes, gradients, buffers, hooks and the random state are
as they were after every call, also after one that raised.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import InputError, ModelError
from convsight.images import Images, fitted, opened
from convsight.imaging.choosing import as_bands
from convsight.network.asking import target_of
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.changes import Fingerprint, digest_of, every_module, fingerprint, tensors_of, unchanged
from convsight.network.class_names import class_names, last_rows, offer
from convsight.network.dimensions import refuse_other_dimensions
from convsight.network.graph import Key, Node, Tape, name_nodes
from convsight.network.habits import Habits, habits_of
from convsight.network.inputs import first_tensor, per_channel, size_of
from convsight.network.interventions import (
    Edit,
    Enough,
    Intervention,
    ReplaceOp,
    active_in,
    chain_ops,
    chain_values,
    interventions,
    undisturbed,
)
from convsight.network.layers import Layers, feature_vectors
from convsight.network.outputs import HELD
from convsight.network.probe import Wish, reader_for
from convsight.network.reader import NUMBERS, ONE_CLASS, Reader
from convsight.network.receptive_field import fields
from convsight.network.targets import Target
from convsight.network.tasks import Said, units_of
from convsight.network.wrappers import unwrapped

ANSWERS = {
    "multilabel": ("label", "labels"), "regress": ("number", "numbers"), "locate": ("position", "positions"),
    "embed": ("number", "numbers"),
}  # fmt: skip
_SEEING: ContextVar[tuple[object, Tensor | None]] = ContextVar("convsight_seeing", default=(None, None))


class Classifier:
    """Any `torch.nn.Module` that turns pictures into class scores, labels, numbers, maps or boxes.

    Parameters: `module` takes normalised float pixels n c h w. `classes` names the k outputs (numbers if left
    out): a list, a dictionary such as `config.id2label`, a file, or "imagenet" (see `class_names`). What training
    wraps around a network (`DataParallel`, `torch.compile`) is taken off. `input_size` is (height, width) in
    pixels, `channels` 1 (grey), 3 (RGB) or any other number. `mean` and `std` are subtracted and divided per
    channel *inside*, so that you pass pictures in [0, 1].
    `crop` is the share of a larger picture that `fit` keeps (0.875 resizes the short side to 256 for a
    224-pixel network). `bands`: the channels shown as red, green and blue where there are not 1 or 3; without
    them their mean is shown in grey.

    `task` says what the outputs mean, see `reader.TASKS`: "classify" (a softmax over k), "multilabel" (a sigmoid
    each), "binary" (one score, two class names), "regress" or "locate" (numbers, named by `outputs`, with
    `units`), "segment", "detect", "embed". Left out it is guessed, and `notes` says so. `thresholds`: from
    which probability on a label counts as there, one number or one a label (0.5).

    `output` says which of several outputs is read: a name, a number, or a function of all that the network
    returns. Left out it is picked, and `notes` says which. A network may end in a softmax or sigmoid: `scores`
    are what went into it and `probabilities` what came out; techniques explain what came out, or the score
    with `explain="score"`.

    Raises `ModelError` if the module cannot run on such a picture, or nothing in its output can be read.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)),
    ...                  classes=["cat", "dog"], input_size=(4, 4), channels=1)
    >>> net.scores(torch.zeros(3, 1, 4, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        module: nn.Module,
        classes: Any = None,
        input_size: tuple[int, int] | int | None = None,
        channels: int = 3,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        task: str | None = None,
        outputs: Sequence[str] = (),
        crop: float = 1.0,
        name: str = "",
        *,
        output: str | int | Callable[[Any], Tensor] | None = None,
        units: str | Sequence[str] | None = None,
        thresholds: float | Sequence[float] | None = None,
        explain: str = "output",
        bands: Sequence[int] | str | None = None,
    ):
        if not isinstance(module, nn.Module):
            raise ModelError(f"a torch.nn.Module is needed, not a {type(module).__name__}")
        if not isinstance(channels, int) or channels < 1:
            raise ModelError(
                f"pictures have 1 (grey), 3 (RGB) or any other number of channels, not {channels}"
            )
        self.bands = as_bands(bands, channels)
        self.module, self.told = unwrapped(module)
        self.channels = channels
        self.input_size = size_of(input_size)
        if not 0 < crop <= 1:
            raise ModelError(f"crop is the share of the resized picture that is kept, in (0, 1], not {crop}")
        self.crop = crop
        self.name = name or type(module).__name__
        self.mean, self.std = per_channel("mean", mean, channels), per_channel("std", std, channels)
        self._lock = threading.RLock()
        self._layers: tuple[list[Any], Layers] | None = None
        self._hash: tuple[Fingerprint | None, str] = (None, "")
        refuse_other_dimensions(self.module, self._unread)
        self.habits, names = Habits(), class_names(classes, last_rows(self.module))
        wish = Wish(Said.checked(task, names, outputs, units), output, explain, thresholds)
        with self._lock:
            self.reader, read = reader_for(self.module, self._run, self._samples(), wish)
        self.habits = self._find_habits()
        self.told += (*self.habits.notes, *offer(names or outputs, len(self.classes)))
        self.notes = (*read, *self.told)
        self.units = units_of(units, len(self.classes))

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle or a deep copy keeps: everything but the lock and what is found out again."""
        return {k: v for k, v in vars(self).items() if k not in ("_lock", "_layers", "_hash")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock, self._layers, self._hash = threading.RLock(), None, (None, "")

    def __copy__(self) -> Classifier:
        """Another classifier around the same module, behind the same lock: both may be used in threads."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __repr__(self) -> str:
        size = "×".join(map(str, (self.channels, *self.input_size)))
        return f"Classifier({self.name}, {size} → {self.answers}{self._which})"

    @property
    def answers(self) -> str:
        """How many of what the network answers with: "10 classes", "4 labels", "2 positions"."""
        one, several = ANSWERS.get(self.task, ("class", "classes"))
        return f"{len(self.classes)} {one if len(self.classes) == 1 else several}"

    @property
    def _which(self) -> str:
        return f" of output {self.reader.name!r}" if self.reader.name else ""

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
    def device(self) -> torch.device:
        return first_tensor(self.module).device

    @property
    def dtype(self) -> torch.dtype:
        return first_tensor(self.module).dtype

    @property
    def weights_hash(self) -> str:
        """16 hexadecimal digits that change whenever a weight or buffer does."""
        tensors, (known, words) = tensors_of(self.module), self._hash
        if known is None or not unchanged(tensors, known):
            words = digest_of(self.module)
            self._hash = fingerprint(tensors), words
        return words

    @property
    def has_probabilities(self) -> bool:
        """Whether the outputs can be read as probabilities: not those of a regression, positions, or vectors."""
        return self.task not in NUMBERS

    # ---- running -------------------------------------------------------------------------------------------

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
            return self.reader.rows(self._before(inside)[0], len(inside))
        return self._read(inside, lambda output: self.reader.rows(self.reader.tensor(output), len(inside)))

    def rows(self, value: Tensor, n: int) -> Float[Tensor, "n k"]:
        """The rows that `forward` returns, from the tensor that `trace` points at, for n pictures."""
        return self.reader.rows(value, n)

    def _read(
        self, inside: Tensor, read: Callable[[Any], Tensor], also: Intervention | None = None
    ) -> Tensor:
        """What `read` makes of the network's output, with the interventions that the caller is inside of."""
        active = [*interventions(self), *([also] if also else [])]
        if not active:
            return read(self._run(inside))
        watched = {key for i in active for key in (*i.record, *i.edits)}
        for i in active:
            i.missing = set(i.record)
        tape = Tape(watched, chain_values(active), chain_ops(active))
        try:
            with tape.watch(self.module, inside):
                value = read(self._run(inside))
        except Enough:
            return torch.zeros(len(inside), 0, device=self.device)
        self._refuse_unreached(active)
        return value

    def _before(self, inside: Tensor) -> tuple[Tensor, Tensor]:
        """The value that goes into the final softmax or sigmoid, and the one that comes out."""
        key = self.reader.ending.before
        assert key is not None
        intervention = Intervention(self.module, {key: ["before"]}, {})
        out = self._read(inside, self.reader.tensor, intervention)
        return intervention.seen.get("before", out), out

    def _alone(self, pixels: Float[Tensor, "n c h w"], run: Callable[[Tensor], Tensor]) -> Tensor:
        """What `run` answers; picture by picture for a network whose answer depends on the others of the batch."""
        if len(pixels) < 2 or not self.habits.one_by_one:
            return run(pixels)
        active = interventions(self)
        kept: list[dict[str, list[Tensor]]] = [{} for _ in active]
        logits = []
        for picture in pixels.split(1):
            logits.append(run(picture))
            for intervention, values in zip(active, kept, strict=True):
                for name, value in intervention.seen.items():
                    values.setdefault(name, []).append(value)
        for intervention, values in zip(active, kept, strict=True):
            intervention.seen.update(_joined(name, each) for name, each in values.items())
        return torch.cat(logits)

    def _refuse_unreached(self, active: list[Intervention]) -> None:
        """A layer that is to be recorded must be passed; a network that decides may go another way."""
        missing = [name for i in active for key in i.missing for name in i.record[key]]
        if missing:
            raise InputError(
                f"this picture does not pass layer {missing[0]!r}: {self.name} decides as it goes which layers it "
                "runs. Name a layer that this picture passes, or leave the layer out and give one picture at a time"
            )

    def _run(self, inside: Tensor) -> Any:
        try:
            return self.module(inside)
        except (InputError, ModelError, torch.OutOfMemoryError):
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            if "memory" in str(error).lower():
                raise
            given = "×".join(map(str, inside.shape[1:]))
            more = f". If it takes more than pictures, wrap it:\n{HELD}" if "missing" in str(error) else ""
            raise ModelError(f"{self.name} failed on pictures of {given}: {error}{more}") from error

    def normalise(self, pixels: Float[Tensor, "n c h w"]) -> Tensor:
        """What the module itself receives: (pixels − mean) ÷ std on its device, in its number format."""
        inside = pixels.to(self.device)
        if self.mean is not None:
            inside = inside - self.mean.to(inside)
        if self.std is not None:
            inside = inside / self.std.to(inside)
        inside = inside.to(self.dtype)
        return inside.clone() if inside is pixels else inside

    def scores(self, images: Images | Tensor, batch_size: int | None = None) -> Float[Tensor, "n k"]:
        """Scores (logits), or numbers of a regression, of every picture, in batches and without gradients.

        Of a network that ends in a softmax or sigmoid they are what went into it. A binary network's one score
        comes as two, its negative for the first class; maps come averaged over their places.
        """
        return self._in_batches(images, self.logits, batch_size)

    def explained(self, images: Images | Tensor, batch_size: int | None = None) -> Float[Tensor, "n k"]:
        """What `forward` says of every picture, in batches and without gradients: the values techniques explain."""
        return self._in_batches(images, self.forward, batch_size)

    def logits(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """What `scores` returns, of one batch, differentiable with respect to `pixels`."""
        if not self.reader.ending.kind:
            return self.forward(pixels)
        self._check(pixels)

        def run(pixels: Tensor) -> Tensor:
            inside, n = self.normalise(pixels), len(pixels)
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

        return self._in_batches(images, lambda pixels: self._alone(pixels, run), batch_size)

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
        """Of a network that says one class: scores whose softmax are the probabilities, as a cross-entropy takes them."""
        return torch.nn.functional.logsigmoid(scores) if self.task == "binary" else scores

    def predict(self, images: Images | Tensor, batch_size: int | None = None) -> Tensor:
        """Index of each picture's class, n; of several labels 0 or 1 each, n k; of maps n h w; else the numbers."""
        if not self.has_probabilities:
            return self.scores(images, batch_size)
        return self.reader.predicted(self.probabilities(images, batch_size))

    def _in_batches(
        self, images: Images | Tensor, run: Callable[[Tensor], Tensor], batch_size: int | None
    ) -> Tensor:
        pixels = images.pixels if isinstance(images, Images) else images
        self._check(pixels)

        def part_of(part: slice) -> Tensor:
            with torch.no_grad():
                return run(pixels[part]).cpu()

        parts = in_chunks(part_of, len(pixels), batch_size or chunk_size(pixels.shape[1:]))
        return torch.cat(parts) if len(pixels) else torch.zeros(0, len(self.classes))

    def features(
        self, images: Images | Tensor, layer: str | None = None, batch_size: int | None = None
    ) -> Float[Tensor, "n d"]:
        """The vector that feeds the class scores (or, of another layer, its maps averaged over place)."""
        pixels = images.pixels if isinstance(images, Images) else images
        name = layer or self.feature_layer

        def run(part: slice) -> Tensor:
            with torch.no_grad(), self.record(name) as seen:
                self.forward(pixels[part])
            return feature_vectors(seen[name]).cpu()

        parts = in_chunks(run, len(pixels), batch_size or chunk_size(pixels.shape[1:]))
        return torch.cat(parts) if parts else torch.zeros(0, 0)

    def fit(self, images: Any, fit: str = "crop") -> Images:
        """Pictures at the network's input size and channels: anything that `Images.open` takes, of any sizes.

        fit: "crop" resizes the short side to the size ÷ `crop` and keeps the centre; "pad" keeps the whole picture
        and puts the network's mean colour (black without one) around it; "stretch" changes its proportions.
        `notes` of what comes back name the pictures of which more than a fifth is cut away.
        """
        parts = [images] if isinstance(images, Images) else opened(images, self.channels)
        colour = "black" if self.mean is None else "the network's mean colour"
        fill = 0.0 if self.mean is None else self.mean.flatten().clamp(0, 1)
        return fitted(parts, self.input_size, self.channels, fit, self.crop, fill, colour)

    def target(self, target: Any, images: Images, logits: Tensor | None = None) -> Target:
        """The `Target` that a user's `target` means for these pictures (see `asking.target_of`)."""
        return target_of(self, target, images, logits)

    def notes_on(self, aim: Target) -> tuple[str, ...]:
        """What a reader should know of a result about this target: how outputs are read, what was chosen."""
        own = () if aim.outputs is None or aim.through is not None else self.notes
        return (*own, *([aim.note] if aim.note else []))

    def view(self, of: Callable[[Any], Tensor], names: Sequence[str]) -> Classifier:
        """The same network, read by a function of all that it returns: n rows of as many numbers as names."""
        other = copy.copy(self)
        other.reader, other.notes, other.units = Reader("regress", tuple(names), of=of), (), ()
        return other

    def around(self, module: nn.Module, name: str) -> Classifier:
        """The same reading of another module of the same make."""
        other = copy.copy(self)
        other.module, other.name, other._lock = module, name, threading.RLock()
        other._layers, other._hash = None, (None, "")
        return other

    # ---- looking inside ------------------------------------------------------------------------------------

    @property
    def layers(self) -> Layers:
        """Every layer by name, in order: kind, output shape, parameters, MACs and receptive field."""
        net, seen = _SEEING.get()
        if self.habits.decides and net is self and seen is not None:
            return self._layers_of(self._trace(seen))
        modules = list(every_module(self.module))
        made_of = [*modules, *(p for m in modules for p in m._parameters.values() if p is not None)]
        if self._layers is None or list(map(id, self._layers[0])) != list(map(id, made_of)):
            self._layers = (made_of, self._layers_of(self._trace()))
        return self._layers[1]

    def _layers_of(self, tape: Tape) -> Layers:
        nodes, aliases = name_nodes(tape)
        return Layers(nodes, tape.keys, aliases, fields(nodes, *self.input_size), self.input_size)

    @contextlib.contextmanager
    def seeing(self, pixels: Float[Tensor, "n c h w"] | None) -> Iterator[None]:
        """Inside, `layers` are those that the first of these pictures passes, in a network that decides as it goes."""
        fits = pixels is not None and pixels.ndim == 4 and pixels.shape[1] == self.channels
        token = _SEEING.set((self, pixels[:1].repeat(2, 1, 1, 1) if pixels is not None and fits else None))
        try:
            yield
        finally:
            _SEEING.reset(token)

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

    @contextlib.contextmanager
    def record(self, *layers: str, stop: bool = False) -> Iterator[dict[str, Tensor]]:
        """Passes inside the block leave each named layer's value in the dictionary that it yields.

        With `stop` a pass ends as soon as all of them are there: `forward` then answers an empty n×0 and no
        later layer is run, which is quicker and lets pictures have any size that the layers up to there take.
        """
        wanted: dict[Key, list[str]] = {}
        for name in layers:
            wanted.setdefault(self.layers[name].key, []).append(name)
        intervention = Intervention(self.module, wanted, {}, stop=stop)
        with active_in(intervention):
            yield intervention.seen

    @contextlib.contextmanager
    def edit(self, edits: Mapping[str, Edit]) -> Iterator[None]:
        """Passes inside the block replace each named layer's value by the function's answer to it."""
        with active_in(
            Intervention(self.module, {}, {self.layers[name].key: edit for name, edit in edits.items()})
        ):
            yield

    @contextlib.contextmanager
    def replace_ops(self, replace_op: ReplaceOp) -> Iterator[None]:
        """Passes inside the block offer each operation to `replace_op(kind, func, args, kwargs)` first."""
        with active_in(Intervention(self.module, {}, {}, replace_op)):
            yield

    # ---- at the door ---------------------------------------------------------------------------------------

    def _find_habits(self) -> Habits:
        def scores(inside: Tensor) -> Tensor:
            output = self._run(inside)
            if self.task == "detect":  # boxes, and not always as many
                return torch.zeros(len(inside), 1)
            return self.reader.tensor(output).reshape(len(inside), -1)

        shape = (self.channels, *self.input_size)
        with self._lock, undisturbed(self.module), torch.no_grad():
            return habits_of(self.module, scores, shape, self.normalise)

    def _trace(self, pixels: Tensor | None = None) -> Tape:
        pixels = torch.full((2, self.channels, *self.input_size), 0.5) if pixels is None else pixels
        inside, tape = self.normalise(pixels), Tape()
        with self._lock, undisturbed(self.module), torch.no_grad(), tape.watch(self.module, inside):
            self._run(inside)
        if not tape.nodes:
            raise ModelError(
                f"no operation of {self.name} can be seen; is it compiled or a TorchScript module? "
                "Techniques that need no layer work (saliency, integrated_gradients, occlusion); for the others "
                "load the network from its Python code or as a program of torch.export (.pt2)"
            )
        return tape

    def _unread(self, n: int) -> Any:
        """What the module returns for `n` grey pictures, before it is known how that is read."""
        grey = torch.full((n, self.channels, *self.input_size), 0.5)
        with self._lock, undisturbed(self.module), torch.no_grad():
            return self._run(self.normalise(grey))

    def _samples(self) -> Tensor:
        """Two pictures to ask the network about: grey, and a ramp."""
        height, width = self.input_size
        ramp = torch.linspace(0, 1, height * width).view(height, width)
        pictures = torch.stack([torch.full_like(ramp, 0.5), ramp])
        return self.normalise(pictures[:, None].repeat(1, self.channels, 1, 1))

    def _check(self, pixels: Tensor) -> None:
        if pixels.ndim != 4 or pixels.shape[1] != self.channels:
            kind = {1: "grey (1 channel)", 3: "RGB (3 channels)"}.get(
                self.channels, f"{self.channels}-channel"
            )
            raise InputError(
                f"{self.name} takes {kind} pictures as a tensor n×{self.channels}×h×w; given "
                f"{'×'.join(map(str, pixels.shape))}. net.fit(images) converts"
            )
        if not pixels.is_floating_point():
            raise InputError(f"pixels are floats in [0, 1]; given {pixels.dtype}. Images.open(...) converts")


def _joined(name: str, values: Sequence[Tensor]) -> tuple[str, Tensor]:
    """One layer's value for several pictures that were run alone."""
    if len({value.shape[1:] for value in values}) > 1:
        raise InputError(
            f"layer {name!r} gives values of several shapes for these pictures; give one at a time"
        )
    return name, torch.cat(list(values))


def as_classifier(net: Any) -> Classifier:
    """The classifier itself, or that of a `Run`; InputError for anything else, saying how to make one."""
    if isinstance(net, Classifier):
        return net
    if isinstance(getattr(net, "classifier", None), Classifier):  # a Run
        return net.classifier
    if isinstance(net, nn.Module):
        raise InputError(
            "a bare torch.nn.Module says neither its input size nor its normalisation; wrap it: "
            "convsight.Classifier(module, classes=[...], input_size=(224, 224), mean=..., std=...)"
        )
    raise InputError(
        f"a convsight.Classifier is needed, not a {type(net).__name__}; convsight.load(...) gives one"
    )
