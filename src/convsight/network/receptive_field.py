"""Which pixels can a unit see, exactly?

Intervals of pixels are carried through the graph by one small rule per kind of operation (see
`receptive_rules`); an operation without a rule is taken to see all that its inputs see, which is never too
little. Araujo, Norris & Sim 2019 (Distill, 10.23915/distill.00021) give the closed forms for chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from convsight.network.graph import Node
from convsight.network.intervals import Field, Intervals, hull
from convsight.network.receptive_rules import IMAGE_KINDS, RULES


@dataclass(frozen=True)
class ReceptiveBox:
    """Pixels `top <= y < bottom`, `left <= x < right` of the picture."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def fields(nodes: Sequence[Node], height: int, width: int) -> list[Field]:
    """The field of each node's value, in order, for a picture of `height` by `width` pixels."""
    picture = Field(Intervals.of_picture(height), Intervals.of_picture(width))
    found: list[Field] = []
    for node in nodes:
        inputs = [picture if index < 0 else found[index] for index in dict.fromkeys(node.parents)]
        found.append(field_of(node, inputs))
    return found


def field_of(node: Node, inputs: Sequence[Field]) -> Field:
    """The field of one operation's value, from those of the values it reads."""
    rule = RULES.get(node.kind)
    field = rule(node, list(inputs)) if rule else None
    if field is not None and field.places and field.extent == tuple(node.shape[p] for p in field.places):
        return replace(field, dims=len(node.shape))
    as_picture = node.kind in IMAGE_KINDS or all(each.places == (2, 3) for each in inputs)
    return hull(inputs, node.shape, (2, 3) if as_picture and len(node.shape) == 4 else None)


def box(field: Field, y: int, x: int) -> ReceptiveBox | None:
    """The pixels that unit (y, x) sees; None for one that sees only padding."""
    rows, columns = field.axes
    top, bottom = int(rows.first[y]), int(rows.last[y])
    left, right = int(columns.first[x]), int(columns.last[x])
    return None if bottom < top or right < left else ReceptiveBox(top, left, bottom + 1, right + 1)
