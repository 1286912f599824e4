"""How strongly do the points of a 2-D t-SNE map pull and push each other? Attraction is summed over pairs,
repulsion over a grid.

The gradient of KL(P‖Q) is 4 Σⱼ (pᵢⱼ − qᵢⱼ)(yᵢ − yⱼ) / (1 + |yᵢ − yⱼ|²) (van der Maaten & Hinton 2008); as in
openTSNE the 4 belongs to the learning rate. The term with p has few pairs. The term with q is the slope of a
potential, Σⱼ 1 / (1 + |yᵢ − yⱼ|²): points are spread on a grid, the grid is convolved by FFT, and the
potential and its slope are interpolated back. openTSNE interpolates by parabolas in boxes (Linderman et al.
2019), which are discontinuous at the boxes' borders and need nine transforms. Cubic splines are smooth and
give the slope from the same grid (Essmann et al. 1995), so that two transforms in 32 bits come nearer to the
exact force. The grid's step stays the same while the map grows, so the transformed kernel is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.fft import next_fast_len
from torch import Tensor

BLOCK = 65_536  # pairs at once: a handful of arrays of that size stays in the second-level cache
STEP = 1 / 3  # between the nodes of the grid, on a map where forces reach about 1
SIDE = 64  # nodes a side at least


class Forces:
    """The gradient that openTSNE's optimiser asks for, with its divergence when that is wanted."""

    def __init__(self, affinities: Any):
        """affinities: the symmetric sparse matrix P, n × n, that sums to 1."""
        self.pull, self.push = Attraction(affinities), Repulsion()
        self.exaggeration = 1.0

    def __call__(
        self, embedding: np.ndarray, _: Any, should_eval_error: bool = False, **__: Any
    ) -> tuple[float, np.ndarray]:
        """(KL(P‖Q) or 0, gradient n 2); `exaggeration` multiplies the pull, not the divergence."""
        xy = torch.from_numpy(np.array(embedding, dtype=np.float32))
        push, total = self.push(xy)
        gradient = self.exaggeration * self.pull(xy) - push / total
        error = self.pull.cross_entropy(xy) + np.log(total) if should_eval_error else 0.0
        return error, gradient.double().numpy()


