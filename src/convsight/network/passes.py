"""How are pictures sent through a network: checked, normalised, undisturbed, watched, alone where it must be?

Nothing changes the network: modes, gradients, buffers, hooks and the random state are as they were after every pass,
also after one that raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import InputError, ModelError
from convsight.images import Images, fitted, opened
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.changes import Fingerprint, digest_of, fingerprint, tensors_of, unchanged
from convsight.network.dimensions import refuse_other_dimensions
from convsight.network.graph import Tape
from convsight.network.habits import Habits
from convsight.network.inputs import first_tensor, per_channel, size_of
from convsight.network.interventions import (
    Enough,
    Intervention,
    chain_ops,
    chain_values,
    interventions,
    undisturbed,
)
from convsight.network.layers import Layers
from convsight.network.outputs import HELD
from convsight.network.wrappers import unwrapped


class Passes:
    """A module with the size, channels and normalisation of its pictures; `Classifier` adds what the answers mean.

    One pass at a time: a lock keeps threads apart. A copy shares the module and the lock, a pickle keeps neither
    the lock nor what is found out again.
    """

    crop: float  # the share of a larger picture that `fit` keeps

    def __init__(
        self,
        module: nn.Module,
        input_size: tuple[int, int] | int | None,
        channels: int,
        mean: Sequence[float] | float | None,
        std: Sequence[float] | float | None,
        name: str,
    ):
        if not isinstance(module, nn.Module):
            raise ModelError(f"a torch.nn.Module is needed, not a {type(module).__name__}")
        if not isinstance(channels, int) or channels < 1:
            raise ModelError(
                f"pictures have 1 (grey), 3 (RGB) or any other number of channels, not {channels}"
            )
        self.module, self.told = unwrapped(module)
        self.channels, self.input_size = channels, size_of(input_size)
        self.name = name or type(module).__name__
        self.kept: Path | None = None  # the folder where a run keeps this network's features
        self.mean, self.std = per_channel("mean", mean, channels), per_channel("std", std, channels)
        self.habits = Habits()
        self._lock = threading.RLock()
        self._layers: tuple[list[Any], Layers] | None = None
        self._hash: tuple[Fingerprint | None, str] = (None, "")
        refuse_other_dimensions(self.module, self._unread)

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle or a deep copy keeps: everything but the lock and what is found out again."""
        return {k: v for k, v in vars(self).items() if k not in ("_lock", "_layers", "_hash")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock, self._layers, self._hash = threading.RLock(), None, (None, "")

    def __copy__(self) -> Self:
        """Another one around the same module, behind the same lock: both may be used in threads."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

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

    def normalise(self, pixels: Float[Tensor, "n c h w"]) -> Tensor:
        """What the module itself receives: (pixels − mean) ÷ std on its device, in its number format."""
        inside = pixels.to(self.device)
        if self.mean is not None:
            inside = inside - self.mean.to(inside)
        if self.std is not None:
            inside = inside / self.std.to(inside)
        inside = inside.to(self.dtype)
        return inside.clone() if inside is pixels else inside

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

    def _read(
        self, inside: Tensor, read: Callable[[Any], Tensor], also: Intervention | None = None
    ) -> Tensor:
        """What `read` makes of the network's output, with the interventions that the caller is inside of."""
        active = [*interventions(self.module), *([also] if also else [])]
        if not active:
            return read(self._run(inside))
        watched = {key for i in active for key in (*i.record.values(), *i.edits)}
        tape = Tape(watched, chain_values(active), chain_ops(active))
        for i in active:
            i.begin(tape)
        try:
            with tape.watch(self.module, inside):
                value = read(self._run(inside))
                for i in active:
                    i.end(value)
        except Enough:
            return torch.zeros(len(inside), 0, device=self.device)
        self._refuse_unreached(active)
        return value

    def _alone(self, pixels: Float[Tensor, "n c h w"], run: Callable[[Tensor], Tensor]) -> Tensor:
        """What `run` answers; picture by picture for a network whose answer depends on the others of the batch."""
        if not self.habits.one_by_one or len(pixels) < 2:
            return run(pixels)
        active = interventions(self.module)
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
        missing = [name for i in active for name in i.record if name in i.missing]
        if missing:
            raise InputError(
                f"this picture does not pass layer {missing[0]!r}: {self.name} decides as it goes which layers it "
                "runs. Name a layer that this picture passes, or leave the layer out and give one picture at a time"
            )

    def _in_batches(
        self, images: Images | Tensor, run: Callable[[Tensor], Tensor], batch_size: int | None, k: int
    ) -> Tensor:
        """What `run` makes of all pictures, a part at a time and without gradients; an empty 0×k of none."""
        pixels = images.pixels if isinstance(images, Images) else images
        self._check(pixels)

        def part_of(part: slice) -> Tensor:
            with torch.no_grad():
                return run(pixels[part]).cpu()

        parts = in_chunks(part_of, len(pixels), batch_size or chunk_size(pixels.shape[1:]))
        return torch.cat(parts) if len(pixels) else torch.zeros(0, k)

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
