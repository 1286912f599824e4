"""How does one weighted layer share the relevance of its outputs among its inputs? One small class a rule.

A rule is called with the layer, its input x and the relevance R of its outputs, and returns the relevance of x.
Every rule says which part of an output each input counts for, z_ij, and shares in proportion:

    R_i = Σ_j z_ij ÷ z_j · R_j,   z_j = Σ_i z_ij + what the bias adds, moved away from 0 by a stabiliser

Montavon et al. 2019, Layer-Wise Relevance Propagation: An Overview, doi:10.1007/978-3-030-28954-6_10. For inputs of
both signs the formulas are those of zennit 0.5, which the tests compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

STABILISER = 1e-6  # added to a denominator, with its sign; the knob `epsilon` is that of the ε rule alone


@dataclass(frozen=True)
class Weighted:
    """A layer that is linear in its input: a convolution or a dense layer, `run(x, weight, bias)`.

    `bounds` are the least and largest values that its input can have, for a layer that sees the picture.
    """

    run: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    weight: Tensor
    bias: Tensor | None
    is_convolution: bool
    bounds: tuple[Tensor, Tensor] | None = None

    def in_precision_of(self, x: Tensor) -> Weighted:
        """The same layer in the number format of `x`, which may be finer than the network's own."""
        bias = None if self.bias is None else self.bias.detach().to(x)
        return replace(self, weight=self.weight.detach().to(x), bias=bias)


Rule = Callable[[Weighted, Tensor, Tensor], Tensor]
Summand = tuple[Tensor, Tensor, Tensor | None]  # an input, weights and a bias whose outputs are summed to z


def stabilised(z: Tensor, epsilon: float) -> Tensor:
    """z + ε·sign(z), with sign(0) = 1; with ε = 0 a z of 0 becomes infinite, so that nothing is divided by 0."""
    if epsilon == 0:
        return z.masked_fill(z == 0, torch.inf)
    return z + epsilon * torch.where(z < 0, -1.0, 1.0).to(z)


def shared(
    layer: Weighted, parts: Sequence[Summand], relevance: Tensor, epsilon: float = STABILISER
) -> Tensor:
    """Σ over the parts (x, w, b) of x · ∂z/∂x · R ÷ z, where z is the sum of what the layer makes of each."""
    parts = [(x, w, b) for x, w, b in parts if b is not None or bool(x.any())] or parts[:1]
    leaves = [x.detach().requires_grad_() for x, _, _ in parts]
    with torch.enable_grad():
        outputs = [layer.run(leaf, w, b) for leaf, (_, w, b) in zip(leaves, parts, strict=True)]
        z = outputs[0] if len(outputs) == 1 else torch.stack(outputs).sum(0)
    slopes = torch.autograd.grad(z, leaves, relevance / stabilised(z.detach(), epsilon))
    return torch.stack([leaf.detach() * slope for leaf, slope in zip(leaves, slopes, strict=True)]).sum(0)


def _positive(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.clamp(min=0)


def _negative(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.clamp(max=0)


@dataclass(frozen=True)
class Epsilon:
    """z_ij = x_i w_ij, and ε takes relevance from outputs that are nearly 0 (Bach et al. 2015, equation 58)."""

    epsilon: float = STABILISER

    def __call__(self, layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
        return shared(layer, [(x, layer.weight, layer.bias)], relevance, self.epsilon)


@dataclass(frozen=True)
class AlphaBeta:
    """α times the share in the positive parts of z minus β = α − 1 times that in the negative ones; z⁺ with α = 1."""

    alpha: float = 1.0

    def __call__(self, layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
        w, b = layer.weight, layer.bias
        up, down = w.clamp(min=0), w.clamp(max=0)
        above, below = x.clamp(min=0), x.clamp(max=0)
        found = self.alpha * shared(layer, [(above, up, _positive(b)), (below, down, None)], relevance)
        if self.alpha == 1:
            return found
        against = shared(layer, [(above, down, _negative(b)), (below, up, None)], relevance)
        return found - (self.alpha - 1) * against


@dataclass(frozen=True)
class Gamma:
    """z_ij = x_i (w_ij + γ w_ij⁺): positive parts count more, and γ → ∞ gives z⁺ (Montavon et al. 2019).

    Outputs below 0, and inputs below 0, have the signs the other way around (Andéol et al. 2021).
    """

    gamma: float = 0.25

    def __call__(self, layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
        w, b = layer.weight, layer.bias
        up, down = w + self.gamma * w.clamp(min=0), w + self.gamma * w.clamp(max=0)
        above, below = x.clamp(min=0), x.clamp(max=0)
        z = layer.run(x, w, b)
        bias_up = None if b is None else b + self.gamma * b.clamp(min=0)
        found = shared(layer, [(above, up, bias_up), (below, down, None)], relevance * (z > 0))
        under = relevance * (z < 0)
        if not under.any():
            return found
        bias_down = None if b is None else b + self.gamma * b.clamp(max=0)
        return found + shared(layer, [(above, down, bias_down), (below, up, None)], under)


@dataclass(frozen=True)
class Flat:
    """z_ij = 1 for every input that an output sees, whatever its value (Lapuschkin et al. 2019)."""

    def __call__(self, layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
        return shared(layer, [(torch.ones_like(x), torch.ones_like(layer.weight), None)], relevance)


@dataclass(frozen=True)
class WSquare:
    """z_ij = w_ij²: what the input is does not count, only how strongly it is looked at (Montavon et al. 2017)."""

    def __call__(self, layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
        return shared(layer, [(torch.ones_like(x), layer.weight.square(), None)], relevance)


@dataclass(frozen=True)
class ZBox:
    """z_ij = x_i w_ij − l_i w_ij⁺ − h_i w_ij⁻ for pixels between l and h (Montavon et al. 2017, equation 15)."""

    def __call__(self, layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
        assert layer.bounds is not None
        (low, high), w = layer.bounds, layer.weight
        parts = [(x, w, None), (low, -w.clamp(min=0), None), (high, -w.clamp(max=0), None)]
        return shared(layer, parts, relevance)