class Attraction:
    """Σⱼ pᵢⱼ (yᵢ − yⱼ) / (1 + |yᵢ − yⱼ|²) of every point.

    Rows of similar length are put into one block, so that blocks need little padding (SELL-C-σ, Kreutzer et
    al. 2014).
    """

    def __init__(self, affinities: Any):
        degrees = np.diff(affinities.indptr)
        order = np.argsort(-degrees, kind="stable")
        self.blocks = list(_blocks(affinities, order, degrees))
        held = (weights.double() for _, _, weights in self.blocks)
        self.entropy = sum(float(torch.special.xlogy(p, p).sum()) for p in held)  # Σ p log p

    def __call__(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        out = torch.empty_like(xy)
        for rows, weights, dx, dy, spread in self._pairs(xy):
            torch.div(weights, spread, out=spread)
            out[rows] = torch.stack([torch.linalg.vecdot(spread, d) for d in (dx, dy)], 1)
        return out

    def cross_entropy(self, xy: Float[Tensor, "n 2"]) -> float:
        """Σ pᵢⱼ log pᵢⱼ (1 + |yᵢ − yⱼ|²): adding log Σ 1 / (1 + |yᵢ − yⱼ|²) to it gives KL(P‖Q)."""
        parts = [
            float(torch.linalg.vecdot(weights, spread.log_()).sum())
            for _, weights, _, _, spread in self._pairs(xy)
        ]
        return self.entropy + sum(parts)

    def _pairs(self, xy: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """(rows, weights, Δx, Δy, 1 + Δx² + Δy²) of each block; the arrays are overwritten by the next
        block's.
        """
        x, y = xy.T.contiguous()
        one, room = torch.ones(1), torch.empty(3, max(w.numel() for _, _, w in self.blocks))
        for rows, columns, weights in self.blocks:
            dx, dy, spread = room[:, : weights.numel()]
            for mine, along in ((dx, x), (dy, y)):
                torch.index_select(along, 0, columns, out=mine)
            dx, dy, spread = (part.view(weights.shape) for part in (dx, dy, spread))
            torch.sub(x[rows, None], dx, out=dx)
            torch.sub(y[rows, None], dy, out=dy)
            torch.addcmul(one, dx, dx, out=spread)
            spread.addcmul_(dy, dy)
            yield rows, weights, dx, dy, spread


def _blocks(affinities: Any, order: np.ndarray, degrees: np.ndarray) -> Iterator[tuple[Tensor, ...]]:
    """(rows, columns flattened, weights rows × width), the longest rows first."""
    start = 0
    while start < len(order):
        width = max(1, int(degrees[order[start]]))
        rows = order[start : start + max(1, BLOCK // width)]
        part, filled = affinities[rows], np.arange(width) < degrees[rows, None]
        # padding points at the row itself, with weight 0
        columns = np.repeat(rows[:, None].astype(np.int32), width, 1)
        weights = np.zeros(filled.shape, np.float32)
        columns[filled], weights[filled] = part.indices, part.data
        yield torch.from_numpy(rows.copy()), torch.from_numpy(columns).flatten(), torch.from_numpy(weights)
        start += len(rows)


class Repulsion:
    """Σⱼ (yᵢ − yⱼ) / (1 + |yᵢ − yⱼ|²)² of every point, and Σᵢⱼ 1 / (1 + |yᵢ − yⱼ|²) over all pairs."""

    def __init__(self) -> None:
        self.grid: tuple[int, float] | None = None

    def __call__(self, xy: Float[Tensor, "n 2"]) -> tuple[Float[Tensor, "n 2"], float]:
        low = xy.amin(0)
        self._fit(float((xy.amax(0) - low).max()))
        at = (xy - low) / self.step
        first = at.int()
        (x, y), (dx, dy) = splines(at - first)
        nodes = first[:, :, None] + torch.arange(4, dtype=torch.int32)
        where = (nodes[:, 0, :, None] * self.side + nodes[:, 1, None, :]).flatten()
        charge = torch.zeros(self.side**2).index_add_(0, where, (x[:, :, None] * y[:, None, :]).flatten())
        around = self._potential(charge).index_select(0, where).view(len(xy), 4, 4)
        along = torch.linalg.vecdot(around, y[:, None])
        push = (
            torch.linalg.vecdot(along, dx),
            torch.linalg.vecdot(torch.linalg.vecdot(around, dy[:, None]), x),
        )
        total = torch.linalg.vecdot(along, x).sum(dtype=torch.float64)
        return torch.stack(push, 1) / (-2 * self.step), float(total) + self.shift * len(xy) ** 2 - len(xy)

    def _potential(self, charge: Tensor) -> Tensor:
        """The charges convolved with the kernel. Only occupied rows are transformed, and only needed rows are
        transformed back.
        """
        n, side = self.length, self.side
        waves = torch.fft.fft(torch.fft.rfft(charge.view(side, side), n, dim=1), n, dim=0) * self.kernel
        return torch.fft.irfft(torch.fft.ifft(waves, dim=0)[:side], n, dim=1)[:, :side].flatten()

    def _fit(self, extent: float) -> None:
        """A grid that holds the map. Its nodes are STEP apart, or closer if there would be fewer than
        `SIDE`.
        """
        if extent >= STEP * (SIDE - 8):
            side, step = 16 * (int(extent / STEP + 4) // 16 + 1), STEP
        else:  # steps of a quarter octave, so that a slowly growing map rarely changes its grid
            side, step = SIDE, float(2.0 ** (np.ceil(4 * np.log2(max(extent, 1e-30) / (SIDE - 4))) / 4))
        if self.grid != (side, step):
            self.grid, self.side, self.step = (side, step), side, step
            self._transform()

    def _transform(self) -> None:
        half: Any = next_fast_len(self.side + 8, real=True)
        self.length = 2 * half
        waves = torch.fft.fftfreq(self.length, dtype=torch.float64)
        d = waves * self.length * self.step
        blur = ((2 + torch.cos(2 * np.pi * waves)) / 3).square()
        # On the tiny map at the beginning all 1 / (1 + d²) are almost 1; without the shift 32 bits lose the
        # difference.
        self.shift = 1 / (1 + (self.side * self.step) ** 2)
        kernel = torch.fft.rfft2(1 / (1 + d[:, None] ** 2 + d**2) - self.shift).real
        self.kernel = (kernel / (blur[:, None] * blur[: kernel.shape[1]])).float()


def splines(u: Float[Tensor, "n 2"]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Cubic B-spline weights of the four nodes around each coordinate, and their derivatives: x, y each n 4."""
    v, u2 = 1 - u, u * u
    weights = torch.stack([v * v * v, 3 * u2 * u - 6 * u2 + 4, 3 * (u + u2 - u2 * u) + 1, u2 * u], 2) / 6
    slopes = torch.stack([-v * v, 3 * u2 - 4 * u, 1 + 2 * u - 3 * u2, u2], 2) / 2
    return weights.unbind(1), slopes.unbind(1)
