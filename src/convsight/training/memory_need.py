"""Does a batch of this network fit into memory while it learns, and in how many pieces if not?"""

from __future__ import annotations

import copy
import os
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

USED = 0.5  # share of the free memory that one step may take; weights, optimiser and pictures need some too


def pieces_for(
    network: nn.Module, example: Float[Tensor, "2 c h w"], batch_size: int, device: torch.device
) -> int:
    """In how many pieces a batch must go through so that what its backward pass remembers fits: mostly 1."""
    need, free = remembered_bytes(network, example.to(device)) / len(example) * batch_size, free_bytes(device)
    return min(batch_size, max(1, -(-int(need) // max(int(USED * free), 1))))


def remembered_bytes(network: nn.Module, pixels: Float[Tensor, "n c h w"]) -> int:
    """Bytes that autograd keeps of a forward pass in training, each memory counted once, weights left out."""
    trial = copy.deepcopy(network).to(pixels.device).train()
    own = {p.untyped_storage().data_ptr() for p in (*trial.parameters(), *trial.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    remembering = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), remembering:
        _outputs = trial(pixels)
    return sum(kept.values())


def free_bytes(device: torch.device) -> int:
    """Memory that can still be had on the device; of an unknown kind, a terabyte."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with Path("/proc/meminfo").open() as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 2**40
