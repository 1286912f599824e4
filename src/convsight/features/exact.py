"""Which rows of a matrix are nearest to each query, exactly, without ever holding all distances?

The ranking comes from blocks of a matrix product (‖a−b‖² = ‖a‖² + ‖b‖² − 2ab). That formula loses digits for
near-duplicates, so a few candidates more than asked are kept and their distances computed directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convsight.errors import InputError, check_known
from convsight.features.vectors import unit_rows

METRICS = ("l2", "l1", "mse", "cosine")
BLOCK_VALUES = 16_000_000  # numbers of one piece of the base: 64 MB
BLOCK_SCORES = 4_000_000  # queries × rows at once: small blocks stay in the cache, large ones multiply better
GROUP = 64  # columns in a group, of which first only the largest score is compared
AT_ONCE = 2048  # rows of a graph that are searched together; more of them hold more scores in memory
SPARE = 6  # candidates beyond k that survive to the exact comparison

Found = tuple[Float[Tensor, "q k"], Int64[Tensor, "q k"]]


def nearest(
    queries: Float[Tensor, "q d"],
    base: Float[Tensor, "n d"],
    k: int,
    metric: str = "l2",
    skip: Int64[Tensor, " q"] | None = None,
) -> Found:
    """Distances (ascending) and row numbers of the k rows of `base` nearest to each query.

    metric: "l2" √Σ(a−b)², "l1" Σ|a−b|, "mse" mean of (a−b)², "cosine" 1 − a·b/‖a‖‖b‖ (a row of zeros is at
    distance 1 from everything). skip: a row that each query must not find (itself), or −1. Ties go to the
    lower row number. Fewer than k rows give as many as there are.

    >>> nearest(torch.tensor([[0.0]]), torch.tensor([[3.0], [-1.0], [2.0]]), k=2)
    (tensor([[1., 2.]]), tensor([[1, 2]]))
    """
    _check(queries, base, k, metric)
    k = min(k, len(base) - (skip is not None and bool((skip >= 0).any())))
    if metric == "cosine":
        queries, base = unit_rows(queries.float()), unit_rows(base.float())
    return _search(queries.float(), base.float(), k, metric, skip)


def nearest_in_chunks(
    queries: Float[Tensor, "q d"], chunks: Iterable[Float[Tensor, "n d"]], k: int, metric: str = "l2"
) -> Found:
    """`nearest` over a base that arrives in pieces and is never whole in memory; row numbers continue from
    piece to piece.
    """
    distances, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
    start = 0
    for chunk in chunks:
        here = nearest(queries, chunk, k, metric)
        distances, rows = torch.cat([distances, here[0]], 1), torch.cat([rows, here[1] + start], 1)
        distances, rows = _sorted(distances, rows, k)
        start += len(chunk)
    if not start:
        raise InputError("there is nothing to search in: no vectors were given")
    return distances, rows


def graph(base: Float[Tensor, "n d"], k: int, metric: str = "l2") -> Found:
    """The k nearest other rows of every row."""
    k = min(k, len(base) - 1)
    distances, rows = torch.empty(len(base), k), torch.empty(len(base), k, dtype=torch.int64)
    for part, found in graph_parts(base, k, metric):
        distances[part], rows[part] = found
    return distances, rows


def graph_parts(base: Float[Tensor, "n d"], k: int, metric: str = "l2") -> Iterator[tuple[slice, Found]]:
    """The same in parts, each a slice of the rows with what is nearest to them, for callers that need not
    hold all of it.
    """
    for asked in torch.arange(len(base)).split(AT_ONCE):
        start = int(asked[0]) if len(asked) else 0
        yield slice(start, start + len(asked)), nearest(base[asked], base, k, metric, skip=asked)


def _search(queries: Tensor, base: Tensor, k: int, metric: str, skip: Tensor | None) -> Found:
    if not len(queries):
        return torch.zeros(0, k), torch.zeros(0, k, dtype=torch.int64)
    keep = min(len(base), k + SPARE + (skip is not None))
    candidates = _candidates(queries, base, keep, metric)
    distances = _direct(queries, base, candidates, metric)
    if skip is not None:
        distances[candidates == skip[:, None]] = torch.inf
    return _sorted(distances, candidates, k)


def _candidates(queries: Tensor, base: Tensor, keep: int, metric: str) -> Int64[Tensor, "q k"]:
    """The rows that look nearest by the quick formula; piece by piece, so that no copy of the base is made."""
    # centring keeps differences as they are and makes the numbers smaller, so that the product loses fewer
    # digits
    centre = base.mean(0) if metric != "cosine" else torch.zeros(base.shape[1])
    queries = queries - centre
    scores, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
    step = max(4096, BLOCK_VALUES // base.shape[1])
    for start in range(0, len(base), step):
        piece = base[start : start + step] - centre
        here = _best(queries, piece, min(keep, len(piece)), metric)
        scores, rows = torch.cat([scores, here[0]], 1), torch.cat([rows, here[1] + start], 1)
        if start:
            best = scores.topk(min(keep, scores.shape[1]), sorted=False).indices
            scores, rows = scores.gather(1, best), rows.gather(1, best)
    return rows


@torch.no_grad()
def _best(queries: Tensor, base: Tensor, keep: int, metric: str) -> Found:
    """(scores, rows) of the `keep` largest scores of one piece: −distance for l1, a·b − ‖b‖²/2 otherwise."""
    half = (base * base).sum(1) / 2 if metric != "cosine" else torch.zeros(len(base))
    step = max(1, BLOCK_SCORES // len(base))
    # one buffer for all blocks: allocating many megabytes for each would fragment the memory
    room = torch.empty(0 if metric == "l1" else min(step, len(queries)), len(base))
    scores, rows = torch.empty(len(queries), keep), torch.empty(len(queries), keep, dtype=torch.int64)
    for start in range(0, len(queries), step):
        block, part = queries[start : start + step], slice(start, start + step)
        if metric == "l1":
            score = _minus_l1(block, base)
        else:
            score = torch.addmm(-half, block, base.T, out=room[: len(block)])
        rows[part] = _largest(score, keep)
        torch.gather(score, 1, rows[part], out=scores[part])
    return scores, rows


def _minus_l1(block: Tensor, base: Tensor) -> Tensor:
    """−Σ|a−b|, computed by pieces of the base that fit the cache, which is twice as quick as all at once."""
    return -torch.cat([torch.cdist(block, piece, p=1) for piece in base.split(1024)], 1)


def _largest(score: Float[Tensor, "q n"], k: int) -> Int64[Tensor, "q k"]:
    """Columns of the k largest scores: first the k best groups (they hold all k), then inside those."""
    q, n = score.shape
    groups = n // GROUP
    if groups <= 2 * k:
        return score.topk(k, sorted=False).indices
    body = score[:, : groups * GROUP].view(q, groups, GROUP)
    best = body.amax(2).topk(k, sorted=False).indices
    columns = (best[..., None] * GROUP + torch.arange(GROUP)).flatten(1)
    rest = torch.arange(groups * GROUP, n).expand(q, -1)
    columns = torch.cat([columns, rest], 1)
    return columns.gather(1, score.gather(1, columns).topk(k, sorted=False).indices)


def _direct(block: Tensor, base: Tensor, candidates: Tensor, metric: str) -> Tensor:
    out = torch.empty(candidates.shape)
    step = max(1, BLOCK_VALUES // max(1, candidates.shape[1] * base.shape[1]))
    for start in range(0, len(block), step):
        part = slice(start, start + step)
        rows = base[candidates[part].flatten()].view(*candidates[part].shape, -1)
        rows -= block[part, None]
        if metric == "l1":
            out[part] = rows.abs_().sum(2)
        else:
            out[part] = rows.square_().sum(2)
    if metric == "l2":
        return out.sqrt_()
    if metric == "mse":
        return out.div_(base.shape[1])
    if metric == "cosine":  # unit rows: 1 − ab = ‖a−b‖²/2, and half more for each row of zeros
        zero = (base[candidates.flatten()].view(*candidates.shape, -1) == 0).all(2)
        return out.div_(2) + zero / 2 + (block == 0).all(1)[:, None] / 2
    return out


def _sorted(distances: Tensor, rows: Tensor, k: int) -> Found:
    by_row = rows.argsort(1)
    distances, rows = distances.gather(1, by_row), rows.gather(1, by_row)
    order = distances.argsort(dim=1, stable=True)[:, :k]
    return distances.gather(1, order), rows.gather(1, order)


def _check(queries: Tensor, base: Tensor, k: int, metric: str) -> None:
    check_known(metric, METRICS, f"no metric {metric!r}")
    if k < 1:
        raise InputError(f"k is the number of neighbours, at least 1, not {k}")
    if queries.shape[1] != base.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} numbers each, the vectors searched {base.shape[1]}"
        )
    if not len(base):
        raise InputError("there is nothing to search in: no vectors were given")
