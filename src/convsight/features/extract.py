"""How do the features of a data set of any size get onto the disk, although processes may be killed on the
way?

The pictures are divided into shards of consecutive rows. A shard is written under a temporary name and
renamed, so that a file with its final name is complete and is skipped by later runs. Processes need not
communicate: of `world` processes, number `rank` writes the shards rank, rank + world, ...
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from convsight.errors import InputError, check_known
from convsight.features.folder import MANIFEST, FeatureStore
from convsight.features.selection import Selection
from convsight.features.shards import DTYPES, Rows, arrow, shard_name, write_shard
from convsight.features.vectors import as_net_classes, losses, passes
from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.progress import report_count
from convsight.storage import write_json

if TYPE_CHECKING:
    from convsight.datasets import Dataset


def extract(
    net: Classifier,
    data: Dataset,
    folder: str | Path,
    *,
    split: str = "all",
    layer: str | None = None,
    dtype: str = "float32",
    shard_size: int = 4096,
    thumbnails: bool = False,
    rank: int | None = None,
    world: int | None = None,
) -> FeatureStore:
    """Write the features of every picture of `split` as Parquet shards into `folder`; only what is missing.

    Each row holds id, path, split, label, class, predicted, predicted_class, probabilities, loss (nats),
    vector, and with `thumbnails` a WebP picture of at most 32 pixels a side. A network that locates has its
    `positions` (pixels; of a regression its numbers) instead of a predicted class, probabilities and loss; one of
    labels has probabilities alone. layer: None for the vector that
    feeds the class scores. dtype: of the vector, float32 or float16 (half the size, three digits).
    shard_size: pictures a file, and at most so many are lost when the process is killed. rank, world: this
    process's number and how many there are; without them `RANK` and `WORLD_SIZE`, which torchrun sets, or one.

    Raises InputError if `folder` holds features of another network, layer or data set; MissingExtra without
    pyarrow; StorageError (full disk).

    >>> import tempfile
    >>> from convsight.datasets import dataset
    >>> data = dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 4), torch.nn.Linear(4, 10)),
    ...                  classes=data.classes, input_size=28, channels=1)
    >>> store = extract(net, data, tempfile.mkdtemp(), shard_size=16)
    >>> len(store), store.vectors().shape[1], store.missing()
    (70, 4, [])
    """
    arrow()
    check_known(dtype, DTYPES, f"no dtype {dtype!r} for vectors")
    if shard_size < 1:
        raise InputError(f"shard_size is the number of pictures a file, at least 1, not {shard_size}")
    rank, world = _place(rank, world)
    chosen = Selection.of(data, split)
    layer = net.layers[layer].name if layer else net.feature_layer
    folder = Path(folder)
    plan = _plan(net, chosen, split, layer, dtype, shard_size, thumbnails)
    _agree(folder, plan)
    count, total = plan["shards"], len(chosen)
    mine = range(rank, count, world)
    for done, index in enumerate(mine):
        path = folder / shard_name(index, count)
        if path.exists():
            continue
        span = range(index * shard_size, min((index + 1) * shard_size, total))
        report_count(done, len(mine), "shards", "features")
        write_shard(path, _rows(net, chosen, span, layer, thumbnails), dtype)
    report_count(len(mine), len(mine), "shards", "features")
    return FeatureStore.open(folder)


def _rows(net: Classifier, chosen: Selection, span: range, layer: str, thumbnails: bool) -> Rows:
    vectors, logits, pictures = [], [], []
    for part in chosen.spans(span):
        for images, features, scores in passes(net, part, layer):
            vectors.append(features)
            logits.append(scores)
            pictures += [images] if thumbnails else []
    here = slice(span.start, span.stop)
    truth, scores = as_net_classes(net, chosen), torch.cat(logits)
    chances = net.chances(scores) if net.has_probabilities and net.task != "segment" else None
    return Rows(
        chosen.ids[here],
        chosen.splits[here],
        None if chosen.labels is None else chosen.labels[here],
        chosen.classes,
        scores,
        chances,
        net.reader.predicted(chances) if chances is not None and net.one_class else None,
        None if truth is None else losses(net, scores, truth[here]),
        net.classes,
        torch.cat(vectors),
        Images(torch.cat([i.pixels for i in pictures])) if thumbnails else None,
    )


def _plan(
    net: Classifier, chosen: Selection, split: str, layer: str, dtype: str, shard_size: int, thumbnails: bool
) -> dict[str, Any]:
    """Everything that decides what is in the files, as `features.json` beside them says it."""
    names = hashlib.blake2b("\n".join(chosen.ids).encode(), digest_size=8).hexdigest()
    return {
        "format": 1,
        "network": net.name,
        "weights": net.weights_hash,
        "layer": layer,
        "input": [net.channels, *net.input_size],
        "classes": list(net.classes),
        "data": chosen.name,
        "data_classes": list(chosen.classes),
        "split": split,
        "pictures": len(chosen),
        "ids": names,
        "dtype": dtype,
        "thumbnails": thumbnails,
        "shard_size": shard_size,
        "shards": -(-len(chosen) // shard_size),
    }


def _agree(folder: Path, plan: dict[str, Any]) -> None:
    """Write the plan into a new folder; InputError if the folder was begun with another plan."""
    file = folder / MANIFEST
    if not file.exists():
        write_json(file, plan)
        return
    begun = json.loads(file.read_text(encoding="utf-8"))
    differ = [name for name in plan if begun.get(name) != plan[name]]
    if differ:
        said = "; ".join(f"{name} {_short(begun.get(name))}, now {_short(plan[name])}" for name in differ[:3])
        raise InputError(f"{folder} holds other features ({said}); choose another folder or delete this one")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 32 else text[:31] + "…"


def _place(rank: int | None, world: int | None) -> tuple[int, int]:
    world = int(os.environ.get("WORLD_SIZE", 1)) if world is None else world
    rank = int(os.environ.get("RANK", 0)) if rank is None else rank
    if not 0 <= rank < world:
        raise InputError(f"rank {rank} of {world} processes; ranks are 0 to {world - 1}")
    return rank, world
