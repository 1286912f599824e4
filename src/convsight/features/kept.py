"""Where do the features lie that a training computed, so that no later question runs the network again?

    features/train-00000-of-00003.safetensors   vectors n d of consecutive pictures, and what they were made by
    features/levels/                            what earlier layers say too, while a check needs it
    features/answers.safetensors                the finished network's scores of each split, and its weights' hash
    features/patches.safetensors                what patch features were learnt, where a check has no network to ask

A shard appears whole or not at all: a pass that was stopped makes only what is missing, and of several processes each
makes its own share of the shards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from convsight.features.head_inputs import head_inputs
from convsight.features.levels import level_layers, level_vectors
from convsight.features.patches import PatchFeatures
from convsight.images import Images
from convsight.network.batching import PIXELS
from convsight.network.classifier import Classifier
from convsight.progress import report_count
from convsight.storage import write_atomic

if TYPE_CHECKING:
    from convsight.datasets import Split
    from convsight.features.selection import Selection

FOLDER, LEVELS = "features", "levels"
ANSWERS, PATCHES = "answers.safetensors", "patches.safetensors"
READ = 4 * PIXELS  # numbers in the pictures that are read together
SHARD = 1024  # pictures; at most so many are lost when the process is killed
BATCH = 256  # pictures whose patches are compared at a time


def keep_features(
    net: Classifier,
    splits: Mapping[str, Split],
    folder: Path,
    rank: int = 0,
    world: int = 1,
    dtype: torch.dtype = torch.float32,
) -> None:
    """One pass over all pictures: the vectors that feed the head of `net`, in shards; only what is missing.

    Process number `rank` of `world` makes its share of the shards. dtype: the format in which layers compute.
    """
    batch = max(1, READ // (net.channels * net.input_size[0] * net.input_size[1]))
    with head_inputs(net, dtype) as vectors_of:

        def rows_of(images: Images) -> Tensor:
            return vectors_of(net.fit(images).pixels.contiguous(memory_format=torch.channels_last))

        made_by = _made_by(net) | {"format": str(dtype)}
        _keep(rows_of, batch, made_by, splits, folder, rank, world)


def _keep(
    rows_of: Callable[[Images], Tensor],
    batch: int,
    made_by: Mapping[str, str],
    splits: Mapping[str, Split],
    folder: Path,
    rank: int = 0,
    world: int = 1,
) -> None:
    """Write the shards that are missing, or were made by something else; `rows_of` gets `batch` pictures at a time."""
    places = [(name, shard) for name, split in splits.items() for shard in range(_count(split))]
    mine = places[rank::world]
    total, done = sum(_size(splits[name], shard) for name, shard in mine), 0
    for name, shard in mine:
        split = splits[name]
        path, about = _path(folder, name, shard, _count(split)), {**made_by, "pictures": _pictures(split)}
        if _metadata(path) != about:
            part = split.take(range(shard * SHARD, shard * SHARD + _size(split, shard)))
            rows = []
            for images in part.batches(batch):
                rows.append(rows_of(images))
                report_count(done + sum(map(len, rows)), total, "pictures", "features")
            write_atomic(path, save({"vectors": torch.cat(rows)}, metadata=about))
        done += _size(split, shard)


def kept_features(folder: Path, name: str, split: Split) -> Float[Tensor, "n d"]:
    """The vectors of a split whose pass is finished."""
    count = _count(split)
    if not count:
        return torch.zeros(0, 0)
    first = _tensor(_path(folder, name, 0, count), "vectors")
    rows = first.new_empty(len(split), first.shape[1])  # filled by shards: never all of them twice in memory
    for shard in range(count):
        part = _tensor(_path(folder, name, shard, count), "vectors")
        rows[shard * SHARD : shard * SHARD + len(part)] = part
    return rows


def features_by_shards(net: Classifier, chosen: Selection, folder: Path) -> Float[Tensor, "n d"]:
    """The vectors of these pictures, in their order; a pass that was stopped goes on from its last shard in `folder`.

    A network that was trained by a probe on these pictures has them already.
    """
    known = [kept(net, split, net.feature_layer) for _, split in chosen.parts]
    if all(each is not None for each in known):
        return torch.cat([each[0] for each in known if each is not None])
    keep_features(net, dict(chosen.parts), folder)
    return torch.cat([kept_features(folder, name, split) for name, split in chosen.parts])


def levels_by_shards(
    net: Classifier, chosen: Selection, folder: Path, *, mirrored: bool
) -> Float[Tensor, "n d"]:
    """What all levels of the network say of these pictures, in their order (`features.levels`), kept as they are made."""
    made_by = _made_by(net) | {"layer": " ".join(level_layers(net)), "mirrored": str(mirrored)}
    _keep(level_vectors(net, mirrored=mirrored), BATCH, made_by, dict(chosen.parts), folder)
    return torch.cat([kept_features(folder, name, split) for name, split in chosen.parts])


def patches_by_shards(
    chosen: Selection, learn: Callable[[], PatchFeatures], seed: int, folder: Path
) -> Float[Tensor, "n d"]:
    """The patch features of these pictures; a pass that was stopped goes on from its last shard in `folder`.

    What `learn` found is kept beside them: learning anew would give other numbers where another machine goes on.
    """
    splits = dict(chosen.parts)
    drawn = hashlib.blake2b("".join(map(_pictures, splits.values())).encode(), digest_size=8).hexdigest()
    made_by = {"layer": "patches", "network": drawn, "input": str(seed)}
    path = folder / PATCHES
    if _metadata(path) != made_by:
        write_atomic(path, save(dict(vars(learn())), metadata=made_by))
    learnt = PatchFeatures(**{name: _tensor(path, name) for name in ("mean", "whitening", "centres")})
    _keep(learnt, BATCH, made_by, splits, folder)
    return torch.cat([kept_features(folder, name, split) for name, split in chosen.parts])


def keep_answers(net: Classifier, folder: Path, scores: Mapping[str, Float[Tensor, "n k"]]) -> None:
    """Note what the finished `net` says; from then on its features count as its own, so they must be in float32."""
    about = {"weights": net.weights_hash, "layer": net.feature_layer}
    plain = {name: rows.detach().float().cpu().contiguous() for name, rows in scores.items()}
    write_atomic(folder / ANSWERS, save(plain, metadata=about))


def kept(net: Classifier, split: Split, layer: str) -> tuple[Tensor, Tensor] | None:
    """Vectors and scores of a split, if they were kept for exactly this network and these pictures, else None."""
    folder = net.kept
    if folder is None or _metadata(folder / ANSWERS) != {"weights": net.weights_hash, "layer": layer}:
        return None
    count = _count(split)
    for name in ("train", "validation", "test"):
        first = _metadata(_path(folder, name, 0, count))
        if first is None or first["pictures"] != _pictures(split):
            continue
        try:
            vectors = kept_features(folder, name, split)
            return vectors, _tensor(folder / ANSWERS, name)
        except (OSError, SafetensorError):
            return None
    return None


def _made_by(net: Classifier) -> dict[str, str]:
    """Everything that decides a vector besides the pictures; not the head, which comes after it."""
    scale = [None if t is None else t.flatten().tolist() for t in (net.mean, net.std)]
    hashed = hashlib.blake2b(digest_size=8)
    for name, value in net.module.state_dict().items():
        if not name.startswith(f"{net.layers.last_feature()[1].name.split('#')[0]}."):
            hashed.update(name.encode())
            hashed.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return {
        "layer": net.feature_layer,
        "network": hashed.hexdigest(),
        "input": json.dumps([net.channels, *net.input_size, *scale]),
    }


def _pictures(split: Split) -> str:
    """Digits that differ for other pictures; of those that stay on disk by their names only."""
    if split.pixels is not None:
        return split.content_hash
    return hashlib.blake2b("\n".join(split.ids).encode(), digest_size=8).hexdigest()


def _count(split: Split) -> int:
    return -(-len(split) // SHARD)


def _size(split: Split, shard: int) -> int:
    return min(len(split) - shard * SHARD, SHARD)


def _path(folder: Path, name: str, shard: int, count: int) -> Path:
    return folder / f"{name}-{shard:05d}-of-{count:05d}.safetensors"


def _metadata(path: Path) -> dict[str, str] | None:
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata()
    except (OSError, SafetensorError):
        return None


def _tensor(path: Path, name: str) -> Tensor:
    with safe_open(path, framework="pt") as file:
        return file.get_tensor(name)
