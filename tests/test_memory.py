"""Is memory that a step frees there for the next one, and is the system without glibc left alone?"""

import platform
import resource
from pathlib import Path

import pytest
import torch

from convsight import memory
from convsight.memory import freed_memory_kept, give_back_freed

PAGE = resource.getpagesize()


def faults_of_a_step() -> int:
    """Pages the system had to hand out while four blocks of 8 MB were made and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.zeros(2**21) for _ in range(4)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


on_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library keeps memory as it likes"
)


@on_glibc
def test_gaps_between_blocks_in_use_go_back_too():
    blocks = [torch.zeros(2**14) for _ in range(1024)]  # 64 KiB each: glibc takes them from the heap
    kept = blocks[::16]
    del blocks
    before = resident()
    give_back_freed()
    assert before - resident() > 32 * 2**20
    assert not any(block.any() for block in kept)


@on_glibc
def test_inside_no_page_is_asked_for_twice():
    with freed_memory_kept():
        for _ in range(4):  # where blocks lie settles in the first steps
            faults_of_a_step()
        assert faults_of_a_step() < 32 * 2**20 / PAGE / 10
    faults_of_a_step()


def test_where_malloc_cannot_be_told_the_block_still_runs(monkeypatch):
    def missing(name):
        raise OSError(f"no {name}")

    monkeypatch.setattr(memory.ctypes, "CDLL", missing)
    memory._glibc.cache_clear()
    with freed_memory_kept():
        assert torch.ones(3).sum() == 3
    give_back_freed()
    memory._glibc.cache_clear()
