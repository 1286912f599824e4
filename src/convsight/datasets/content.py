"""Is this the same data set, picture by picture? A digest that changes with any of them, in little time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
import xxhash
from torch import Tensor

BATCH = 256


class SplitContent(Protocol):
    """What the digest reads of a split."""

    labels: Tensor
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    store: Any


def digest_of_split(split: SplitContent) -> str:
    """32 hexadecimal digits of a split's pictures, labels and names.

    Pictures in memory count by their pixels. Pictures in files count by size and time of change of each file, as
    `make` and `git` tell that a file changed, and the first one also by its pixels, since files may be read in
    different ways. Where a store keeps neither, every picture is read.
    """
    store, digest = split.store, xxhash.xxh3_128()
    digest.update(f"{len(split.ids)} {store.size} {store.channels} {split.classes} {split.ids}".encode())
    digest.update(f"{split.labels.dtype}{tuple(split.labels.shape)}".encode())
    digest.update(_bytes_of(split.labels))
    for piece in _pictures(store, len(split.ids)):
        digest.update(piece)
    return digest.hexdigest()


def _pictures(store: Any, n: int) -> Iterable[bytes | memoryview]:
    pixels, paths = getattr(store, "pixels", None), getattr(store, "paths", None)
    if isinstance(pixels, Tensor):
        yield _bytes_of(pixels)
    elif paths is not None and (stats := _stats(paths)):
        yield stats.encode()
        yield _bytes_of(store.read(torch.tensor([0])))
    else:
        for batch in store.stream(torch.arange(n).split(BATCH)) if n else ():
            yield _bytes_of(batch)


def _stats(paths: Sequence[Any]) -> str:
    """Size and time of change of each file; "" if there are none, or if one of them is no file."""
    try:
        stats = [Path(path).stat() for path in paths]
    except (OSError, TypeError):
        return ""
    return str([(stat.st_size, stat.st_mtime_ns) for stat in stats]) if stats else ""


def _bytes_of(tensor: Tensor) -> memoryview | bytes:
    plain = tensor.detach().cpu().contiguous().numpy()
    return memoryview(plain).cast("B") if plain.size else b""  # type: ignore[arg-type]
