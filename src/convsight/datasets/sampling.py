"""Which of n pictures are taken when not all of them need be, by their classes or at random?"""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Generator, Tensor


def stratified(labels: Tensor, wanted: int, seed: int, leave: int = 0) -> Int64[Tensor, " wanted"]:
    """Choose `wanted` of 0..n-1, every class in proportion, leaving at least `leave` of each; sorted."""
    groups = labels.long() if labels.ndim == 1 else torch.zeros(len(labels), dtype=torch.int64)
    sizes = torch.bincount(groups).tolist()
    generator = Generator().manual_seed(seed)
    chosen = []
    for k, quota in enumerate(_quotas(sizes, [max(size - leave, 0) for size in sizes], wanted)):
        members = (groups == k).nonzero().flatten()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:quota]])
    return torch.cat(chosen).sort().values if chosen else torch.empty(0, dtype=torch.int64)


def some(n: int, most: int, seed: int) -> Int64[Tensor, " m"]:
    """At most `most` of 0..n-1, drawn with the seed without regard to classes; sorted."""
    if n <= most:
        return torch.arange(n)
    return torch.randperm(n, generator=Generator().manual_seed(seed))[:most].sort().values


def _quotas(sizes: list[int], most: list[int], wanted: int) -> list[int]:
    """Largest-remainder shares of `wanted` within `most`, at least one of each class while there is room."""
    exact = [wanted * size / max(sum(sizes), 1) for size in sizes]
    quotas = [min(int(share), top) for share, top in zip(exact, most, strict=True)]
    while sum(quotas) < wanted:
        open_classes = [k for k in range(len(sizes)) if quotas[k] < most[k]]
        if not open_classes:
            break
        neediest = max(open_classes, key=lambda k: (quotas[k] == 0, exact[k] - quotas[k], -k))
        quotas[neediest] += 1
    for k in (k for k, top in enumerate(most) if top and not quotas[k]):
        richest = max(range(len(sizes)), key=lambda j: (quotas[j], -j))
        if quotas[richest] > 1:
            quotas[k], quotas[richest] = 1, quotas[richest] - 1
    return quotas
