"""Where may compiled pieces stand for a network's layers?

On processors with AVX-512, where Numba is there and what it compiles does what torch does. The pieces use one thread,
which is worth about two of torch's; where a network has more, torch's own layers are quicker.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convsight.accelerate.processor import can

THREADS = 2  # of torch's, which one of ours is worth


def compiles(layers: Iterable[nn.Module], maps: Tensor) -> bool:
    """Whether gradients are wanted of float32 numbers on a processor, and nobody listens to the layers."""
    return (
        torch.is_grad_enabled()
        and maps.device.type == "cpu"
        and maps.dtype == torch.float32
        and len(maps) > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and worthwhile(torch.get_num_threads())
        and all(_plain(layer) for layer in layers)
        and usable()
    )


def _plain(layer: nn.Module) -> bool:
    """A layer with float32 weights that is in training, and at which no hook waits."""
    hooks = layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks
    return layer.training and not any(hooks) and all(p.dtype == torch.float32 for p in layer.parameters())


def worthwhile(threads: int) -> bool:
    """Whether the processor has what the pieces need, and torch has few enough threads to be slower."""
    return threads <= THREADS and can("avx512f")


@functools.cache
def usable() -> bool:
    """Whether the pieces can run here, and give what the layers give; compiling them takes some seconds, once."""
    if not can("avx512f"):
        return False
    try:
        return _as_torch()
    except Exception:  # no room to keep what is compiled
        return False


def _as_torch() -> bool:
    """Whether a first convolution and a stage behind it give the layers' numbers and gradients."""
    from convsight.architectures.stages.first import first
    from convsight.architectures.stages.stage import stage

    pixels = _numbers(3, 1, 9, 10)
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        mine, plain = _layers(), _layers()
        conv, conv1, norm1, conv2, norm2 = plain
        x = norm1(F.max_pool2d(conv1(conv(pixels)), 2)).relu()
        right = _with_gradients(x + norm2(conv2(x)).relu(), plain)
        found = _with_gradients(stage(first(pixels, mine[0]), mine[1:]), mine)
    pairs = zip(found, right, strict=True)
    return all(float((a - b).abs().max()) < 0.01 * float(b.abs().max()) for a, b in pairs)


def _with_gradients(out: Tensor, layers: Iterable[nn.Module]) -> list[Tensor]:
    weights = [parameter for layer in layers for parameter in layer.parameters()]
    return [out.detach(), *torch.autograd.grad(out, weights, _numbers(*out.shape))]


def _layers() -> list[Any]:
    """The first convolution, and those of a stage, with weights that no random number decides."""
    layers = [nn.Conv2d(1, 8, 2), nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    layers += [nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    for parameter in (p for layer in layers for p in layer.parameters()):
        parameter.data = _numbers(*parameter.shape)
    return layers


def _numbers(*shape: int) -> Tensor:
    return torch.linspace(-9, 9, math.prod(shape)).mul(7).sin().view(shape)
