"""When can a stage of a network run in training as one compiled piece, and how does torch come to its gradients?

Most of a small network's training goes into convolutions and what torch does around them. Behind a 2×2 max pool three
quarters of a convolution's gradient are 0, and maps of a few pictures fit a core's cache: `stage` gives the numbers of the
layers it is made of, to float32's rounding, and does neither compute what is 0 nor bring maps to and from memory for
each layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from convsight.architectures.stages.where import compiles

Pair = tuple[Any, Any]  # of layers


def fits(layers: Sequence[nn.Module], maps: Tensor) -> bool:
    """Whether `stage` can stand for these layers here."""
    (conv, _), norms = _parts(layers)
    _, c, h, w = maps.shape
    return (
        (c == 8 or c % 16 == 0)
        and conv.out_channels % 16 == 0
        and (h // 2) * (w // 2) >= 8
        and all(norm.momentum is not None and norm.track_running_stats and norm.affine for norm in norms)
        and compiles(layers, maps)
    )


def stage(maps: Float[Tensor, "n c h w"], layers: Sequence[nn.Module]) -> Float[Tensor, "n k h2 w2"]:
    """x + relu(norm2(conv2(x))), where x = relu(norm1(max_pool(conv1(maps)))), in training.

    The convolutions among `layers` are 3×3 with a padding of 1 and no bias; the pool is 2×2. The running statistics of
    the norms move on.
    """
    convs, norms = _parts(layers)
    knobs = [parameter for pair in (convs, norms) for layer in pair for parameter in layer.parameters()]
    out, tables = _Stage.apply(maps, [norm.eps for norm in norms], *knobs)  # type: ignore[misc]
    count = out.numel() // out.shape[1]
    with torch.no_grad():
        for norm, (_, _, mean, variance) in zip(norms, tables, strict=True):
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * (count / max(count - 1, 1)), norm.momentum)
            norm.num_batches_tracked.add_(1)
    return out


def _parts(layers: Sequence[nn.Module]) -> tuple[Pair, Pair]:
    """The two convolutions and the two norms."""
    convs = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    return (convs[0], convs[1]), (norms[0], norms[1])


def _last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _array(weight: Tensor) -> Any:
    """Output, row, column, channel."""
    return weight.detach().permute(0, 2, 3, 1).contiguous().numpy()


at = Tensor.data_ptr


class _Stage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, eps: Sequence[float], *knobs: Tensor) -> Any:
        from convsight.architectures.stages.normalised_kernel import normalise
        from convsight.architectures.stages.stage_kernel import choose_all, convolve_all

        maps, (first, second) = _last(maps.detach()), [_array(weight) for weight in knobs[:2]]
        scale, shift, scale2, shift2 = (number.detach().numpy() for number in knobs[2:])
        (n, c, h, w), k = maps.shape, len(first)
        pooled, hidden, sums, out = (torch.empty(n, h // 2, w // 2, k) for _ in range(4))
        where, tables = torch.empty(pooled.shape, dtype=torch.uint8), torch.empty(2, 4, k)
        count, (one, two) = pooled.numel() // k, tables.numpy()

        choose_all(at(maps), (n, h, w, c), first, at(pooled), at(where))
        normalise(at(hidden), at(pooled), 0, count, scale, shift, eps[0], one)
        convolve_all(at(hidden), tuple(pooled.shape), second, False, at(sums), 0)
        normalise(at(out), at(sums), at(hidden), count, scale2, shift2, eps[1], two)
        ctx.save_for_backward(maps, *knobs[:2], pooled, where, hidden, sums, tables)
        ctx.eps = eps
        ctx.mark_non_differentiable(tables)
        return out.permute(0, 3, 1, 2), tables

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Any) -> Any:
        from convsight.architectures.stages.normalised_kernel import normalise_back
        from convsight.architectures.stages.stage_kernel import collect_all, convolve_all, give_all, weigh_all

        maps, first, second, pooled, where, hidden, sums, tables = ctx.saved_tensors
        (n, c, h, w), k, gradient = maps.shape, len(first), _last(gradient)
        size, small, count = (n, h, w, c), tuple(pooled.shape), pooled.numel() // k
        given, of_hidden, of_norms = torch.empty_like(sums), torch.empty_like(hidden), torch.empty(2, 6, k)
        of_first, of_second = torch.zeros(k, 3, 3, c), torch.zeros(k, 3, 3, k)
        of_maps = torch.empty_like(maps) if ctx.needs_input_grad[0] else None
        (one, two), (found, found2) = tables.numpy(), of_norms.numpy()

        normalise_back(at(given), at(gradient), at(sums), count, ctx.eps[1], two, found2)
        weigh_all(at(hidden), small, at(given), of_second.numpy())
        convolve_all(at(given), small, _array(second), True, at(of_hidden), at(gradient))
        normalise_back(at(given), at(of_hidden), at(pooled), count, ctx.eps[0], one, found)
        collect_all(at(maps), size, at(given), at(where), of_first.numpy())
        if of_maps is not None:
            give_all(at(of_maps), size, _array(first), at(given), at(where))
        of_kernels = of_first.permute(0, 3, 1, 2), of_second.permute(0, 3, 1, 2)
        (shift, scale), (shift2, scale2) = of_norms[:, :2]
        return of_maps, None, *of_kernels, scale, shift, scale2, shift2
