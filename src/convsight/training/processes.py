"""On which device, and in how many processes, does a training run?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric

from convsight.errors import InputError


def fabric_on(device: str) -> Fabric:
    """One process, or all that `torchrun` started, on the processor or the accelerators."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"no device '{device}'; there are auto, cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "device='cuda' needs a CUDA device, and torch sees none; device='auto' takes what is there"
        )
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    nodes = max(1, int(os.environ.get("WORLD_SIZE", 1)) // processes)
    accelerator = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    strategy = "ddp" if processes * nodes > 1 else "auto"
    fabric = Fabric(accelerator=accelerator, devices=processes, num_nodes=nodes, strategy=strategy)
    fabric.launch()
    return fabric


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """torch's global random state is the caller's: what happens in the block leaves it as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
