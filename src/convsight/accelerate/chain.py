"""Which small networks can be answered by one call of a compiled kernel, and how are they laid out for it?

For maps of a few thousand numbers, starting an operation takes longer than the operation. A network of convolutions,
activations and largest-value pools whose maps fit the cache is carried out whole by `chain_kernel`, position by
position. Small linear layers behind them are convolutions of one place; where they are large, what comes behind the
last maps (`tail`) is done for all positions at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.accelerate.chain_links import Link
from convsight.accelerate.rows import at_lines, limits
from convsight.occluding.regions import Changed
from convsight.occluding.rules.geometry import Axis
from convsight.occluding.tail import RESHAPED
from convsight.occluding.trace import SAME, Step

NUMBERS = 200_000  # in all maps: they and their clean copy stay in a core's second-level cache
NONE = np.zeros((0, 0), dtype=np.int64)  # values and channels where nothing is read


@dataclass(eq=False)
class Chain:
    """A network's maps, laid out one behind the other, and the steps between them, as the kernel takes them."""

    values: dict[int, int]  # the number of each value
    layout: np.ndarray  # chain_kernel.VALUE numbers of each value
    steps: np.ndarray
    limits: np.ndarray
    taps: np.ndarray  # bytes from a place's first cell
    weights: np.ndarray
    borders: tuple[int, int, int, int]  # of the picture: left, right, top, bottom
    maps: np.ndarray

    def __post_init__(self) -> None:
        self.whole = np.array([(0, v[3], 0, v[4]) for v in self.layout])
        self.shape = tuple(int(n) for n in self.layout[-1][[5, 3, 4]])  # c h w of the last maps
        largest = max(int(v[2] * v[3] * v[4]) for v in self.layout)
        rooms = [self.maps, *(_floats(len(self.maps)) for _ in range(2)), _floats(largest + 16)]
        self._rooms = (*rooms, self.taps, self.weights)  # as `chain_kernel` lists them
        self._tables = np.array([room.ctypes.data for room in self._rooms], dtype=np.int64)
        steps, values = (self.steps.ctypes.data, len(self.steps)), (self.layout.ctypes.data, len(self.layout))
        self._at = self._tables.ctypes.data, len(self.maps), *steps, *values, self.limits.ctypes.data

    def run(
        self,
        inside: Float[Tensor, "n c h w"],
        fill: Float[Tensor, "n c h w"],
        hidden: np.ndarray,
        places: np.ndarray,
        reads: np.ndarray,
    ) -> tuple[Float[Tensor, "n p c h w"], list[Float[Tensor, "n p h w"]]]:
        """The last maps with the box of each of `places` hidden, and last of the whole picture; and what is read.

        `hidden` says what each position changes (see `rectangles`), and last has `whole`. Each of `reads` is the number
        of a value, and the channel of each picture that is read of it.
        """
        n, positions, widest, sizes = len(inside), len(places) + 1, 0, []
        out = torch.empty((n, positions, *self.shape), dtype=torch.float32)
        if len(reads):
            sizes = [(int(v[3]), int(v[4])) for v in self.layout[reads[:, 0]]]
            widest = max(h * w for h, w in sizes)
        read = torch.empty((len(reads), n, positions, widest), dtype=torch.float32) if widest else out
        inside, fill = self._rows(inside), self._rows(fill)
        places = np.ascontiguousarray(places, dtype=np.int64)  # read where they lie, as the kernel takes them
        _kernel()(
            inside.data_ptr(), fill.data_ptr(), n, inside.numel() // n * 4, *self._at, _address(hidden), len(hidden),
            _address(places), len(places), _address(reads), len(reads), out.data_ptr(), read.data_ptr(), widest,
        )  # fmt: skip
        if not sizes:
            return out, []
        return out, [one[..., : h * w].unflatten(-1, (h, w)) for one, (h, w) in zip(read, sizes, strict=True)]

    def _rows(self, pictures: Float[Tensor, "n c h w"]) -> Tensor:
        """The pictures as they lie among the maps."""
        if pictures.shape[1] == 1 and not any(self.borders):
            return pictures.contiguous()
        cells = pictures.permute(0, 2, 3, 1)
        return (F.pad(cells, (0, 0, *self.borders)) if any(self.borders) else cells).contiguous()

    def rectangles(self, changed: Mapping[int, Changed | None]) -> np.ndarray | None:
        """Positions × values × (rows from, to, columns from, to): the cells that each position changes."""
        found, boxes = [], [one for one in changed.values() if one is not None]
        for index, value in zip(list(self.values)[: len(self.layout)], self.layout, strict=True):
            one = changed[index]
            if one is None and (not boxes or value[3] * value[4] > 1):
                return None
            if one is None:  # a vector changes as a whole
                found.append(np.tile([0, 1, 0, 1], (len(boxes[0].low[0]), 1)))
            else:
                found.append(np.stack([one.low[0], one.high[0], one.low[1], one.high[1]], 1))
        return np.ascontiguousarray(np.stack(found, 1), dtype=np.int64)


