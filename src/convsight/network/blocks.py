"""Into which familiar blocks does a network fall: convolutions, pools, repeated units, linear layers?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from torch import nn

from convsight.network.classifier import Classifier
from convsight.network.graph import Node
from convsight.network.layers import Layer
from convsight.network.operations import LINEAR, SPOKEN, WEIGHTED

GLOBAL = {"mean": "global\naverage", "amax": "global\nmax", "max": "global\nmax"}
MOST_BLOCKS = 30  # a network with more blocks is drawn by stage instead


@dataclass(frozen=True)
class Block:
    """One box of the drawing: what it does, the shape that leaves it, and how many like it follow each other."""

    kind: str  # input, convolution, unit, pool, linear, softmax or other
    title: str
    shape: tuple[int, ...]  # c h w, or d
    count: int = 1
    weighted: int = 0  # layers with weights in all of them
    skip: bool = False
    activation: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the maps that leave it; (1, 1) for a vector."""
        return (self.shape[1], self.shape[2]) if len(self.shape) == 3 else (1, 1)

    @property
    def channels(self) -> int:
        return self.shape[0] if len(self.shape) != 2 else self.shape[1]

    @property
    def label(self) -> str:
        """The shape as people write it, h×w×c."""
        if len(self.shape) == 3:
            return f"{self.shape[1]}×{self.shape[2]}\n×{self.shape[0]}"
        return "×".join(map(str, self.shape))


def blocks(net: Classifier, group: str = "auto") -> list[Block]:
    """The network as boxes in order, equal neighbours merged.

    group: "layers" never looks for repeated units; "stages" puts everything of one map size together; "auto"
    finds units (residual blocks and the like), and draws by stage where that leaves more than 30 boxes.
    """
    units = [] if group == "layers" else unit_paths(net)
    found = _merged(_read(net, units))
    if group == "stages" or (group == "auto" and len(found) > MOST_BLOCKS):
        found = _merged(list(_stages(found)))
    first = Block("input", "input", (net.channels, *net.input_size))
    squash = {"classify": "softmax", "binary": "sigmoid", "multilabel": "sigmoid"}.get(net.task)
    own = net.reader.ending.kind  # its own softmax or sigmoid is among the layers
    last = [Block("softmax", squash, (len(net.classes),))] if squash and not own else []
    return [first, *found, *last]


def unit_paths(net: Classifier) -> list[str]:
    """Modules that are repeated units: two or more layers with weights, at most one change of map size.

    Containers of several units (a stage, an encoder) are no units, nor is the module that holds the whole
    network or a plain `Sequential`.
    """
    nodes = [node for node in net.layers.nodes if node.kind in WEIGHTED]
    inside = {}
    for path, module in net.module.named_modules():
        own = [node for node in nodes if _within(node.path, path)]
        sizes = {node.shape[2:] for node in own if node.kind in WEIGHTED - LINEAR and node.shape[2] > 1}
        plain = type(module) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        vectors = all(len(node.shape) == 2 for node in own)
        if path and not plain and not vectors and 2 <= len(own) < len(nodes) and len(sizes) <= 2:
            inside[path] = type(module)
    opened = {kind for path, kind in inside.items() if _holds_several(path, inside)}
    closed = [path for path, kind in inside.items() if kind not in opened]
    return [path for path in closed if not any(_within(path, other) for other in closed if other != path)]


def _holds_several(path: str, candidates: dict[str, type]) -> bool:
    below = [kind for other, kind in candidates.items() if other != path and _within(other, path)]
    return len(below) != len(set(below))


def _within(path: str, container: str) -> bool:
    return path == container or path.startswith(f"{container}.")


def _read(net: Classifier, units: Sequence[str]) -> list[Block]:
    """One block per unit call or drawn layer, in order."""
    found: list[Block] = []
    steps = zip(net.layers.values(), net.layers.nodes, strict=True)
    for unit, members in groupby(steps, key=lambda step: _unit_of(step[1], units)):
        if unit:
            found.append(_unit(net, unit, list(members)))
            continue
        for layer, node in members:
            fresh = _leaf(net, layer, node, found)
            found += [fresh] if fresh else []
    return found


def _unit_of(node: Node, units: Sequence[str]) -> str:
    """The unit that an operation belongs to, "" for none."""
    return next((path for path in units if _within(node.path, path)), "")


def _unit(net: Classifier, path: str, members: list[tuple[Layer, Node]]) -> Block:
    kinds = [layer.kind for layer, _ in members]
    skip = any(node.kind == "add" and len(set(node.parents)) > 1 for _, node in members)
    weighted = sum(kind in WEIGHTED for kind in kinds)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "\n", type(net.module.get_submodule(path)).__name__.strip("_"))
    linear = [layer.output_shape for layer, _ in members if layer.kind in LINEAR]
    shape = _channels_first(members[-1][0].output_shape, linear)
    activation = next((SPOKEN[kind] for kind in kinds if kind in SPOKEN), "")
    return Block("unit", name, shape, weighted=weighted, skip=skip, activation=activation)


