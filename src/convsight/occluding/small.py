"""How are the positions of a small network answered, whose maps a compiled kernel carries out whole?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from convsight.accelerate import chain
from convsight.network.classifier import Classifier
from convsight.network.inputs import first_tensor
from convsight.occluding.answers import Reading
from convsight.occluding.engine import Answer, Engine
from convsight.occluding.occluders import Occluders
from convsight.occluding.tail import WAITING, Tail
from convsight.occluding.trace import Program

Scores = tuple[Tensor, list[Tensor]]


@dataclass(eq=False)
class SmallEngine(Engine):
    """An engine that plans nothing: a chain for the maps, and the tail for all positions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._chain, self._hidden, self._found = None, None, None
        picture = (self.net.channels, *self.net.input_size)
        self._tail, joined = None, chain.chain_of(self.live, picture, self.program.output, self.read)
        if joined is None:
            self._tail = Tail.of(self.live, self.program.output)
            if self._tail is None:
                return
            head = self.live[: len(self.live) - len(self._tail.steps)]
            joined = chain.chain_of(head, picture, self._tail.source)
        self._chain = joined
        if joined is not None:
            boxes = joined.rectangles(self.changed)
            self._hidden = None if boxes is None else np.concatenate([boxes, joined.whole[None]])
            self._on_maps = [r for r, index in enumerate(self.read) if index in joined.values]
            self.minds_layout = any(step.kind == "view" for step in self.program.steps)

    @staticmethod
    def may_suit(net: Classifier, program: Program, occluders: Occluders) -> bool:
        """Whether boxes move on small maps of float32 numbers on the processor, and the kernel runs there."""
        like = first_tensor(net.module)
        plain = like.device.type == "cpu" and like.dtype == torch.float32
        small = all(math.prod(step.shape) <= chain.NUMBERS for step in program.steps)
        return plain and small and occluders.masks is None and chain.usable()

    @property
    def suits(self) -> bool:
        """Whether the network is a chain, and all that is read lies on it or behind it."""
        if self._chain is None or self._hidden is None:
            return False
        behind = {step.index for step in self._tail.steps} if self._tail else ()
        return all(index in self._chain.values or index in behind for index in self.read)

    def pictures_at_once(self, usual: int) -> int:
        """As many as may wait behind the chain: what is done once a call is done once for all."""
        assert self._chain is not None
        return max(usual, WAITING // (math.prod(self._chain.shape) * (len(self.occluders) + 1)))

    def load(self, pixels: Tensor, fill: Tensor, readings: Sequence[Reading], first: int) -> None:
        self._first, self.readings = first, tuple(readings)
        self._inside, self._shown = self._normalised(pixels), self._normalised(fill)

    def _normalised(self, pixels: Tensor) -> Tensor:
        """As the network would, but without a copy where it changes nothing: they are only read."""
        plain = pixels.dtype == torch.float32 and pixels.device.type == "cpu"
        return pixels if plain and self.net.mean is self.net.std is None else self.net.normalise(pixels)

    def clean(self) -> Scores:
        """Scores and readings of the clean pictures, which come with those of any positions."""
        if self._found is None:
            self._answer(np.zeros(0, dtype=np.int64))
        assert self._found is not None
        return self._found

    def answers(self, places: np.ndarray) -> Iterator[Answer]:
        assert self._chain is not None
        numbers = math.prod(self._chain.shape) * self.pictures * len(places)
        parts = -(-numbers // WAITING)
        for part in np.array_split(places, parts) if parts > 1 else [places]:
            yield part, *self._answer(part)

    def run(self, places: np.ndarray) -> Scores:
        return self._answer(places)

    def _answer(self, places: np.ndarray) -> Scores:
        """Scores (pictures m k) and readings (pictures m); those of the clean pictures, which are last, are kept."""
        assert self._chain is not None and self._hidden is not None
        each = [r.channels[self._first : self._first + self.pictures] for r in self.readings]
        reads = [[self._chain.values[self.read[r]], *each[r].tolist()] for r in self._on_maps]
        table = np.array(reads, dtype=np.int64) if reads else chain.NONE
        source, maps = self._chain.run(self._inside, self._shown, self._hidden, places, table)
        shape, found = source.shape[:2], {self.program.output: source}
        if self._tail is not None:
            found = self._tail.run(source.flatten(0, 1), self.read, self.program.prepared)
        logits = self.net.rows(found[self.program.output], math.prod(shape)).view(*shape, -1)
        read = []
        for r, reading in enumerate(self.readings):
            if r in self._on_maps:
                of = maps[self._on_maps.index(r)].flatten(0, 1)
            else:
                picture = torch.arange(self.pictures).repeat_interleave(shape[1])
                of = found[self.read[r]][torch.arange(len(picture)), each[r][picture]]
            read.append(reading.of_map(of).view(shape))
        self._found = logits[:, -1], [values[:, -1] for values in read]
        return logits[:, :-1], [values[:, :-1] for values in read]
