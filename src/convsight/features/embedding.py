"""How are vectors laid out on a plane so that neighbours stay neighbours? By t-SNE.

openTSNE optimises; the neighbour graph is our exact one, PCA comes before it, and on larger maps the forces
are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.errors import InputError
from convsight.features.forces import Forces
from convsight.features.projection import Principal, principal

COMPONENTS = (
    50  # van der Maaten & Hinton 2008 reduce to 30-50 first; it removes noise and makes neighbours quick
)
EVERY = 50  # iterations between two looks at the map
MOMENTUM = 0.8
GRID_FROM = 3_000  # points from which our forces on a grid beat openTSNE's Barnes-Hut tree
FFT_FROM = 10_000  # points from which openTSNE places new ones by interpolation

Watcher = Callable[[int, Float[Tensor, "n p"]], Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """A finished t-SNE map `xy` n p, able to place more vectors into itself."""

    xy: Float[Tensor, "n p"]
    reduction: Principal | None
    perplexity: float
    divergence: float
    embedding: Any

    def place(self, values: Float[Tensor, "m d"]) -> Float[Tensor, "m p"]:
        """Where new vectors belong on the map: the old points stay, each new one settles among them."""
        small = self.reduction.place(values) if self.reduction else values
        k = min(25, len(self.xy))
        placed = self.embedding.transform(small.numpy(), perplexity=min(5, k / 3), k=k)
        return torch.from_numpy(np.array(placed)).float()


def tsne(
    values: Float[Tensor, "n d"],
    dims: int = 2,
    perplexity: float = 30.0,
    exaggeration: float = 12.0,
    iterations: int = 750,
    seed: int = 0,
    watch: Watcher | None = None,
) -> Layout:
    """Minimise KL(P‖Q) between neighbour probabilities in the space and on the map, starting from PCA.

    perplexity is lowered to (n − 1) / 3 where there are too few pictures. `watch(iteration, xy)` sees the map
    every 50 iterations. Fewer than 3,000 points (or a 3-D map) use openTSNE's Barnes-Hut tree, more the forces
    on a grid of `features.forces`, which are quicker and nearer to the exact ones than openTSNE's own grid.
    The same seed gives the same bytes on the same machine with the same number of threads.
    """
    from openTSNE import TSNEEmbedding

    from convsight.features.affinities import ExactAffinities  # openTSNE takes a second to import

    n = len(values)
    if n < 5:
        raise InputError(f"a t-SNE map needs at least 5 pictures; given {n}")
    reduction = principal(values, COMPONENTS) if values.shape[1] > COMPONENTS else None
    small = reduction.place(values) if reduction else values
    perplexity = min(perplexity, (n - 1) / 3)
    threads = torch.get_num_threads()
    grid = dims == 2 and n >= GRID_FROM
    affinities = ExactAffinities(small, perplexity, threads, np.float32 if grid else np.float64)
    start = _start(small, dims, seed)
    method = "fft" if dims == 2 and n >= FFT_FROM else "bh"  # places new points later
    embedding: Any = TSNEEmbedding(
        start, affinities, negative_gradient_method=method, n_jobs=threads, random_state=seed
    )
    forces = Forces(affinities.P) if grid else None
    if grid:
        affinities.drop_pairs()
    early, rest = iterations // 3, iterations - iterations // 3
    for steps, pull, before in ((early, exaggeration, 0), (rest, 1.0, early)):
        embedding = embedding.optimize(
            steps, momentum=MOMENTUM, learning_rate=n / pull, **_method(forces, pull),
            callbacks_every_iters=min(EVERY, steps), callbacks=_callback(watch, before),
        )  # fmt: skip
    # openTSNE centres the map when it places new points; a map that is centred already does not move then
    embedding -= (embedding.max(0) + embedding.min(0)) / 2
    xy = torch.from_numpy(np.array(embedding)).float()
    return Layout(xy, reduction, perplexity, float(embedding.kl_divergence), embedding)


def _method(forces: Forces | None, pull: float) -> dict[str, Any]:
    """The optimiser's arguments for the exaggeration; our forces, where they are used, apply it
    themselves.
    """
    if forces is None:
        return {"exaggeration": pull}
    forces.exaggeration = pull
    return {"negative_gradient_method": forces}


def _start(values: Tensor, dims: int, seed: int) -> np.ndarray:
    """The first principal components, scaled to be tiny, with a little noise that separates duplicates (Kobak
    & Berens 2019).
    """
    found = principal(values, dims)
    xy = F.pad(found.place(values).double(), (0, dims - len(found.directions)))
    xy /= xy[:, 0].std().clamp(min=1e-12)
    noise = torch.randn(xy.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return ((xy + 0.01 * noise) * 1e-4).numpy()


def _callback(watch: Watcher | None, before: int) -> Any:
    if watch is None:
        return None

    def call(iteration: int, _error: float, xy: np.ndarray) -> None:
        watch(before + iteration, torch.from_numpy(np.array(xy)).float())

    return call
