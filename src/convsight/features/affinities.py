"""How likely is each point to choose each other one as its neighbour? The probabilities that a t-SNE map keeps.

openTSNE computes them; we hand it the exact neighbours of some points at a time. Given all of them at once it
would hold the whole graph in 64 bits beside P, and further copies while it computes P.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from openTSNE.affinity import PerplexityBasedNN, joint_probabilities_nn
from openTSNE.nearest_neighbors import KNNIndex
from torch import Tensor

from convsight.features.exact import graph_parts, nearest


class ExactAffinities(PerplexityBasedNN):
    """The matrix P (symmetric, n × n, sparse, sums to 1), and the affinities of new points to these, in
    openTSNE's interface.

    Where P is only read by our own forces, 32 bits are enough for `dtype`; openTSNE's need 64.
    """

    def __init__(self, values: Float[Tensor, "n d"], perplexity: float, threads: int, dtype: type):
        # PerplexityBasedNN.__init__ is not called: it would keep the graph, in case the perplexity changes.
        self.perplexity, self.n_jobs, self.verbose = perplexity, threads, False
        self.knn_index = ExactIndex(values, min(len(values) - 1, int(3 * perplexity)))
        chosen = _chosen(values, self.knn_index.k, perplexity, threads, dtype)
        self.P = chosen + chosen.T
        self.P.data /= self.P.data.sum(dtype=np.float64)

    def drop_pairs(self) -> None:
        """Free P once our forces hold its pairs: openTSNE only passes it on, and placing new points does not
        need it.
        """
        self.P = sp.csr_matrix(self.P.shape)


class ExactIndex(KNNIndex):
    """Our exact search, as openTSNE asks for it when it places new points."""

    VALID_METRICS = ("euclidean",)

    def __init__(self, values: Float[Tensor, "n d"], k: int):
        super().__init__(values.numpy(), k)
        self.values = values

    def query(self, query: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        distances, rows = nearest(torch.as_tensor(query), self.values, k)
        return rows.numpy(), distances.numpy().astype(np.float64)


def _chosen(values: Tensor, k: int, perplexity: float, threads: int, dtype: type) -> Any:
    """The probability with which each row chooses each of its k nearest: sparse n × n, each row sums to 1."""
    n = len(values)
    weights, columns = np.empty((n, k), dtype), np.empty((n, k), np.int32)
    for part, (distances, rows) in graph_parts(values, k):
        conditional: Any = joint_probabilities_nn(
            rows.numpy(),
            distances.numpy(),
            [perplexity],
            symmetrize=False,
            n_reference_samples=n,
            n_jobs=threads,
        )
        columns[part] = conditional.indices.reshape(-1, k)  # not `rows`: SciPy may have sorted them
        weights[part] = conditional.data.reshape(-1, k) * len(rows)  # openTSNE makes all of them sum to 1
    return sp.csr_matrix((weights.ravel(), columns.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
