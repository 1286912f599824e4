"""A network with its class names, input size and normalisation inside: pictures in [0, 1] go in, scores come out.

Nothing that convsight does changes the network: modes, gradients, buffers, hooks and the random state are
as they were after every call, also after one that raised.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convsight.errors import InputError, ModelError
from convsight.images import Images
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.changes import Fingerprint, digest_of, every_module, fingerprint, tensors_of, unchanged
from convsight.network.graph import Key, Node, Tape, name_nodes
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
from convsight.network.layers import Layers
from convsight.network.outputs import first_tensor, logits_of, per_channel, score_tensor, size_of
from convsight.network.receptive_field import fields
from convsight.network.targets import Target, resolve_target


class Classifier:
    """Any `torch.nn.Module` that turns pictures into class scores (or positions).

    Parameters: `module` takes normalised float pixels n c h w and returns logits n k. `classes` names the k
    outputs (numbers if left out). `input_size` is (height, width) in pixels, `channels` 1 or 3. `mean` and
    `std` are subtracted and divided per channel *inside*, so that you pass pictures in [0, 1]. `task` is
    "classify" or "locate"; for the latter `outputs` names the coordinates. `crop` is the share of a larger
    picture that `fit` keeps (0.875 resizes the short side to 256 for a 224-pixel network).

    Raises `ModelError` if the module cannot run on such a picture, or returns no scores.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)),
    ...                  classes=["cat", "dog"], input_size=(4, 4), channels=1)
    >>> net.scores(torch.zeros(3, 1, 4, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        module: nn.Module,
        classes: Sequence[str] | None = None,
        input_size: tuple[int, int] | int | None = None,
        channels: int = 3,
        mean: Sequence[float] | float | None = None,
        std: Sequence[float] | float | None = None,
        task: str = "classify",
        outputs: Sequence[str] = (),
        crop: float = 1.0,
        name: str = "",
    ):
        if not isinstance(module, nn.Module):
            raise ModelError(f"a torch.nn.Module is needed, not a {type(module).__name__}")
        if channels not in (1, 3):
            raise ModelError(f"pictures have 1 (grey) or 3 (RGB) channels, not {channels}")
        self.module = module
        self.channels = channels
        self.input_size = size_of(input_size)
        self.task = task
        if not 0 < crop <= 1:
            raise ModelError(f"crop is the share of the resized picture that is kept, in (0, 1], not {crop}")
        self.crop = crop
        self.name = name or type(module).__name__
        self.mean, self.std = per_channel("mean", mean, channels), per_channel("std", std, channels)
        self._lock = threading.RLock()
        self._layers: tuple[list[Any], Layers] | None = None
        self._hash: tuple[Fingerprint | None, str] = (None, "")
        k = self._probe()
        names = tuple(str(c) for c in (outputs if task == "locate" and outputs else classes or range(k)))
        if len(names) != k:
            raise ModelError(f"{len(names)} class names were given, but the network has {k} outputs")
        self.classes = names

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
        return f"Classifier({self.name}, {size} → {len(self.classes)} {'positions' if self.task == 'locate' else 'classes'})"

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

    # ---- running -------------------------------------------------------------------------------------------

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """Logits of pictures in [0, 1], float32; differentiable with respect to `pixels`."""
        self._check(pixels)
        inside = self.normalise(pixels)
        active = interventions(self)
        with self._lock, undisturbed(self.module):
            if not active:
                return logits_of(self._run(inside))
            watched = {key for i in active for key in (*i.record, *i.edits)}
            for i in active:
                i.missing = set(i.record)
            tape = Tape(watched, chain_values(active), chain_ops(active))
            try:
                with tape.watch(self.module, inside):
                    return logits_of(self._run(inside))
            except Enough:
                return torch.zeros(len(pixels), 0, device=self.device)

    def _run(self, inside: Tensor) -> Any:
        try:
            return self.module(inside)
        except (InputError, ModelError, torch.OutOfMemoryError):
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            if "memory" in str(error).lower():
                raise
            given = "×".join(map(str, inside.shape[1:]))
            raise ModelError(f"{self.name} failed on pictures of {given}: {error}") from error

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
        """Logits (or positions in pixels) of every picture, computed in batches without gradients."""
        pixels = images.pixels if isinstance(images, Images) else images
        self._check(pixels)
        size = batch_size or chunk_size(pixels.shape[1:])

        def run(part: slice) -> Tensor:
            with torch.no_grad():
                return self.forward(pixels[part]).cpu()

        return (
            torch.cat(in_chunks(run, len(pixels), size)) if len(pixels) else torch.zeros(0, len(self.classes))
        )

    def probabilities(self, images: Images | Tensor, batch_size: int | None = None) -> Float[Tensor, "n k"]:
        """Softmax of the scores: each row is in (0, 1) and sums to one."""
        return self.scores(images, batch_size).softmax(1)

    def predict(self, images: Images | Tensor, batch_size: int | None = None) -> Int[Tensor, " n"]:
        """Index of the largest score of each picture."""
        return self.scores(images, batch_size).argmax(1)

    def features(
        self, images: Images | Tensor, layer: str | None = None, batch_size: int | None = None
    ) -> Float[Tensor, "n d"]:
        """The vector that feeds the class scores (or, of another layer, its maps averaged over place)."""
        pixels = images.pixels if isinstance(images, Images) else images
        name = layer or self.feature_layer

        def run(part: slice) -> Tensor:
            with torch.no_grad(), self.record(name) as seen:
                self.forward(pixels[part])
            value = seen[name].float().cpu()
            return value.mean((2, 3)) if value.ndim == 4 else value.flatten(1)

        parts = in_chunks(run, len(pixels), batch_size or chunk_size(pixels.shape[1:]))
        return torch.cat(parts) if parts else torch.zeros(0, 0)

    def fit(self, images: Images) -> Images:
        """Pictures resized (short side ÷ `crop`) and cropped (centre) to the network's input, grey or RGB."""
        height, width = self.input_size
        if images.size == self.input_size or self.crop == 1:
            return images.fit(self.input_size, self.channels)
        wider = images.fit((round(height / self.crop), round(width / self.crop)), self.channels)
        top, left = (wider.size[0] - height) // 2, (wider.size[1] - width) // 2
        return replace(wider, pixels=wider.pixels[:, :, top : top + height, left : left + width])

    def target(self, target: Any, images: Images) -> Target:
        """The `Target` that a user's `target` means for these pictures (see `resolve_target`)."""
        return resolve_target(self, target, len(images), self.scores(images) if target is None else None)

    # ---- looking inside ------------------------------------------------------------------------------------

    @property
    def layers(self) -> Layers:
        """Every layer by name, in order: kind, output shape, parameters, MACs and receptive field."""
        modules = list(every_module(self.module))
        made_of = [*modules, *(p for m in modules for p in m._parameters.values() if p is not None)]
        if self._layers is None or list(map(id, self._layers[0])) != list(map(id, made_of)):
            tape = self._trace()
            nodes, aliases = name_nodes(tape)
            self._layers = (made_of, Layers(nodes, tape.keys, aliases, fields(nodes, *self.input_size)))
        return self._layers[1]

    def trace(self, pixels: Float[Tensor, "n c h w"]) -> tuple[list[Node], int | None]:
        """Every operation of one pass, and the index of the one whose value is the scores (None: not seen)."""
        inside, tape = self.normalise(pixels), Tape()
        with self._lock, undisturbed(self.module), torch.no_grad(), tape.watch(self.module, inside):
            output, nodes = self._run(inside), list(tape.nodes)
            scores = tape.index_of(score_tensor(output))
        return nodes, scores

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
        intervention = Intervention(self, wanted, {}, stop=stop)
        with active_in(intervention):
            yield intervention.seen

    @contextlib.contextmanager
    def edit(self, edits: Mapping[str, Edit]) -> Iterator[None]:
        """Passes inside the block replace each named layer's value by the function's answer to it."""
        with active_in(Intervention(self, {}, {self.layers[name].key: edit for name, edit in edits.items()})):
            yield

    @contextlib.contextmanager
    def replace_ops(self, replace_op: ReplaceOp) -> Iterator[None]:
        """Passes inside the block offer each operation to `replace_op(kind, func, args, kwargs)` first."""
        with active_in(Intervention(self, {}, {}, replace_op)):
            yield

    # ---- at the door ---------------------------------------------------------------------------------------

    def _trace(self) -> Tape:
        inside = self.normalise(torch.full((2, self.channels, *self.input_size), 0.5))
        tape = Tape()
        with self._lock, undisturbed(self.module), torch.no_grad(), tape.watch(self.module, inside):
            self._run(inside)
        if not tape.nodes:
            raise ModelError(
                f"no operation of {self.name} can be seen; is it compiled or a TorchScript module?"
            )
        return tape

    def _probe(self) -> int:
        with torch.no_grad():
            logits = self.forward(torch.full((2, self.channels, *self.input_size), 0.5))
        return logits.shape[1]

    def _check(self, pixels: Tensor) -> None:
        if pixels.ndim != 4 or pixels.shape[1] != self.channels:
            kind = {1: "grey (1 channel)", 3: "RGB (3 channels)"}[self.channels]
            raise InputError(
                f"{self.name} takes {kind} pictures as a tensor n×{self.channels}×h×w; given "
                f"{'×'.join(map(str, pixels.shape))}. net.fit(images) converts"
            )
        if not pixels.is_floating_point():
            raise InputError(f"pixels are floats in [0, 1]; given {pixels.dtype}. Images.open(...) converts")


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
