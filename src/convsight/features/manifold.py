"""How else can neighbours stay neighbours on a plane? By UMAP, computed by umap-learn from our exact graph."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError, required
from convsight.features.embedding import COMPONENTS
from convsight.features.exact import graph, nearest
from convsight.features.projection import Principal, principal

LEAST = 5  # pictures below which there is no map


@dataclass(frozen=True, eq=False)
class Manifold:
    """A finished UMAP map `xy` n p, able to place more vectors into itself."""

    xy: Float[Tensor, "n p"]
    reduction: Principal | None
    neighbours: int
    values: Float[Tensor, "n d"]

    def place(self, values: Float[Tensor, "m d"]) -> Float[Tensor, "m p"]:
        """Where new vectors belong on the map: the mean of their nearest rows' places, by the graph's own weights."""
        small = self.reduction.place(values) if self.reduction else values
        distances, rows = nearest(small, self.values, self.neighbours)
        weights = membership(distances)
        return (weights[..., None] * self.xy[rows]).sum(1) / weights.sum(1, keepdim=True)


def membership(distances: Float[Tensor, "m k"]) -> Float[Tensor, "m k"]:
    """exp(−(d − ρ)/σ), ρ the nearest distance, σ such that the k weights sum to log₂ k (McInnes 2018, alg. 3)."""
    beyond = distances - distances[:, :1]
    low, high = torch.full_like(beyond[:, :1], 1e-6), beyond[:, -1:] * 1e3 + 1e-3
    goal = math.log2(beyond.shape[1]) if beyond.shape[1] > 1 else 1.0
    for _ in range(64):  # bisection on a logarithmic scale
        middle = (low * high).sqrt()
        above = (-beyond / middle).exp().sum(1, keepdim=True) > goal
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (-beyond / high).exp()


def umap(
    values: Float[Tensor, "n d"],
    dims: int = 2,
    neighbours: int = 15,
    min_distance: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
) -> Manifold:
    """Lay out the fuzzy graph of each row's exact nearest `neighbours`, starting from PCA; see `methods/umap.py`.

    neighbours is lowered to n − 1 where there are too few rows. epochs: None for umap-learn's choice (500, or 200
    above 10,000 rows). One thread, so that the same seed gives the same map. Raises MissingExtra without
    umap-learn, InputError for fewer than 5 rows.
    """
    n = len(values)
    if n < LEAST:
        raise InputError(f"a UMAP map needs at least {LEAST} pictures; given {n}")
    reduction = principal(values, COMPONENTS) if values.shape[1] > COMPONENTS else None
    small = reduction.place(values) if reduction else values
    k = min(neighbours, n - 1)
    with _quiet():
        fitted = _learner()(
            n_neighbors=k, n_components=dims, min_dist=min_distance, n_epochs=epochs, random_state=seed,
            init=_start(small, dims, seed), n_jobs=1, precomputed_knn=_graph(small, k),
        )  # fmt: skip
        xy = torch.from_numpy(np.array(fitted.fit_transform(small.numpy()))).float()
    return Manifold(xy, reduction, k, small)


def _graph(values: Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, distances) of the k nearest, each row itself first, as umap-learn counts."""
    distances, rows = graph(values, k - 1)
    own = torch.arange(len(values))[:, None]
    rows, distances = torch.cat([own, rows], 1), torch.cat([torch.zeros(len(values), 1), distances], 1)
    return rows.numpy(), distances.numpy().astype(np.float32)


def _start(values: Tensor, dims: int, seed: int) -> np.ndarray:
    """The first principal components, scaled to ±10 as umap-learn scales its own, with noise that separates
    duplicates.
    """
    found = principal(values, dims)
    xy = F.pad(found.place(values), (0, dims - len(found.directions)))
    xy *= 10 / xy.abs().max().clamp(min=1e-12)
    return (xy + 1e-4 * torch.randn(xy.shape, generator=torch.Generator().manual_seed(seed))).numpy()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence umap-learn's warnings about what is intended here (one thread, a precomputed graph, few rows),
    and restore torch's number of threads, which its Numba changes through the OpenMP that both use.
    """
    threads = torch.get_num_threads()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)


def _learner() -> Callable[..., Any]:
    with _quiet():  # it warns if TensorFlow, which it does not need, is missing
        return required("umap", "umap", "a UMAP map", "umap-learn").UMAP
