"""How do two cores learn from one batch? Each takes a part of it, in a thread with its own gradients.

torch splits each operation between threads, which then wait for each other some hundred times a step; in a network
as small as ours the waiting costs most of what the second core gains. Here the threads meet twice a step: after the
forward and after the backward pass.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from convsight.network.outputs import scores_in
from convsight.training.precision import computed_in

SMALLEST = 4  # pictures in a part; statistics over fewer are noise


class InParts(nn.Module):
    """A wrapper of `network` that cuts each batch into `parts` and sends them through it at the same time.

    The outputs come back as one tensor; its backward pass adds the parts' gradients up in the weights of
    `network`, as if the batch had gone through whole. Batch normalisation sees one part at a time ("ghost batches"; Hoffer et
    al. 2017, arXiv 1705.08741), and its running statistics are the mean over the parts.

    Where torch may use one thread only, or the network draws random numbers (dropout), the parts run one after
    another; the same seed gives the same weights either way. Use it as a context manager: inside, torch uses the
    calling thread's share of the threads.

    pieces: where memory is short, so many pieces of a batch go through one after another, and each is computed again
    in the backward pass instead of being remembered (gradient checkpointing; Chen et al. 2016, arXiv 1604.06174). output:
    the name of the tensor that holds the scores, of a network that returns several.

    While it is in training mode, layers compute in `dtype` where that is shorter than float32
    (`training.precision`); the outputs are float32 again, and so are the gradients. In evaluation everything is
    float32.

    >>> network = nn.Linear(3, 2)
    >>> with InParts(network, 2) as learner:
    ...     learner(torch.ones(8, 3)).sum().backward()
    >>> network.bias.grad
    tensor([8., 8.])
    """

    def __init__(
        self,
        network: nn.Module,
        parts: int,
        dtype: torch.dtype = torch.float32,
        *,
        pieces: int = 1,
        output: str = "",
    ):
        super().__init__()
        self.network, self.dtype, self.pieces, self.output = network, dtype, pieces, output
        copies = [_sharing_weights(network) for _ in range(parts - 1)]
        self.copies = tuple(copies)  # a tuple: they are no modules of this one, their weights are `network`'s
        self._pool: ThreadPoolExecutor | None = None
        self._threads = 0

    def __enter__(self) -> InParts:
        self._threads, parts = torch.get_num_threads(), 1 + len(self.copies)
        if parts > 1 and self._threads > 1 and not _draws(self.network):
            share = max(1, self._threads // parts)
            self._pool = ThreadPoolExecutor(parts, "part", torch.set_num_threads, (share,))
            torch.set_num_threads(share)
        return self

    def __exit__(self, *_: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        torch.set_num_threads(self._threads)

    def forward(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        networks = (self.network, *self.copies)[: max(1, len(pixels) // SMALLEST)]
        if self.pieces > 1 and self.training and torch.is_grad_enabled():
            forgetting: Any = partial(checkpoint, self.outputs, self.network, use_reentrant=False)
            return torch.cat([forgetting(piece) for piece in pixels.tensor_split(self.pieces)])
        if len(networks) == 1:
            return self.outputs(self.network, pixels)
        for other in networks[1:]:
            _copy_state(self.network, other)
        return _Parts.apply(self, networks, pixels, torch.zeros((), requires_grad=torch.is_grad_enabled()))

    def outputs(self, network: nn.Module, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        """What `network` says, in float32; the context that shortens numbers holds for the calling thread alone."""
        with computed_in(self.dtype if self.training else torch.float32, pixels.device):
            outputs = network(pixels)
        return scores_in(outputs, self.output).float()

    def each(self, work: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
        """`work` on each part's arguments, at once if there are threads for it; results in order."""
        return list((self._pool.map if self._pool is not None else map)(work, *arguments))


class _Parts(torch.autograd.Function):
    """The parts' own graphs as one operation of the outer graph."""

    @staticmethod
    def forward(
        ctx: Any, learner: InParts, networks: Sequence[nn.Module], pixels: Tensor, live: Tensor
    ) -> Tensor:
        grad = live.requires_grad

        def through(network: nn.Module, part: Tensor) -> Tensor:
            with torch.set_grad_enabled(grad):
                return learner.outputs(network, part)

        ctx.learner, ctx.networks = learner, networks
        ctx.outputs = learner.each(through, networks, pixels.tensor_split(len(networks)))
        return torch.cat([part.detach() for part in ctx.outputs])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # type: ignore[override]
        outputs, ctx.outputs = ctx.outputs, None
        ctx.learner.each(torch.autograd.backward, outputs, gradient.tensor_split(len(outputs)))
        for other in ctx.networks[1:]:
            _add_gradients(other, ctx.networks[0])
        _average_buffers(ctx.networks)  # not before: the backward pass of a norm holds them
        return None, None, None, None


def _sharing_weights(network: nn.Module) -> nn.Module:
    """A copy whose weights are the same memory, with gradients and statistics of its own."""
    other = copy.deepcopy(network)
    for mine, its in zip(other.parameters(), network.parameters(), strict=True):
        mine.data, mine.grad = its.data, None
    return other


def _add_gradients(source: nn.Module, network: nn.Module) -> None:
    for mine, its in zip(network.parameters(), source.parameters(), strict=True):
        if its.grad is not None:
            mine.grad = its.grad if mine.grad is None else mine.grad.add_(its.grad)
        its.grad = None


def _copy_state(source: nn.Module, network: nn.Module) -> None:
    """Modes and buffers: normalisation may be in evaluation while the rest learns."""
    for mine, its in zip(network.modules(), source.modules(), strict=True):
        mine.training = its.training
    for mine, its in zip(network.buffers(), source.buffers(), strict=True):
        mine.copy_(its)


@torch.no_grad()
def _average_buffers(networks: Sequence[nn.Module]) -> None:
    """Running statistics of the first become the mean of all; counts are the same in each."""
    for first, *others in zip(*(network.buffers() for network in networks), strict=True):
        if first.is_floating_point():
            for other in others:
                first.add_(other)
            first.div_(len(networks))


def _draws(network: nn.Module) -> bool:
    """Whether it has dropout: that draws from torch's one generator, which threads would use in no fixed order."""
    return any(isinstance(layer, nn.modules.dropout._DropoutNd) for layer in network.modules())
