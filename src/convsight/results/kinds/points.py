"""A position per picture: a data set as a map."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from convsight.results import draw, plot
from convsight.results.kinds.layout import csv_bytes, framed, parquet_bytes
from convsight.results.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class Points(Result):
    """A position per picture: `xy` n 2|3, `ids` n, optional `labels` and the `classes` they name.

    `labels` and `predicted` are class indices n, or rows n k with 1 for each of several labels. `groups` n and
    `group_names` colour the points by something else than their class, such as the error or one of several labels.
    `predicted` and `losses` n (nats) are what the network makes of each picture.
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

    suffixes: ClassVar[tuple[str, ...]] = ("png", "npz", "json", "html", "csv") + (
        ("parquet",) if find_spec("pyarrow") else ()
    )

    def draw_self(self) -> draw.RGB:
        groups, names = (
            (self.labels, self.classes) if self.groups is None else (self.groups, self.group_names)
        )
        groups = None if groups is None or groups.ndim == 2 else groups
        colours = None if groups is None else groups.numpy()
        named = names[: len(self.classes)] == self.classes
        return framed(self, plot.scatter(self.xy.numpy(), colours, names, *self.axes, name_groups=named))

    def data(self) -> dict[str, Any]:
        per_picture = {
            name: numbers_or_sets(getattr(self, name)) for name in ("labels", "groups", "predicted", "losses")
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
        if suffix == "parquet":
            return self._parquet()
        if suffix != "csv":
            return super()._encoded(suffix)
        rows = [(i, n or "", *p) for i, n, p in zip(self.ids, self._named(), self.xy.tolist(), strict=True)]
        return csv_bytes(("id", "label", *"xyz"[: self.xy.shape[1]]), rows)

    def _named(self) -> list[str | None]:
        """Each picture's class (or several, with + between) by name; None where it has none."""
        if self.labels is None:
            return [None] * len(self.ids)
        if self.labels.ndim == 2:
            return [" + ".join(self.classes[k] for k in row) or None for row in sets(self.labels)]
        return [self.classes[i] if 0 <= i < len(self.classes) else None for i in self.labels.tolist()]

    def _parquet(self) -> bytes:
        """One row a picture: id, class, x, y (z), predicted (an index), loss; for pandas, DuckDB, Arrow."""
        columns: dict[str, Any] = {"id": list(self.ids), "class": self._named()}
        columns |= {axis: self.xy[:, i].numpy() for i, axis in enumerate("xyz"[: self.xy.shape[1]])}
        for name, values in (("predicted", self.predicted), ("loss", self.losses)):
            if values is not None:
                columns[name] = sets(values) if values.ndim == 2 else values.numpy()
        return parquet_bytes(columns)


def sets(rows: Tensor) -> list[list[int]]:
    """Rows n k of 0 and 1 as the indices of the ones in each row."""
    return [row.nonzero().flatten().tolist() for row in rows]


def numbers_or_sets(values: Tensor | None) -> list[Any] | None:
    """A number a picture (None where it is not a number), or the indices of its labels."""
    if values is None or values.ndim == 2:
        return None if values is None else sets(values)
    return [None if v != v else round(v, 4) for v in values.tolist()]
