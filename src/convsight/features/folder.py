"""What does a folder of features hold, is it complete, and which rows are nearest, without loading all of
it?
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import DataError, DataNotFound, InputError
from convsight.features.exact import nearest_in_chunks
from convsight.features.shards import arrow, read_shard, shard_name, vectors_in

MANIFEST = "features.json"


@dataclass(frozen=True)
class FeatureStore:
    """A folder of shards and the `plan` they were made by (see `extract`)."""

    folder: Path
    plan: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> FeatureStore:
        """The store in `folder`; DataNotFound if there is none."""
        folder = Path(folder)
        file = folder / MANIFEST
        if not file.is_file():
            raise DataNotFound(
                f"no features in {folder}: there is no {MANIFEST}; `convsight features` makes it"
            )
        return cls(folder, json.loads(file.read_text(encoding="utf-8")))

    def __len__(self) -> int:
        """How many pictures it is to hold; `missing()` says what is not there yet."""
        return self.plan["pictures"]

    @property
    def paths(self) -> list[Path]:
        """Every shard's file in order, there or not."""
        count = self.plan["shards"]
        return [self.folder / shard_name(index, count) for index in range(count)]

    def missing(self) -> list[str]:
        """Names of the shards that are not there yet."""
        return [path.name for path in self.paths if not path.exists()]

    def table(self, columns: list[str] | None = None) -> Any:
        """All rows, or some columns of them, as one Arrow table; DataError while shards are missing."""
        return arrow()[0].concat_tables([read_shard(path, columns) for path in self.complete()])

    def vectors(self) -> Float[Tensor, "n d"]:
        """All vectors in memory, as float32."""
        return torch.cat(list(self.chunks()))

    def ids(self) -> list[str]:
        """The id of every row."""
        return self.table(["id"])["id"].to_pylist()

    def chunks(self) -> Iterator[Float[Tensor, "m d"]]:
        """The vectors shard by shard: one is in memory at a time."""
        return (vectors_in(read_shard(path, ["vector"])) for path in self.complete())

    def nearest(
        self, queries: Float[Tensor, "q d"], k: int = 10, metric: str = "l2"
    ) -> tuple[Float[Tensor, "q k"], list[list[str]]]:
        """Exact distances and ids of the k rows nearest to each query, reading the store once."""
        distances, rows = nearest_in_chunks(queries, self.chunks(), k, metric)
        ids = self.ids()
        return distances, [[ids[i] for i in row] for row in rows.tolist()]

    def check(self) -> None:
        """DataError unless every shard is there and readable, and every id is there once."""
        ids = self.ids()
        if len(set(ids)) != len(ids) or len(ids) != len(self):
            raise DataError(
                f"{self.folder} holds {len(ids)} rows and {len(set(ids))} different ids; {len(self)} are "
                "expected of both. Delete the shards and extract again"
            )

    def complete(self) -> list[Path]:
        """Every shard's file; DataError while some are missing."""
        missing = self.missing()
        if missing:
            raise DataError(
                f"{self.folder} is not complete: {len(missing)} of {self.plan['shards']} shards are missing "
                f"({missing[0]} first); the same command again makes the rest"
            )
        if not self.paths:
            raise InputError(f"{self.folder} holds no pictures")
        return self.paths
