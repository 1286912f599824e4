"""An operation whose backward pass hands back relevance by a rule instead of a gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsight.gradients.relevance.rules import STABILISER, stabilised
from convsight.gradients.relevance.weighted import wide
from convsight.network.graph import tensors_in, with_first

# From the relevance of the value, and what was saved, to the relevance of each input.
Back = Callable[..., Sequence[Tensor | None]]


class _Ruled(torch.autograd.Function):
    """Gives `held[0]`, which is in a list so that autograd does not take it for an input, and goes back by `back`."""

    @staticmethod
    def forward(ctx: Any, held: list[Tensor], back: Back, saved: tuple, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*saved)
        ctx.back, ctx.formats = back, [x.dtype for x in inputs]
        return held.pop()

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.back(wide(relevance[0]), *map(wide, ctx.saved_tensors))
        shares = (None if r is None else r.to(a) for r, a in zip(found, ctx.formats, strict=True))
        return None, None, None, *shares


@dataclass(frozen=True)
class Operation:
    """One operation of a pass; `inputs` are the tensors among its arguments that depend on the picture, each once."""

    kind: str
    func: Callable
    args: tuple
    kwargs: Mapping[str, Any]
    inputs: Sequence[Tensor]

    def run(self) -> Any:
        """What it gives, without a way back."""
        with torch.no_grad():
            return self.func(*self.args, **self.kwargs)

    def run_with(self, values: Sequence[Tensor]) -> Any:
        """What it gives for other values of its inputs."""
        copies = {id(x): value for x, value in zip(self.inputs, values, strict=True)}
        return self.func(*_exchanged(self.args, copies), **_exchanged(self.kwargs, copies))

    def ruled(self, back: Back, inputs: Sequence[Tensor] | None = None, saved: Sequence[Tensor] = ()) -> Any:
        """What it gives; autograd goes back to `inputs` by `back(relevance, *saved)`."""
        whole = self.run()
        first = tensors_in(whole)[0]
        if first.untyped_storage().data_ptr() in {
            t.untyped_storage().data_ptr() for t in tensors_in(self.args)
        }:
            first = first.clone()  # in place, or nothing to do: autograd wants memory of its own
        new = _Ruled.apply([first.detach()], back, tuple(saved), *(self.inputs if inputs is None else inputs))
        return with_first(whole, new)  # type: ignore[arg-type]

    def passed(self, x: Tensor) -> Any:
        """All of each number's relevance goes to the number of `x` that it was made of."""
        shape = x.shape
        return self.ruled(lambda relevance: (relevance.sum_to_size(shape),), [x])

    def halved(self) -> Any:
        """Each of several factors gets the same part of the relevance."""
        shapes = [x.shape for x in self.inputs]
        return self.ruled(lambda r: [r.sum_to_size(shape) / len(shapes) for shape in shapes])

    def summed(self) -> Any:
        """Each summand gets its share of the value: x · ∂z/∂x · R ÷ z, of an operation that is linear in its inputs."""

        def back(relevance: Tensor, *saved: Tensor) -> Sequence[Tensor]:
            leaves = [x.detach().requires_grad_() for x in saved]
            with torch.enable_grad():
                z = self.run_with(leaves)
            slopes = torch.autograd.grad(z, leaves, relevance / stabilised(z.detach(), STABILISER))
            return [x.detach() * slope for x, slope in zip(leaves, slopes, strict=True)]

        return self.ruled(back, saved=[x.detach().clone() for x in self.inputs])


def _exchanged(value: Any, by_id: Mapping[int, Tensor]) -> Any:
    """Arguments with those tensors exchanged whose `id` is given; each is a copy, for operations in place."""
    if isinstance(value, Tensor):
        return by_id[id(value)].clone() if id(value) in by_id else value
    if isinstance(value, Mapping):
        return {k: _exchanged(v, by_id) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_exchanged(v, by_id) for v in value)
    return value
