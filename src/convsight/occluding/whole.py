"""How is a network run whole on many variants of a picture in the least time?

Its program with batch norms folded into convolutions, channels last and, where many pictures make it worth loading
them, compiled convolutions gives the same scores up to rounding, which is checked on the first pictures. A few pictures
at a time stay in the processor's cache, and threads that each take a few of them wait less than threads that share
every operation.
"""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.network.classifier import Classifier
from convsight.network.interventions import interventions
from convsight.occluding import compiled
from convsight.occluding.cost import is_large
from convsight.occluding.programs import known_program
from convsight.occluding.self_check import TOLERANCE
from convsight.occluding.simplify import simplified
from convsight.occluding.trace import Program
from convsight.occluding.whole_convolutions import laid_out

WORTH = 100  # pictures from which on tracing the network pays
CHECKED = 4
PIXELS = 600_000  # of the pictures that a thread takes at a time: four of 3×224×224


class WholePasses:
    """Scores of pictures n c h w, without gradients; `expected` is how many pictures there will be."""

    def __init__(self, net: Classifier, expected: int):
        self.net = net
        self._program = _program(net, expected) if expected >= WORTH else None
        self._checked = False

    def __call__(self, pixels: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        with torch.no_grad():
            if self._program is None:
                return self.net.forward(pixels).cpu()
            found = self._run(self._program, pixels)
            if not self._checked:
                self._checked = True
                if not self._right(found[:CHECKED], pixels[:CHECKED]):
                    self._program = None
                    return self(pixels)
            return found

    def _run(self, program: Program, pixels: Tensor) -> Tensor:
        threads = torch.get_num_threads()
        parts = pixels.tensor_split(_parts(pixels, threads))
        work = functools.partial(self._part, program)
        if threads == 1 or len(parts) == 1:
            return torch.cat([work(part) for part in parts])
        return torch.cat(list(_pool(threads).map(work, parts)))

    def _part(self, program: Program, pixels: Tensor) -> Tensor:
        with torch.no_grad():  # gradients are a matter of each thread
            inside = self.net.normalise(pixels).contiguous(memory_format=torch.channels_last)
            value = program.run(inside, (program.output,))[program.output]
            return self.net.rows(value, len(pixels)).cpu()

    def _right(self, found: Tensor, pixels: Tensor) -> bool:
        right = self.net.forward(pixels).cpu()
        scale = float(right.abs().max()) or 1.0
        return float((found - right).abs().max()) <= TOLERANCE * scale


def _program(net: Classifier, expected: int) -> Program | None:
    """The folded program of a network in 32-bit numbers on the processor; None where it does not apply."""
    if not compiled.suits(net) or interventions(net.module):
        return None
    program = known_program(net)
    if program is None:
        return None
    return laid_out(simplified(program, (), True), is_large(program, expected) and not compiled.why_not())


def _parts(pixels: Tensor, threads: int) -> int:
    """Into how many parts pictures are cut: few enough pixels in each, and as many parts for every thread."""
    needed = -(-pixels.numel() // PIXELS)
    return max(1, min(len(pixels), -(-needed // threads) * threads))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that each run operations alone; the caller keeps its own number of threads."""
    pool = ThreadPoolExecutor(threads, "whole", torch.set_num_threads, (1,))
    started = threading.Barrier(threads)
    list(pool.map(lambda _: started.wait(), range(threads)))
    torch.set_num_threads(threads)  # part of what a worker sets when it starts is common to all threads
    return pool
