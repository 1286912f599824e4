"""Which values are feature maps in another order of axes: channels last, or rows of tokens beside a class token?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from convsight.network.graph import Node
from convsight.network.places import Places, places_of, slim


@dataclass(frozen=True, eq=False)
class Grid:
    """A value's feature maps: `order` has, row by row, where each cell lies among the value's places.

    `channels` are the axes that hold them. `beside` counts places without a cell, such as a class token.
    """

    rows: int
    columns: int
    channels: tuple[int, ...]
    order: Int[Tensor, " cells"]
    beside: int = 0

    def maps(self, value: Tensor) -> Float[Tensor, "n c rows columns"]:
        """The value as maps n c h w."""
        others = [a for a in range(1, value.ndim) if a not in self.channels]
        tokens = value.permute(0, *self.channels, *others).flatten(1, len(self.channels))
        return tokens.flatten(2)[:, :, self.order.to(value.device)].unflatten(2, (self.rows, self.columns))

    @property
    def words(self) -> str:
        more = f" beside {self.beside} without a place (class token)" if self.beside else ""
        return f"{self.rows}×{self.columns} places{more}"


def grids_of(nodes: Sequence[Node], size: tuple[int, int]) -> Iterator[Grid | None]:
    """The grid of each node's value in turn; None where its numbers belong to no grid of places."""
    batch = nodes[0].shape[:1] if nodes else ()
    for node, places in zip(nodes, places_of(nodes, size), strict=True):
        own = len(node.shape) > 2 and node.shape[:1] == batch  # not windows or heads as pictures
        yield _grid(places[0]) if own and places is not None else None


def _grid(places: Places) -> Grid | None:
    """Of one picture's places: the axes along which nothing changes are channels, the others tell the places."""
    places = slim(places)
    if not places.numel():
        return None
    first = [places.narrow(a, 0, 1) for a in range(places.ndim)]
    channels = [a for a in range(places.ndim) if bool((places == first[a]).all())]
    others = [a for a in range(places.ndim) if a not in channels]
    if not others or not channels:
        return None
    for axis in channels:
        places = places.narrow(axis, 0, 1)
    flat = places.flatten()
    cells = (flat != 0).nonzero().flatten()
    ys, row = torch.unique((flat[cells].real * 1e4).round(), return_inverse=True)
    xs, column = torch.unique((flat[cells].imag * 1e4).round(), return_inverse=True)
    number = row * len(xs) + column
    if len(cells) < 2 or len(ys) * len(xs) != len(cells) or len(number.unique()) != len(cells):
        return None
    order = cells[number.argsort()]
    return Grid(len(ys), len(xs), tuple(a + 1 for a in channels), order, len(flat) - len(cells))
