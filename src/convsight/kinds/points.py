"""A position per picture: a data set as a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from convsight import draw, plot
from convsight.kinds.layout import csv_bytes, framed
from convsight.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class Points(Result):
    """A position per picture: `xy` n 2|3, `ids` n, optional class `labels` n and the `classes` they name.

    `groups` n and `group_names` colour the points by something else than their class, such as the error.
    `predicted` n (class index) and `losses` n (nats) are what the network makes of each picture.
    """

    xy: Float[Tensor, "n d"]
    ids: tuple[str, ...]
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    axes: tuple[str, ...] = ("x", "y")
    pictures: Tensor | None = None
    groups: Tensor | None = None
    group_names: tuple[str, ...] = ()
    predicted: Tensor | None = None
    losses: Tensor | None = None

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "csv")

    def draw_self(self) -> draw.RGB:
        groups, names = (
            (self.labels, self.classes) if self.groups is None else (self.groups, self.group_names)
        )
        colours = None if groups is None else groups.numpy()
        named = names[: len(self.classes)] == self.classes
        return framed(self, plot.scatter(self.xy.numpy(), colours, names, *self.axes, name_groups=named))

    def data(self) -> dict[str, Any]:
        per_picture = {
            name: None if value is None else [None if v != v else round(v, 4) for v in value.tolist()]
            for name in ("labels", "groups", "predicted", "losses")
            for value in [getattr(self, name)]
        }
        return {
            **super().data(),
            "xy": [[round(v, 4) for v in row] for row in self.xy.tolist()],
            "ids": list(self.ids),
            "classes": list(self.classes),
            "group_names": list(self.group_names),
            **per_picture,
        }

    def _encoded(self, suffix: str) -> bytes:
        if suffix != "csv":
            return super()._encoded(suffix)
        names = (
            [self.classes[i] if 0 <= i < len(self.classes) else "" for i in self.labels.tolist()]
            if self.labels is not None
            else [""] * len(self.ids)
        )
        rows = [(i, n, *p) for i, n, p in zip(self.ids, names, self.xy.tolist(), strict=True)]
        return csv_bytes(("id", "label", *"xyz"[: self.xy.shape[1]]), rows)
