"""How do millions of feature vectors live in one folder or bucket and stay searchable? In LanceDB."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import DataNotFound, InputError, required
from convsight.features.folder import FeatureStore
from convsight.features.index.answers import KEPT, Hit, Index, plan_of, rows_of
from convsight.progress import report_count

TABLE = "features"
ABOUT = b"convsight"
EXACT_BELOW = 200_000  # up to so many rows all are compared; above, partitions are made
PROBES = 32  # partitions that a query searches; there are about √n of them
DISTANCES: dict[str, Any] = {"l2": "l2", "mse": "l2", "cosine": "cosine"}


@dataclass(frozen=True, eq=False)
class LanceIndex(Index):
    """One LanceDB table; exact up to `EXACT_BELOW` rows, then IVF: the 32 nearest of about √n partitions.

    Inside a partition distances are computed from the vectors themselves, not from compressed ones, so a
    neighbour is either found with its true distance or missed; `recall` measures how many are.
    """

    table: Any
    plan: dict[str, Any]
    metrics: ClassVar[tuple[str, ...]] = tuple(DISTANCES)

    @classmethod
    def open(cls, url: str) -> LanceIndex:
        """The index in the folder or bucket `url`; DataNotFound if there is none."""
        base = _lancedb().connect(url)
        if TABLE not in base.list_tables().tables:
            raise DataNotFound(f"no index at {url}; `convsight features ... --index {url}` makes one")
        table = base.open_table(TABLE)
        return cls(table, json.loads(table.schema.metadata[ABOUT]))

    @classmethod
    def build(cls, store: FeatureStore, url: str, *, metric: str, overwrite: bool) -> LanceIndex:
        cls.check_metric(metric)
        base = _lancedb().connect(url)
        there = TABLE in base.list_tables().tables
        if there and not overwrite:
            raise InputError(f"{url} holds an index already; overwrite=True (--overwrite) replaces it")
        plan = plan_of(store, metric)
        about = {ABOUT: json.dumps(plan).encode()}
        # LanceDB warns when there is nothing to overwrite
        table, mode = None, "overwrite" if there else "create"
        for done, rows in enumerate(rows_of(store)):
            if table is None:
                table = base.create_table(TABLE, rows.replace_schema_metadata(about), mode=mode)
            else:
                table.add(rows)
            report_count(done + 1, plan["shards"], "shards", "index")
        index = cls(table, plan)
        index._partition()
        return index

    def __len__(self) -> int:
        return self.table.count_rows()

    def _partition(self) -> None:
        if len(self) < EXACT_BELOW:
            return
        from lancedb.index import IvfFlat  # type: ignore[import-not-found]

        count = round(math.sqrt(len(self)))
        config = IvfFlat(distance_type=DISTANCES[self.metric], num_partitions=count)
        self.table.create_index("vector", config=config, replace=True)

    def search(
        self,
        queries: Float[Tensor, "q d"],
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        *,
        exact: bool = False,
    ) -> list[list[Hit]]:
        self.check(queries, k, where)
        asked = self.table.search(queries.float().numpy(), vector_column_name="vector")
        asked = asked.distance_type(DISTANCES[self.metric]).nprobes(PROBES).limit(k)
        if exact:
            asked = asked.bypass_vector_index()
        if where:
            conditions = [f"`{column}` = {_literal(value)}" for column, value in where.items()]
            asked = asked.where(" AND ".join(conditions), prefilter=True)
        held = [name for name in KEPT if name in self.table.schema.names]
        answer = asked.select([*held, "_distance"]).to_arrow().to_pylist()
        hits: dict[int, list[Hit]] = defaultdict(list)
        for row in answer:
            distance = _distance(row.pop("_distance"), self.metric, queries.shape[1])
            hits[row.pop("query_index", 0)].append(Hit(distance, row))
        return [sorted(hits[q], key=lambda hit: hit.distance) for q in range(len(queries))]


def _distance(squared: float, metric: str, width: int) -> float:
    """LanceDB's l2 is squared, and its float32 may round a little below 0."""
    if metric == "l2":
        return math.sqrt(max(0.0, squared))
    return max(0.0, squared / width if metric == "mse" else squared)


def _literal(value: Any) -> str:
    """A value as SQL; text is quoted, so that a class may be called anything."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)) and math.isfinite(value):
        return str(value)
    if isinstance(value, torch.Tensor) and value.ndim == 0:
        return _literal(value.item())
    return "'" + str(value).replace("'", "''") + "'"


def _lancedb() -> Any:
    """The LanceDB package, with its log level set before it is imported, which is when it reads it.

    Otherwise it would warn of each partition that equal vectors leave empty, although nothing is wrong.
    """
    os.environ.setdefault("LANCEDB_LOG", "error")
    return required("lancedb", "index", "an index on disk")
