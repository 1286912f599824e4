"""How are the nearest of millions of pictures found, by an index on disk, in object storage or on a server?

`FeatureStore.nearest` reads every shard for every query. An index is built once from the store and answers
many queries: LanceDB in a folder or a bucket, Qdrant behind a URL. Both have the methods `build`, `open` and
`search`, so that a further kind of index is one more file.

>>> from convsight.features.index import build_index, open_index
>>> index = build_index(store, "features/fashion.lance")                               # doctest: +SKIP
>>> open_index("features/fashion.lance").search(net.features(images), k=10, where={"split": "test"})  # doctest: +SKIP
"""

from __future__ import annotations

from typing import Any

from convsight.features.folder import FeatureStore
from convsight.features.index.answers import METRICS, Index, nearest_stored

__all__ = ["METRICS", "Index", "build_index", "nearest_stored", "open_index"]


def open_index(url: str) -> Index:
    """The index at `url`: a folder or bucket is LanceDB's (`s3://`, `gs://`, `az://` or a path), `http(s)://` Qdrant's.

    Raises DataNotFound if nothing is there, MissingExtra without the package.
    """
    return _home(url).open(url)


def build_index(store: FeatureStore, url: str, *, metric: str = "l2", overwrite: bool = False) -> Index:
    """Copy every row of a complete store into an index at `url`, shard by shard, and prepare it for searching.

    metric: l2, cosine or mse (l1 too, in Qdrant); it belongs to the index, another one is another index. A
    thumbnail goes along where the store has one. Up to `Index.EXACT_BELOW` rows LanceDB compares them all; above,
    it looks only into the partitions nearest to the query. Raises InputError if `url` holds an index already and
    `overwrite` is false, DataError if shards are missing.
    """
    return _home(url).build(store, url, metric=metric, overwrite=overwrite)


def _home(url: str) -> Any:
    if url.startswith(("http://", "https://", ":memory:")):
        from convsight.features.index.qdrant import QdrantIndex

        return QdrantIndex
    from convsight.features.index.lance import LanceIndex

    return LanceIndex
