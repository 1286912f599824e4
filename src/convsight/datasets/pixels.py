"""Where do the pixels of a split live: in memory, or in files that are read when asked for?

Pictures of 8 bits are kept as uint8; those of more (16-bit files, floats between two of 256 levels) as float32
in [0, 1], which takes four times the memory and loses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from convsight.imaging.fitting import fit_pixels
from convsight.opening.files import read_unit
from convsight.picture import Size, to_uint8

LOOKAHEAD = 2  # batches read ahead from disk; the memory in use is at most one more than this

Reader = Callable[..., Float[Tensor, "c h w"]]  # of a path; and channels=, where the file does not tell


@runtime_checkable
class Store(Protocol):
    """Where the pixels of a split are: in memory, or in files that are read when asked for."""

    size: Size
    channels: int

    def __len__(self) -> int: ...
    def read(self, indices: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]: ...
    def stream(self, batches: Sequence[Tensor]) -> Iterator[Shaped[Tensor, "b c h w"]]: ...
    def take(self, indices: Int64[Tensor, " b"]) -> Store: ...
    def fit(self, size: Size | None, channels: int | None, fit: str = "crop") -> Store: ...


def to_unit(stored: Shaped[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """What a store gave as float32 in [0, 1]."""
    return stored if stored.is_floating_point() else stored.to(torch.float32).div_(255)


def to_stored(unit: Float[Tensor, "n c h w"], like: torch.dtype) -> Shaped[Tensor, "n c h w"]:
    """Pixels in [0, 1] as a store of these numbers keeps them."""
    return to_uint8(unit) if like == torch.uint8 else unit


def smallest(unit: Float[Tensor, "n c h w"]) -> Shaped[Tensor, "n c h w"]:
    """As uint8 if that loses nothing, otherwise as they are."""
    eight = to_uint8(unit)
    lossless = all(
        bool((part.to(torch.float32) / 255 - whole).abs().max() < 1e-6)
        for part, whole in zip(eight.split(1024), unit.split(1024), strict=True)
        if part.numel()
    )
    return eight if lossless else unit


class MemoryStore:
    """Pixels that are all in memory, as uint8, or as float32 in [0, 1]."""

    def __init__(self, pixels: Shaped[Tensor, "n c h w"]):
        self.pixels = pixels
        self.size: Size = (pixels.shape[2], pixels.shape[3])
        self.channels = int(pixels.shape[1])

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
        return self.pixels[indices]

    def stream(self, batches: Sequence[Tensor]) -> Iterator[Shaped[Tensor, "b c h w"]]:
        return (self.pixels[indices] for indices in batches)

    def take(self, indices: Int64[Tensor, " b"]) -> MemoryStore:
        return MemoryStore(self.pixels[indices])

    def fit(self, size: Size | None, channels: int | None, fit: str = "crop") -> MemoryStore:
        if size in (None, self.size) and channels in (None, self.channels):
            return self
        chunks = [fit_pixels(to_unit(chunk), size, channels, fit) for chunk in self.pixels.split(1024)]
        return MemoryStore(torch.cat([to_stored(chunk, self.pixels.dtype) for chunk in chunks]))


def read_file(path: Path, channels: int | None = None, top: float | None = None) -> Float[Tensor, "c h w"]:
    """One file as float32 in [0, 1]; `top` is what 16-bit numbers are divided by."""
    return torch.from_numpy(read_unit(path, channels, top))


class FileStore:
    """Pixels that stay in files, decoded by `read` in `workers` threads a few batches ahead.

    `paths` are files, or whatever `read` takes. The order is that of the indices whatever the threads do, and
    memory is bounded by LOOKAHEAD + 1 batches. deep: pictures of more than 8 bits come out as float32.
    """

    def __init__(
        self,
        paths: Sequence[Any],
        size: Size,
        channels: int,
        workers: int = 4,
        read: Reader = read_file,
        fit: str = "crop",
        deep: bool = False,
    ):
        self.paths, self.workers, self.read_one = list(paths), workers, read
        self.size, self.channels, self.how, self.deep = size, channels, fit, deep

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.deep else torch.uint8

    def read(self, indices: Int64[Tensor, " b"]) -> Shaped[Tensor, "b c h w"]:
        return next(self.stream([indices]))

    def stream(self, batches: Sequence[Tensor]) -> Iterator[Shaped[Tensor, "b c h w"]]:
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="convsight-read")
        waiting: deque[list[Future[Tensor]]] = deque()
        try:
            for indices in batches:
                waiting.append([pool.submit(self.one, i) for i in indices.tolist()])
                if len(waiting) > LOOKAHEAD:
                    yield self._stack(waiting.popleft())
            while waiting:
                yield self._stack(waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def take(self, indices: Int64[Tensor, " b"]) -> FileStore:
        return self.of([self.paths[i] for i in indices.tolist()])

    def of(self, paths: Sequence[Any]) -> FileStore:
        """The same way of reading, of other files."""
        return FileStore(paths, self.size, self.channels, self.workers, self.read_one, self.how, self.deep)

    def fit(self, size: Size | None, channels: int | None, fit: str | None = None) -> FileStore:
        size, channels = size or self.size, channels or self.channels
        return FileStore(self.paths, size, channels, self.workers, self.read_one, fit or self.how, self.deep)

    def one(self, index: int) -> Shaped[Tensor, "c h w"]:
        """Picture number `index`, at the size and in the channels of the store."""
        four = {"channels": self.channels} if self.channels not in (1, 3) else {}
        pixels = fit_pixels(
            self.read_one(self.paths[index], **four)[None], self.size, self.channels, self.how
        )
        return to_stored(pixels, self.dtype)[0]

    def _stack(self, futures: list[Future[Tensor]]) -> Shaped[Tensor, "b c h w"]:
        if not futures:
            return torch.empty(0, self.channels, *self.size, dtype=self.dtype)
        return torch.stack([future.result() for future in futures])