def _channels_first(shape: tuple[int, ...], linear: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """c h w also where linear layers work on maps h w c, as in Swin."""
    last = any(len(shape) == len(s) == 3 and shape[:2] == s[:2] and shape[1:] != s[:2] for s in linear)
    return (shape[2], *shape[:2]) if last else shape


def _leaf(net: Classifier, layer: Layer, node: Node, before: list[Block]) -> Block | None:
    """The block of a layer outside any unit; None if the layer belongs to the block before."""
    came_from = _parent_shape(net, node)
    if layer.kind in WEIGHTED:
        return _weighted(net, layer)
    if layer.kind in SPOKEN and before and before[-1].kind in ("convolution", "linear"):
        before[-1] = replace(before[-1], activation=SPOKEN[layer.kind])
    elif layer.kind == "cat" and not all(net.layers.nodes[i].kind == "getitem" for i in node.parents):
        _join(before, layer.output_shape)
    elif "pool" in layer.kind or (layer.kind in GLOBAL and len(came_from) == 3):
        return None if layer.output_shape == came_from else _pool(layer, node)
    elif layer.kind == "add" and before:
        before[-1] = replace(before[-1], skip=True)
    elif layer.kind in ("interpolate", "upsample", "pixel_shuffle"):
        return Block("other", layer.kind, layer.output_shape)
    return None


def _parent_shape(net: Classifier, node: Node) -> tuple[int, ...]:
    parent = max(node.parents, default=-1)
    return net.layers.nodes[parent].shape[1:] if parent >= 0 else (net.channels, *net.input_size)


def _weighted(net: Classifier, layer: Layer) -> Block:
    if layer.kind in LINEAR:
        name = "fully\nconnected" if len(layer.output_shape) == 1 else "linear"
        return Block("linear", name, _channels_first(layer.output_shape, [layer.output_shape]), weighted=1)
    kernel = "×".join(map(str, net.layers.weight(layer.name).shape[2:]))
    return Block("convolution", f"{kernel}\nconv", layer.output_shape, weighted=1)


def _pool(layer: Layer, node: Node) -> Block:
    name = "max" if "max" in layer.kind else "average"
    if layer.kind in GLOBAL:
        name = GLOBAL[layer.kind]
    elif len(layer.output_shape) < 3 or max(layer.output_shape[1:]) == 1:
        name = f"global\n{name}"
    elif not layer.kind.startswith("adaptive"):
        window = node.args[1] if len(node.args) > 1 else node.kwargs.get("kernel_size", "")
        sides = [*window] * (3 - len(window)) if isinstance(window, (tuple, list)) else [window] * 2
        name = f"{name}\n" + "×".join(map(str, sides[:2])) if window else name
    return Block("pool", name, layer.output_shape)


def _join(before: list[Block], shape: tuple[int, ...]) -> None:
    """A concatenation: the blocks that it joins become one block with the shape of the whole, if they are alike."""
    if not before:
        return
    while len(before) > 1 and all(b.kind == "pool" and len(b.shape) == 1 for b in before[-2:]):
        second, first = before.pop(), before.pop()
        before.append(replace(first, title=f"{first.title}\n+ {second.title.split()[-1]}"))
    last = before.pop()
    while before and all(getattr(before[-1], a) == getattr(last, a) for a in ("kind", "title", "size")):
        like = before.pop()
        last = replace(last, count=last.count + like.count, weighted=last.weighted + like.weighted)
    before.append(replace(last, shape=shape))


def _merged(found: list[Block]) -> list[Block]:
    """Equal neighbours as one block with a count; among units only name and shape have to be equal."""

    def alike(block: Block) -> tuple:
        return block.kind, block.title, block.shape, block.activation if block.kind != "unit" else ""

    merged = []
    for _, same in groupby(found, key=alike):
        group = list(same)
        count, weighted = sum(b.count for b in group), sum(b.weighted for b in group)
        skip = any(b.skip for b in group)
        merged.append(replace(group[-1], count=count, weighted=weighted, skip=skip))
    return merged


def _stages(found: list[Block]) -> Iterator[Block]:
    """Convolutions and units that follow each other and have one map size as one block."""

    def stage_size(block: Block) -> tuple[int, int] | None:
        is_step = block.kind in ("convolution", "unit") and len(block.shape) == 3
        return block.size if is_step else None

    for size, same in groupby(found, key=stage_size):
        steps = list(same)
        if size is None:
            yield from steps
            continue
        weighted, skip = sum(b.weighted for b in steps), any(b.skip for b in steps)
        yield replace(steps[-1], kind="unit", title="stage", count=1, weighted=weighted, skip=skip)