def chain_of(
    head: Sequence[Step], picture: tuple[int, ...], end: int, read: Collection[int] = ()
) -> Chain | None:
    """The steps up to the last value, `end`, as a chain; None if one is of another kind, or maps are large.

    Maps may be laid out as a vector for linear layers, but not if that vector is to be `read`.
    """
    links, same, flat = [], {-1: -1}, set()
    shapes = {-1: tuple(picture), **{s.index: (*s.shape, 1, 1)[:3] for s in head}}
    for step in head:
        if len(step.parents) != 1 or len(step.shape) not in (1, 3) or step.parents[0] not in same:
            return None
        source = same[step.parents[0]]
        same[step.index] = source if step.kind == SAME else step.index
        if step.kind in RESHAPED and source >= 0 and len(step.shape) == 1 and step.index not in read:
            same[step.index] = source
            flat.add(step.index)
        elif step.kind == "dropout" and step.argument(2, "training", True) is False:
            same[step.index] = source
        if same[step.index] == source:
            if step.index not in flat and step.parents[0] in flat:
                flat.add(step.index)
            continue
        link = Link.of(step, source, shapes[source])
        if link is None or not _fits(link, shapes) or (step.parents[0] in flat and step.kind != "linear"):
            return None
        links.append(link)
    if not links or same.get(end) != links[-1].index or end in flat:
        return None
    found = _laid_out(links, shapes)
    if len(found.maps) > NUMBERS:
        return None
    found.values |= {i: found.values[s] for i, s in same.items() if i not in found.values and i not in flat}
    return found


def _fits(link: Link, shapes: Mapping[int, tuple[int, ...]]) -> bool:
    """Whether the kernel reads what it may: whole lines, and with a pool no cell outside of the maps."""
    if link.weight is not None:
        return True
    reach = [
        (n - 1) * a.stride + a.dilation * (a.kernel - 1) + 1
        for n, a in zip(shapes[link.index][1:], link.axes, strict=True)
    ]
    return link.source >= 0 and all(r <= n for r, n in zip(reach, shapes[link.source][1:], strict=True))


