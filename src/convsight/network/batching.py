"""How many pictures go through a network at once, when memory is bounded?"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")
PIXELS = 1_600_000  # numbers in one chunk: ten pictures 3×224×224, a few hundred MiB of maps in VGG-16


def chunk_size(shape: Sequence[int], most: int = 512) -> int:
    """A batch that keeps activations bounded for pictures of this shape (c h w)."""
    return max(1, min(most, PIXELS // max(math.prod(shape), 1)))


def backward_chunk(shape: Sequence[int]) -> int:
    """How many pictures of n c h w a pass with gradients takes at once: it keeps every layer's value."""
    return max(1, chunk_size(shape[1:]) // 3)


def in_chunks(run: Callable[[slice], T], n: int, size: int) -> list[T]:
    """`run(slice)` for consecutive slices of range(n); out of memory halves the slice and goes on."""
    results, start = [], 0
    while start < n:
        try:
            results.append(run(slice(start, min(start + size, n))))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if size == 1 or not _is_out_of_memory(error):
                raise
            size //= 2
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        start += size
    return results


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "not enough memory" in text or "out of memory" in text
