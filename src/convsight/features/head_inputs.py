"""How do the vectors that feed a network's head come out quickly on a processor: a few pictures at a time on each core.

A network's first maps are its largest. Of four photos of 160 px they stay in the caches, of twenty they go through the
memory: MobileNetV2 took 8.9 milliseconds a photo of one core in batches of 4, 16.9 in batches of 20. Threads inside each
operation wait for each other some hundred times a batch; here each core takes pictures of its own.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convsight.network.batching import PIXELS, chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.layers import feature_vectors

FEW = PIXELS // 5  # numbers in the pictures of one piece
VectorsOf = Callable[[Float[Tensor, "n c h w"]], Float[Tensor, "n d"]]


class _Reached(Exception):
    """What came to the head; the rest of the network need not run."""

    def __init__(self, value: Tensor):
        super().__init__("the head is reached")
        self.value = value


@contextmanager
def head_inputs(net: Classifier, dtype: torch.dtype = torch.float32) -> Iterator[VectorsOf]:
    """Inside, a function from pixels in [0, 1] to the vectors that feed the head of `net`, on the CPU.

    dtype: in which layers compute where that is shorter than float32. On an accelerator, and for a network whose head
    is no module of its own or whose answer depends on its neighbours in the batch, the network is recorded as always.
    """

    def recorded(pixels: Tensor) -> Tensor:
        layer = net.feature_layer

        def run(some: slice) -> Tensor:
            with torch.no_grad(), _in(dtype, net.device), net.record(layer, stop=True) as seen:
                net.forward(pixels[some])
            return feature_vectors(seen[layer]).cpu()

        return torch.cat(in_chunks(run, len(pixels), chunk_size(pixels.shape[1:])))

    alone = net.habits.one_by_one or net.habits.random or net.device.type != "cpu"
    copies, threads = [] if alone else _copies(net), torch.get_num_threads()
    with ThreadPoolExecutor(max(1, len(copies)), "features", torch.set_num_threads, (1,)) as pool:
        several = _Several(net, copies, dtype, pool)
        try:
            yield several if copies and _agree(several, recorded, net) else recorded
        finally:
            torch.set_num_threads(threads)


class _Several:
    """Pieces of a batch, each through the copy of the network that the thread it comes to has for itself."""

    def __init__(
        self, net: Classifier, copies: list[nn.Module], dtype: torch.dtype, pool: ThreadPoolExecutor
    ):
        self.net, self.copies, self.dtype, self.pool = net, list(copies), dtype, pool
        self.own = threading.local()
        self.piece = max(1, FEW // (net.channels * net.input_size[0] * net.input_size[1]))

    def __call__(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
        with torch.random.fork_rng(devices=[]):
            return torch.cat(list(self.pool.map(self.one, pixels.split(self.piece))))

    def one(self, pixels: Tensor) -> Tensor:
        if not hasattr(self.own, "network"):
            self.own.network = self.copies.pop()
        with torch.no_grad(), _in(self.dtype, pixels.device):
            try:
                self.own.network(self.net.normalise(pixels))
            except _Reached as reached:
                return feature_vectors(reached.value)
        raise RuntimeError("the network ended without its head")


def _copies(net: Classifier) -> list[nn.Module]:
    """One copy for each core that shares the weights and stops at the head; none where that cannot be made."""
    name = net.layers.last_feature()[1].name.split("#")[0]
    shared = {id(t): t for t in (*net.module.parameters(), *net.module.buffers())}
    try:
        copies = [copy.deepcopy(net.module, dict(shared)).eval() for _ in range(torch.get_num_threads())]
        for other in copies:
            other.get_submodule(name).register_forward_pre_hook(_stop)
    except (AttributeError, TypeError, RuntimeError):
        return []
    return copies


def _stop(module: nn.Module, given: tuple[Tensor, ...]) -> None:
    raise _Reached(given[0])


def _agree(several: VectorsOf, recorded: VectorsOf, net: Classifier) -> bool:
    """Whether both ways give the same vectors of a grey picture and a ramp."""
    ramp = torch.linspace(0, 1, net.input_size[0] * net.input_size[1]).view(1, 1, *net.input_size)
    pictures = torch.cat([torch.full_like(ramp, 0.5), ramp]).repeat(1, net.channels, 1, 1)
    try:
        ours = several(pictures)
    except (RuntimeError, TypeError, ValueError):
        return False
    theirs = recorded(pictures)
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-2, atol=1e-3)


def _in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)
