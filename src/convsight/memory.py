"""When does memory that was freed go back to the system? At once where it is scarce, at the end where it is wanted again."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEPT_BYTES, LARGEST_BYTES = 2**29, 2**25
USUAL_BYTES = 2**26  # where glibc's own rule ends: twice the largest block it takes from the heap


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Inside, up to half a gigabyte of freed memory stays with the process, and is given back at the end.

    A training step frees tens of megabytes of activations that the next one wants again. glibc's malloc hands
    them to the system, which clears every page anew: about a seventh of the time of a small network's
    training. With another C library nothing is changed.
    """
    glibc = _glibc()
    if glibc is None:
        yield
        return
    mallopt, malloc_trim = glibc
    mallopt(M_MMAP_THRESHOLD, LARGEST_BYTES)
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    try:
        yield
    finally:
        mallopt(M_TRIM_THRESHOLD, USUAL_BYTES)
        malloc_trim(0)


def give_back_freed() -> None:
    """Hand all freed memory to the system, also what lies between blocks in use (about a millisecond).

    Blocks of many sizes leave gaps that glibc keeps: after some batches of windows they are as large as the batch.
    """
    glibc = _glibc()
    if glibc is not None:
        glibc[1](0)


@functools.cache
def _glibc() -> tuple[Any, Any] | None:
    """Its mallopt and malloc_trim; None with another C library."""
    try:
        libc = ctypes.CDLL(None)
        return libc.mallopt, libc.malloc_trim
    except (OSError, TypeError, AttributeError):
        return None
