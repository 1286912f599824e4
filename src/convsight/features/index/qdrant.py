"""How do several machines share one index of features? Through a Qdrant server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from convsight.errors import DataError, DataNotFound, InputError, required
from convsight.features.folder import FeatureStore
from convsight.features.index.answers import KEPT, Hit, Index, plan_of, rows_of
from convsight.features.shards import vectors_in
from convsight.progress import report_count

DISTANCES = {"l2": "EUCLID", "mse": "EUCLID", "cosine": "COSINE", "l1": "MANHATTAN"}
LEFT_OUT = ("thumbnail",)  # a payload cannot hold bytes; the store keeps them
BATCH = 1000  # most rows, or queries, in one request


@dataclass(frozen=True, eq=False)
class QdrantIndex(Index):
    """One Qdrant collection: `http://host:6333/NAME` (NAME: "features" if left out); `:memory:` for trying out."""

    client: Any
    name: str
    plan: dict[str, Any]
    metrics: ClassVar[tuple[str, ...]] = tuple(DISTANCES)

    @classmethod
    def open(cls, url: str, client: Any = None) -> QdrantIndex:
        """The collection at `url`; DataNotFound if the server has none of that name."""
        client, name = client or _client(url), _collection(url)
        with _spoken(url):
            if not client.collection_exists(name):
                raise DataNotFound(f"no collection {name!r} at {url}; build_index(store, {url!r}) makes it")
            about = client.get_collection(name).config.metadata or {}
        if "width" not in about:
            raise DataError(f"the collection {name!r} at {url} was not made by convsight")
        return cls(client, name, about)

    @classmethod
    def build(
        cls, store: FeatureStore, url: str, *, metric: str, overwrite: bool, client: Any = None
    ) -> QdrantIndex:
        cls.check_metric(metric)
        client, name, models = client or _client(url), _collection(url), _qdrant().models
        plan = plan_of(store, metric)
        with _spoken(url):
            if client.collection_exists(name):
                if not overwrite:
                    raise InputError(
                        f"{url} holds an index already; overwrite=True (--overwrite) replaces it"
                    )
                client.delete_collection(name)
            distance = models.Distance[DISTANCES[metric]]
            shape = models.VectorParams(size=plan["width"], distance=distance)
            client.create_collection(name, vectors_config=shape, metadata=plan)
            start = 0
            for done, rows in enumerate(rows_of(store)):
                _upload(client, name, models, rows, start)
                start += len(rows)
                report_count(done + 1, plan["shards"], "shards", "index")
        return cls(client, name, plan)

    def __len__(self) -> int:
        return self.client.count(self.name, exact=True).count

    def search(
        self,
        queries: Float[Tensor, "q d"],
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        *,
        exact: bool = False,
    ) -> list[list[Hit]]:
        self.check(queries, k, where)
        models = _qdrant().models
        conditions: list[Any] = [
            models.FieldCondition(key=column, match=models.MatchValue(value=value))
            for column, value in (where or {}).items()
        ]
        asked = [
            models.QueryRequest(
                query=query, limit=k, with_payload=True, filter=models.Filter(must=conditions),
                params=models.SearchParams(exact=exact),
            )
            for query in queries.float().tolist()
        ]  # fmt: skip
        answers = []
        for start in range(0, len(asked), BATCH):
            answers += self.client.query_batch_points(self.name, asked[start : start + BATCH])
        return [[Hit(self._distance(p.score), p.payload) for p in each.points] for each in answers]

    def _distance(self, score: float) -> float:
        """Qdrant scores cosine by similarity, the others by distance."""
        if self.metric == "cosine":
            return max(0.0, 1 - score)
        return score**2 / self.plan["width"] if self.metric == "mse" else score


def _upload(client: Any, name: str, models: Any, rows: Any, start: int) -> None:
    payload = rows.select([column for column in KEPT if column not in LEFT_OUT]).to_pylist()
    vectors = vectors_in(rows).tolist()
    points = [
        models.PointStruct(id=start + i, vector=vector, payload=row)
        for i, (vector, row) in enumerate(zip(vectors, payload, strict=True))
    ]
    for first in range(0, len(points), BATCH):
        client.upsert(name, points[first : first + BATCH], wait=True)


def _collection(url: str) -> str:
    """The name after the host: `http://host:6333/fashion` → "fashion"."""
    return url.partition("://")[2].partition("/")[2].strip("/") or "features"


def _client(url: str) -> Any:
    if url.startswith(":memory:"):
        return _qdrant().QdrantClient(":memory:")
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    return _qdrant().QdrantClient(url=f"{scheme}://{host}", timeout=60, check_compatibility=False)


@contextmanager
def _spoken(url: str) -> Iterator[None]:
    """Turns errors of a server that is not there or refuses into a DataError that names the URL."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("qdrant_client", "httpx", "httpcore", "grpc")):
            raise
        raise DataError(
            f"the Qdrant server at {url} does not answer as expected ({error}); is it running there, and is the "
            "address http://HOST:6333/COLLECTION?"
        ) from error


def _qdrant() -> Any:
    return required("qdrant_client", "qdrant", "an index on a server", "qdrant-client")
