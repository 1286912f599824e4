"""What does each layer of a network do, what comes out of it, and how much does it cost?"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from convsight.errors import InputError, closest
from convsight.network.graph import Key, Node
from convsight.network.operations import LINEAR, WEIGHTED, is_convolution
from convsight.network.receptive_field import Field, ReceptiveBox, box
from convsight.network.token_grids import Grid, grids_of


@dataclass(frozen=True)
class Layer:
    """One operation of the network, as `convsight layers` prints it.

    `output_shape` leaves the batch axis out; `receptive_field` is (height, width) in pixels of the picture,
    away from its borders; `macs` counts multiply-adds of one picture.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: tuple[int, int]
    index: int
    key: Key
    in_place: bool
    is_map: bool  # whether the output is a stack of feature maps c h w (not h w c, not tokens)

    @property
    def channels(self) -> int:
        return self.output_shape[0]


class Layers(Mapping[str, Layer]):
    """Every layer by name, in the order of the forward pass; containers such as `layer4` answer too."""

    def __init__(
        self,
        nodes: list[Node],
        keys: list[Key],
        aliases: dict[str, int],
        fields: list[Field],
        size: tuple[int, int] = (1, 1),
    ):
        self.nodes, self.fields, self._size = nodes, fields, size
        batch = nodes[0].shape[0] if nodes and nodes[0].shape else 0
        self._layers = {
            node.name: _layer(node, key, field, batch)
            for node, key, field in zip(nodes, keys, fields, strict=True)
        }
        self._ordered = list(self._layers.values())
        self._aliases = {alias: self._ordered[index] for alias, index in aliases.items()}

    def __getitem__(self, name: str) -> Layer:
        found = self._layers.get(name) or self._aliases.get(name)
        if found is not None:
            return found
        calls = [known for known in (*self._layers, *self._aliases) if known.split("#")[0] == name]
        if calls:
            raise InputError(
                f"layer {name!r} is used {len(calls)} times",
                given=name,
                works=f"choose one of {', '.join(calls)}",
            )
        raise InputError(
            f"no layer {name!r} in this network", given=name, works=closest(str(name), self._layers)
        )

    def __contains__(self, name: object) -> bool:
        return name in self._layers or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        return "\n".join(
            f"{layer.name:24} {layer.kind:16} {'×'.join(map(str, layer.output_shape)):>14}"
            for layer in self._ordered
        )

    def maps(self) -> list[Layer]:
        """The layers whose output is a stack of feature maps larger than one cell."""
        return [a for a in self._ordered if a.is_map and a.output_shape[1] * a.output_shape[2] > 1]

    def last_maps(self) -> Layer | None:
        """The last maps that are as large as those of the last convolution; None in a network without maps.

        So the non-linearity (and, in a ResNet, the sum with the skip) behind the last convolution is included,
        and the pooling that shrinks the maps is not. Without a convolution these are the last maps of all.
        """
        maps, convolutions = self.maps(), self.convolutions()
        size = next((a.output_shape[1:] for a in reversed(convolutions) if a in maps), None)
        alike = [a for a in maps if a.output_shape[1:] == size]
        return (alike or maps or [None])[-1]

    @functools.cached_property
    def _grids(self) -> list[Grid | None]:
        return list(grids_of(self.nodes, self._size))

    def grid(self, name: str) -> Grid | None:
        """Where the places of a layer's value lie in it: of maps, of channels-last maps and of tokens; None for others."""
        return self._grids[self[name].index]

    def tokens(self) -> list[Layer]:
        """The layers whose feature maps come in another order of axes: channels last, or as tokens."""
        others = [a for a in self._ordered if not a.is_map and len(a.output_shape) > 1]
        return [a for a in others if self._grids[a.index] is not None]

    def as_maps(self, name: str) -> Callable[[Tensor], Tensor]:
        """What makes maps n c rows columns of a layer's value; InputError for a layer that has none."""
        layer = self[name]
        if layer.is_map:
            return lambda value: value
        grid = self._grids[layer.index]
        if grid is None:
            raise InputError(
                f"layer {name!r} has no feature maps: its output is {layer.output_shape}", given=name
            )
        return grid.maps

    def convolutions(self) -> list[Layer]:
        return [layer for layer in self._ordered if is_convolution(layer.kind)]

    def weight(self, name: str) -> Tensor:
        """The weights of a convolution or linear layer; InputError for a layer without any."""
        layer = self[name]
        weight = _weight(self.nodes[layer.index])
        if weight is None:
            weighted = [a.name for a in self._ordered if _weight(self.nodes[a.index]) is not None]
            raise InputError(
                f"layer {name!r} ({layer.kind}) has no weights",
                given=name,
                works=f"these have: {', '.join(weighted)}",
            )
        return weight

    def last_feature(self) -> tuple[int, Layer]:
        """Index of the value that feeds the last weighted layer (the class scores), and that layer."""
        for node in reversed(self.nodes):
            if node.kind in WEIGHTED and node.parents:
                return node.parents[0], self._ordered[node.index]
        raise InputError("this network has no linear or convolutional layer, so no last feature vector")

    def receptive_box(self, name: str, y: int, x: int) -> ReceptiveBox | None:
        """The exact pixels that unit (y, x) of a layer sees, clipped at the borders."""
        return box(self.fields[self[name].index], y, x)


def feature_vectors(value: Tensor) -> Float[Tensor, "n d"]:
    """A layer's value as one vector for each picture: maps are averaged over place, anything else is flattened."""
    value = value.float()
    return value.mean((2, 3)) if value.ndim == 4 else value.flatten(1)


def _weight(node: Node) -> Tensor | None:
    if node.kind not in WEIGHTED:
        return None
    candidates: list[Any] = [*node.args[1:3], node.kwargs.get("weight")]
    return next((w for w in candidates if isinstance(w, Tensor) and w.ndim >= 2), None)


def _layer(node: Node, key: Key, field: Field, batch: int) -> Layer:
    weights = [w for w in (*node.args, *node.kwargs.values()) if isinstance(w, Tensor)]
    trained = [w for w in weights if isinstance(w, nn.Parameter) or node.kind in WEIGHTED]
    shape = node.shape[1:]
    rows, columns = field.axes
    return Layer(
        name=node.name,
        kind=node.kind,
        output_shape=tuple(shape),
        parameters=sum(w.numel() for w in trained),
        macs=_macs(node),
        receptive_field=(min(rows.size, 10 * rows.length), min(columns.size, 10 * columns.length)),
        index=node.index,
        key=key,
        in_place=node.in_place,
        is_map=len(shape) == 3 and field.places == (2, 3) and node.shape[0] == batch,  # not heads or windows
    )


def _macs(node: Node) -> int:
    weight = _weight(node)
    if weight is None:
        return 0
    # a linear layer is applied to the last axis at every index of the axes between it and the batch
    places = node.shape[1:-1] if node.kind in LINEAR else node.shape[2:]
    return weight.numel() * math.prod(places)
