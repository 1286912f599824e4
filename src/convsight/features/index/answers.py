"""What do all kinds of index have in common: queries, answers, and how these are shown?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError, check_known
from convsight.features.folder import FeatureStore
from convsight.features.shards import arrow, read_shard
from convsight.images import Images
from convsight.imaging.fitting import fit_pixels
from convsight.network.classifier import Classifier
from convsight.picture import decode_bytes
from convsight.results.kinds import Ranking, Table

METRICS = ("l2", "cosine", "mse", "l1")
FILTERS = ("split", "class", "label", "predicted_class", "right")
KEPT = ("id", "path", "split", "label", "class", "predicted_class", "loss", "right", "thumbnail")


@dataclass(frozen=True)
class Hit:
    """One neighbour: its distance (in the index's metric) and what its row says (`KEPT`, without the vector)."""

    distance: float
    row: Mapping[str, Any]


class Index(ABC):
    """Rows of a feature store that can be searched; `plan` says which network, layer and data they are of."""

    metrics: ClassVar[tuple[str, ...]]
    plan: dict[str, Any]

    @property
    def metric(self) -> str:
        return self.plan["metric"]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def search(
        self,
        queries: Float[Tensor, "q d"],
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        *,
        exact: bool = False,
    ) -> list[list[Hit]]:
        """For each query its k nearest rows, nearest first.

        where: only rows whose column equals a value, such as {"split": "test", "right": False}; of `FILTERS`.
        exact: compare every row, also where the index has a quicker search that may miss some.
        """

    def recall(self, queries: Float[Tensor, "q d"], k: int = 10) -> float:
        """The share of the true k nearest that `search` finds, measured on these queries."""
        quick, exact = self.search(queries, k), self.search(queries, k, exact=True)
        pairs = zip(quick, exact, strict=True)
        found = sum(len({h.row["id"] for h in q} & {h.row["id"] for h in e}) for q, e in pairs)
        return found / max(1, sum(len(e) for e in exact))

    @classmethod
    def check_metric(cls, metric: str) -> None:
        check_known(metric, cls.metrics, f"{cls.__name__} has no metric {metric!r}")

    def check(self, queries: Tensor, k: int, where: Mapping[str, Any] | None) -> None:
        width = self.plan["width"]
        if queries.ndim != 2 or queries.shape[1] != width:
            raise InputError(f"the index holds vectors of {width} numbers; given {tuple(queries.shape)}")
        if k < 1:
            raise InputError(f"k is the number of neighbours, at least 1, not {k}")
        for column in where or {}:
            check_known(column, FILTERS, f"rows are not filtered by {column!r}")


def rows_of(store: FeatureStore) -> Iterator[Any]:
    """The store's shards as Arrow tables with the columns an index keeps, `right` among them, and the vectors."""
    pa, _ = arrow()
    for path in store.complete():
        table = read_shard(path)
        pairs = zip(table["class"].to_pylist(), table["predicted_class"].to_pylist(), strict=True)
        table = table.append_column(
            "right", pa.array([None if true is None else true == said for true, said in pairs], pa.bool_())
        )
        for name in set(KEPT).difference(table.column_names):
            table = table.append_column(name, pa.nulls(len(table), pa.binary()))
        yield table.select([*KEPT, "vector"])


def plan_of(store: FeatureStore, metric: str) -> dict[str, Any]:
    """The store's plan with the metric and the width of a vector added."""
    width = next(store.chunks()).shape[1]
    return {**store.plan, "metric": metric, "width": width}


def nearest_stored(
    net: Classifier, images: Any, index: Index, *, k: int = 10, where: Mapping[str, Any] | None = None
) -> Ranking | Table:
    """The indexed pictures that the network finds most like each of yours, which need not be among them.

    A `Ranking` with pictures if thumbnails were stored, else a `Table` of query, rank, distance, id, class.
    Raises InputError if the index holds features of another network.
    """
    known = index.plan.get("weights")
    if known is not None and known != net.weights_hash:
        raise InputError(
            f"the index holds features of {index.plan.get('network')} with other weights ({known}; this network "
            f"has {net.weights_hash}); extract this network's features into an index of its own"
        )
    pictures = net.fit(images)
    found = index.search(net.features(pictures, index.plan.get("layer")), k, where)
    if found and all(hit.row.get("thumbnail") for hits in found for hit in hits):
        return _ranking(pictures, found, index)
    rows = tuple(
        (pictures.ids[q], rank, hit.distance, hit.row["id"], hit.row["class"] or "")
        for q, hits in enumerate(found)
        for rank, hit in enumerate(hits, 1)
    )
    return Table(
        title="Nearest in the index", columns=("query", "rank", index.metric, "id", "class"), rows=rows,
        notes=("No thumbnails are stored; `convsight features --thumbnails` keeps them.",),
    )  # fmt: skip


def _ranking(pictures: Images, found: list[list[Hit]], index: Index) -> Ranking:
    k = min(len(hits) for hits in found)
    found = [hits[:k] for hits in found]
    names = sorted({hit.row["class"] for hits in found for hit in hits if hit.row["class"] is not None})
    number = {name: i for i, name in enumerate(names)}
    tiles = [[_picture(hit.row["thumbnail"], pictures.size) for hit in hits] for hits in found]
    labels = [[number.get(hit.row["class"], -1) for hit in hits] for hits in found]
    return Ranking(
        title="Nearest in the index",
        caption=f"The {k} nearest of {len(index):,} stored pictures by {index.metric}.",
        ids=tuple(tuple(hit.row["id"] for hit in hits) for hits in found),
        distances=torch.tensor([[hit.distance for hit in hits] for hits in found]),
        labels=torch.tensor(labels),
        classes=tuple(names),
        query=Images(pictures.pixels, ids=pictures.ids),
        pictures=torch.stack([torch.stack(row) for row in tiles]),
        space="features",
    )


def _picture(webp: bytes, size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    return fit_pixels(decode_bytes(webp)[None], size, 3)[0]
