"""Which number of the network is to be explained: a class, an output, a unit of a layer, or what a function says?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.errors import InputError, closest
from convsight.network.layers import Layers


class Scored(Protocol):
    """What a target asks of a classifier."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def layers(self) -> Layers: ...
    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]: ...
    def record(self, *layers: str, stop: bool = False) -> AbstractContextManager[dict[str, Tensor]]: ...


@dataclass(frozen=True)
class Target:
    """One number per picture: an output of the network (`outputs`) or a unit of a layer.

    `labels` names it for each picture. A unit without (y, x) means the cell where its map is largest. `through`
    is another reading of the same network that `outputs` point into: a class in a region, a function. `note` is
    what was chosen for the user, in a sentence.
    """

    labels: tuple[str, ...]
    outputs: Int[Tensor, " n"] | None = None
    layer: str | None = None
    channel: int | None = None
    cell: tuple[int, int] | None = None
    through: Any = None
    note: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice) -> Target:
        outputs = None if self.outputs is None else self.outputs[index]
        return replace(self, labels=self.labels[index], outputs=outputs)

    def score(self, net: Scored, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The target's value for each picture; differentiable when grad is enabled."""
        if self.outputs is not None:
            return self.of_logits((self.through or net).forward(pixels))
        assert self.layer is not None
        with net.record(self.layer, stop=True) as seen:
            net.forward(pixels)
        return self.of_layer(seen[self.layer])

    def of_logits(self, logits: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """The target's value among all of a network's outputs (those of `through`, if that is set)."""
        assert self.outputs is not None
        return logits.gather(1, self.outputs.to(logits.device)[:, None])[:, 0]

    def of_layer(self, value: Tensor) -> Float[Tensor, " n"]:
        chosen = value[:, self.channel].float()
        if self.cell is not None:
            return chosen[:, self.cell[0], self.cell[1]]
        return (
            chosen.reshape(len(chosen), -1).max(1).values
        )  # of equal maxima the first; amax shares among them


def resolve_target(net: Scored, target: Any, n: int, logits: Tensor | None = None) -> Target:
    """A `Target` for `n` pictures from what a user wrote, where the pictures need not be known.

    None is each picture's largest output (of `logits`, computed by the caller); a class name or output index
    is that output; a list gives one per picture; ("layer", channel[, y, x]) or the text "layer:channel[:y:x]"
    is a unit. `Classifier.target` also knows regions, boxes and likenesses.
    """
    if isinstance(target, Target):
        return target
    if target is None:
        if logits is None:
            raise InputError("a target is needed here: a class name, an output index or (layer, channel)")
        return outputs_target(net, logits.argmax(1))
    if isinstance(target, str) and target not in net.classes and ":" in target:
        layer, _, rest = target.partition(":")
        if layer in net.layers and rest.replace(":", "").isdigit():
            target = (layer, *(int(part) for part in rest.split(":")))
    if isinstance(target, tuple) and len(target) > 1 and isinstance(target[0], str) and _whole(target[1:]):
        return _unit(net, target, n)
    if isinstance(target, (Tensor, np.ndarray, np.generic)):
        target = target.tolist()
    if isinstance(target, (list, tuple)):
        if len(target) != n:
            raise InputError(
                f"{len(target)} targets given for {n} pictures",
                given=target,
                works="give one, or one per picture",
            )
        return outputs_target(net, torch.tensor([output_of(net, item) for item in target], dtype=torch.long))
    return outputs_target(net, torch.full((n,), output_of(net, target), dtype=torch.long))


def _whole(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values)


def outputs_target(net: Scored, outputs: Tensor) -> Target:
    """One output of the network for each picture."""
    return Target(tuple(net.classes[i].split(", ")[0] for i in outputs.tolist()), outputs.long().cpu())


def output_of(net: Scored, target: Any) -> int:
    """The index of the output that a name or number means; InputError for any other."""
    if isinstance(target, str):
        places = [i for i, name in enumerate(net.classes) if name == target]
        if not places:  # "tabby" is enough for "tabby, tabby cat"
            places = [i for i, name in enumerate(net.classes) if target in name.split(", ")]
        if len(places) == 1:
            return places[0]
        if places:
            raise InputError(f"{len(places)} classes are called {target!r}: give one of the indices {places}")
        if target.lstrip("-").isdigit():
            return output_of(net, int(target))
        raise InputError(f"no class {target!r}", given=target, works=closest(target, net.classes))
    if isinstance(target, (int, np.integer)) and not isinstance(target, bool):
        if 0 <= target < len(net.classes):
            return int(target)
        raise InputError(
            f"no output {target}", given=target, works=f"this network has outputs 0 to {len(net.classes) - 1}"
        )
    raise InputError(
        f"cannot use {target!r} as a target",
        given=target,
        works="give a class name, an output index, (layer, channel), a function of the network's output that gives "
        "one number a picture, or None",
    )


def _unit(net: Scored, target: tuple, n: int) -> Target:
    name, channel, *cell = target[0], *map(int, target[1:])
    layer = net.layers[name]
    label = f"{name}, channel {channel}"
    if not 0 <= channel < layer.output_shape[0]:
        raise InputError(
            f"no channel {channel} in {name!r}",
            given=channel,
            works=f"it has channels 0 to {layer.output_shape[0] - 1}",
        )
    if not cell:
        return Target((label,) * n, None, name, channel)
    if len(cell) != 2 or not layer.is_map:
        shape = "×".join(map(str, layer.output_shape))
        raise InputError(
            f"{target!r} is no unit of {name!r}, whose output is {shape}",
            given=target,
            works="give (layer, channel, y, x)",
        )
    if not all(0 <= at < extent for at, extent in zip(cell, layer.output_shape[1:], strict=True)):
        rows, columns = layer.output_shape[1:]
        raise InputError(
            f"no unit at y {cell[0]}, x {cell[1]} in {name!r}",
            given=tuple(cell),
            works=f"its maps are {rows}×{columns}",
        )
    return Target((f"{label} at ({cell[0]}, {cell[1]})",) * n, None, name, channel, (cell[0], cell[1]))