def _laid_out(links: Sequence[Link], shapes: Mapping[int, tuple[int, ...]]) -> Chain:
    values = {index: number for number, index in enumerate([-1, *(link.index for link in links)])}
    borders = {index: _borders(index, links, shapes) for index in values}
    layout, at = [], 0
    for index in values:
        (c, h, w), (left, right, top, bottom) = shapes[index], borders[index]
        cell = c if index < 0 else -(-c // 16) * 16
        row = (w + left + right) * cell
        layout.append((at + top * row + left * cell, row, cell, h, w, c))
        at += -(-(h + top + bottom) * row // 16) * 16
    steps, taps, parts, held = [], [], [], 0
    for link in links:
        (first, row, cell, *_), (rows, columns) = layout[values[link.source]], link.axes
        depth, across = 0 if link.weight is None else link.weight.shape[1], range(columns.kernel)
        if depth == cell and columns.dilation == 1:  # a row of taps lies there as one tap of more channels
            depth, across = depth * columns.kernel, range(1)
        offsets = [
            (i * rows.dilation * row + j * columns.dilation * cell) * 4
            for i in range(rows.kernel)
            for j in across
        ]
        numbers, lines = _filled(link)
        steps.append((
            0 if link.weight is not None else 1, values[link.source], values[link.index], len(taps), len(offsets),
            first - rows.before * row - columns.before * cell, rows.stride, columns.stride,
            depth, held, held + len(numbers) - 16 * lines, lines, int(link.weight is not None and link.source >= 0 and columns.dilation == 1),
            *(number for axis in link.axes for number in (axis.kernel, axis.before, axis.dilation)),
        ))  # fmt: skip
        taps += offsets
        parts.append(numbers)
        held += len(numbers)
    between = np.array([link.between for link in links], dtype=np.float32)
    table = np.array(layout, dtype=np.int64)
    weights = _floats(held)
    weights[:] = np.concatenate(parts)
    return Chain(
        values, table, np.array(steps, dtype=np.int64), between, np.array(taps, dtype=np.int64),
        weights, borders[-1], _floats(at),
    )  # fmt: skip


def _borders(
    index: int, links: Sequence[Link], shapes: Mapping[int, tuple[int, ...]]
) -> tuple[int, int, int, int]:
    """Zeros that the convolutions of a value read around it: left, right, top, bottom."""
    found = []
    for a in (1, 0):
        readers = [link for link in links if link.source == index]
        before = max((link.axes[a].before for link in readers), default=0)
        after = 0
        for link in readers:
            axis = link.axes[a]
            last = (
                (shapes[link.index][1 + a] - 1) * axis.stride
                - axis.before
                + axis.dilation * (axis.kernel - 1)
            )
            after = max(after, last + 1 - shapes[index][1 + a])
        found += [before, after]
    return found[0], found[1], found[2], found[3]


def _filled(link: Link) -> tuple[np.ndarray, int]:
    """Weights (taps, channels, outputs) and biases, outputs filled up to lines; and how many lines."""
    if link.weight is None:
        return np.zeros(0, dtype=np.float32), 0
    k, c = link.weight.shape[:2]
    taps = F.pad(link.weight.permute(2, 3, 1, 0).reshape(-1, c, k), (0, -k % 16))
    bias = link.weight.new_zeros(k) if link.bias is None else link.bias
    numbers = torch.cat([taps.flatten(), F.pad(bias, (0, -k % 16))])
    return numbers.detach().numpy().astype(np.float32), -(-k // 16)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@functools.cache
def _kernel() -> Callable[..., None]:
    from convsight.accelerate.chain_kernel import answer

    return answer


@functools.cache
def usable() -> bool:
    """Whether Numba is there, the processor has wide registers, and the kernel answers as torch does."""
    from convsight.accelerate import direct_filter

    if not direct_filter.usable():
        return False
    try:
        return _answers_as_torch()
    except Exception:  # no room to keep what is compiled
        return False


def _answers_as_torch() -> bool:
    """A convolution to each number of lines, with padding and an activation, then a pool."""
    for outputs in (10, 20, 64):
        weight = torch.linspace(-1, 1, outputs * 18).view(outputs, 2, 3, 3)
        bias = torch.linspace(-1, 1, outputs)
        links = [
            Link(0, -1, (Axis(3, 1, 1), Axis(3, 2, 0)), limits(("relu", ())), weight, bias),
            Link(1, 0, (Axis(2, 2, 0), Axis(2, 1, 0)), limits(None)),
        ]
        chain = _laid_out(links, {-1: (2, 6, 9), 0: (outputs, 6, 4), 1: (outputs, 3, 3)})
        picture = torch.linspace(-1, 1, 108).sin().view(1, 2, 6, 9)
        found, _ = chain.run(picture, 1 - picture, chain.whole[None], np.zeros(1, dtype=np.int64), NONE)
        for got, given in zip(found[0], (1 - picture, picture), strict=True):
            maps = torch.relu(F.conv2d(given, weight, bias, (1, 2), (1, 0)))
            if not torch.allclose(got, F.max_pool2d(maps, 2, (2, 1))[0], rtol=1e-4, atol=1e-4):
                return False
    return True


def _floats(count: int) -> np.ndarray:
    """Zeros, the first at the start of a line."""
    return at_lines(4 * count).view(np.float32)
