"""What does a file of features look like, and how is one written and read?

A shard is a Parquet file of some consecutive pictures, one row each; pandas, DuckDB, Polars and Spark read it.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convsight.errors import StorageError, required
from convsight.features.thumbnails import THUMBNAIL_PX, shrink
from convsight.images import Images
from convsight.picture import SUFFIXES
from convsight.results import draw
from convsight.storage import write_atomic

DTYPES = ("float32", "float16")
COLUMNS = (
    "id", "path", "split", "label", "class", "predicted", "predicted_class", "probabilities", "loss", "vector",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a shard: ids and labels of some pictures, the network's answers, and their vectors b d.

    `scores` are those of classes or labels, or numbers (positions in pixels) where `chances` is None; `predicted`
    and `loss` are known of networks that say one class, whose names are `answers`.
    """

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    labels: Tensor | None
    classes: tuple[str, ...]
    scores: Tensor
    chances: Tensor | None
    predicted: Tensor | None
    loss: Tensor | None
    answers: tuple[str, ...]
    vectors: Tensor
    pictures: Images | None = None


def shard_name(index: int, count: int) -> str:
    return f"part-{index:05d}-of-{count:05d}.parquet"


def write_shard(path: Path, rows: Rows, dtype: str) -> Path:
    """One shard, whole or not at all; the same rows always give the same bytes."""
    pa, parquet = arrow()
    for left in path.parent.glob(f".{path.name}.*.part"):  # left by a writer that was killed
        left.unlink(missing_ok=True)
    sink = io.BytesIO()
    plain = [name for name in COLUMNS if name not in ("vector", "probabilities", "id", "loss")]
    parquet.write_table(_table(pa, rows, dtype), sink, compression="zstd", use_dictionary=plain)
    return write_atomic(path, sink.getvalue())


def read_shard(path: Path, columns: list[str] | None = None) -> Any:
    """A shard, or some of its columns, as an Arrow table; StorageError names a file that is not one."""
    pa, parquet = arrow()
    try:
        return parquet.read_table(path, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise StorageError(
            f"{path} is not a readable shard of features ({error}); delete it and run again"
        ) from None


def vectors_in(table: Any) -> Tensor:
    """The vector column as float32 n d."""
    column = table["vector"].combine_chunks()
    width = column.type.list_size
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(flat.astype(np.float32).reshape(-1, width))


def arrow() -> tuple[Any, Any]:
    """(pyarrow, pyarrow.parquet), or the extra that brings them."""
    return required("pyarrow", "features", "features on disk"), importlib.import_module("pyarrow.parquet")


def _table(pa: Any, rows: Rows, dtype: str) -> Any:
    empty = [None] * len(rows.ids)
    predicted = empty if rows.predicted is None else rows.predicted.tolist()
    labels = empty if rows.labels is None else rows.labels.tolist()
    loss = None if rows.loss is None else rows.loss.tolist()
    columns = {
        "id": pa.array(rows.ids),
        "path": pa.array([i if Path(i).suffix.lower() in SUFFIXES else None for i in rows.ids], pa.string()),
        "split": pa.array(rows.splits),
        "label": pa.array(labels, pa.int32()),
        "class": pa.array([None if k is None else rows.classes[k] for k in labels], pa.string()),
        "predicted": pa.array(predicted, pa.int32()),
        "predicted_class": pa.array([None if k is None else rows.answers[k] for k in predicted], pa.string()),
        "probabilities": pa.nulls(len(empty))
        if rows.chances is None
        else _lists(pa, rows.chances, "float32"),
        "loss": pa.array(loss or empty, pa.float32()),
        "vector": _lists(pa, rows.vectors, dtype),
    }
    if rows.chances is None:
        columns["positions"] = _lists(pa, rows.scores, "float32")
    if rows.pictures is not None:
        small = shrink(rows.pictures.pixels, THUMBNAIL_PX)
        columns["thumbnail"] = pa.array([draw.webp(draw.rgb(chw)) for chw in small], pa.binary())
    return pa.table(columns)


def _lists(pa: Any, values: Tensor, dtype: str) -> Any:
    array = np.ascontiguousarray(values.detach().float().numpy().astype(dtype))
    return pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
