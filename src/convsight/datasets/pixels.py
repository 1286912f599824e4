"""Where do the pixels of a split live: in memory, or in files that are read when asked for?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from convsight.images import fit_pixels
from convsight.picture import Size, read_picture, to_uint8

LOOKAHEAD = 2  # batches read ahead from disk; the memory in use is at most one more than this


Reader = Callable[[Path], Float[Tensor, "c h w"]]


@runtime_checkable
class Store(Protocol):
    """Where the pixels of a split are: in memory, or in files that are read when asked for."""

    size: Size
    channels: int

    def __len__(self) -> int: ...
    def read(self, indices: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]: ...
    def stream(self, batches: Sequence[Tensor]) -> Iterator[UInt8[Tensor, "b c h w"]]: ...
    def take(self, indices: Int64[Tensor, " b"]) -> Store: ...
    def fit(self, size: Size | None, channels: int | None) -> Store: ...


class MemoryStore:
    """Pixels that are all in memory, as uint8."""

    def __init__(self, pixels: UInt8[Tensor, "n c h w"]):
        self.pixels = pixels
        self.size: Size = (pixels.shape[2], pixels.shape[3])
        self.channels = int(pixels.shape[1])

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        return self.pixels[indices]

    def stream(self, batches: Sequence[Tensor]) -> Iterator[UInt8[Tensor, "b c h w"]]:
        return (self.pixels[indices] for indices in batches)

    def take(self, indices: Int64[Tensor, " b"]) -> MemoryStore:
        return MemoryStore(self.pixels[indices])

    def fit(self, size: Size | None, channels: int | None) -> MemoryStore:
        if size in (None, self.size) and channels in (None, self.channels):
            return self
        chunks = self.pixels.split(1024)
        return MemoryStore(torch.cat([to_uint8(fit_pixels(c / 255, size, channels)) for c in chunks]))


class FileStore:
    """Pixels that stay in files, decoded by `read` in `workers` threads a few batches ahead.

    The order is that of the indices whatever the threads do, and memory is bounded by LOOKAHEAD + 1 batches.
    """

    def __init__(
        self, paths: Sequence[Path], size: Size, channels: int, workers: int = 4, read: Reader = read_picture
    ):
        self.paths, self.workers, self.read_one = list(paths), workers, read
        self.size, self.channels = size, channels

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, indices: Int64[Tensor, " b"]) -> UInt8[Tensor, "b c h w"]:
        return next(self.stream([indices]))

    def stream(self, batches: Sequence[Tensor]) -> Iterator[UInt8[Tensor, "b c h w"]]:
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="convsight-read")
        waiting: deque[list[Future[Tensor]]] = deque()
        try:
            for indices in batches:
                waiting.append([pool.submit(self._one, i) for i in indices.tolist()])
                if len(waiting) > LOOKAHEAD:
                    yield self._stack(waiting.popleft())
            while waiting:
                yield self._stack(waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def take(self, indices: Int64[Tensor, " b"]) -> FileStore:
        paths = [self.paths[i] for i in indices.tolist()]
        return FileStore(paths, self.size, self.channels, self.workers, self.read_one)

    def fit(self, size: Size | None, channels: int | None) -> FileStore:
        size, channels = size or self.size, channels or self.channels
        return FileStore(self.paths, size, channels, self.workers, self.read_one)

    def _one(self, index: int) -> UInt8[Tensor, "c h w"]:
        return to_uint8(fit_pixels(self.read_one(self.paths[index])[None], self.size, self.channels))[0]

    def _stack(self, futures: list[Future[Tensor]]) -> UInt8[Tensor, "b c h w"]:
        if not futures:
            return torch.empty(0, self.channels, *self.size, dtype=torch.uint8)
        return torch.stack([future.result() for future in futures])
