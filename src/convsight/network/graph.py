"""Which operations does a network perform, in which order, and what does each one's value be called?

A `Tape` watches a forward pass at the level of torch functions, so `F.relu`, an in-place `nn.ReLU`, a
module that is called twice, `x + y` and the operators of an exported program are all seen alike; nothing
has to be traced symbolically and nothing is left behind in the network.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convsight.network.operations import is_in_place, kind_of

# operations that move or copy a tensor without computing anything; they are no layers
SILENT = {
    "contiguous", "clone", "detach", "to", "type", "float", "half", "double", "bfloat16", "cpu", "cuda",
    "requires_grad_", "set_", "type_as", "expand_as", "alias", "lift_fresh_copy",
    "to_copy", "assert_tensor_metadata", "data", "grad", "rand_like", "zeros_like", "ones_like", "new_zeros",
}  # fmt: skip


# What turns numbers into Python values, on which a network may decide what to run next.
DECIDING = frozenset(
    {"__bool__", "__int__", "__float__", "__index__", "is_nonzero", "item", "tolist", "equal"}
)


@dataclass(frozen=True)
class Ref:
    """Replaces an operation's argument that was the value of node `index` (-1: the input picture)."""

    index: int


@dataclass(frozen=True)
class Node:
    """One operation of one forward pass."""

    index: int
    kind: str  # the operation's own name: conv2d, relu, add
    path: str  # the module whose forward called it, "" for the network itself
    call: int  # which call of that module, from 1
    func: Callable
    args: tuple
    kwargs: Mapping[str, Any]
    shape: tuple[int, ...]  # of its value, the batch axis included
    in_place: bool
    name: str = ""

    @property
    def parents(self) -> tuple[int, ...]:
        return tuple(r.index for r in _leaves((self.args, tuple(self.kwargs.values()))) if isinstance(r, Ref))


Key = tuple[str, str, int]  # path, kind, and count of that kind in that path so far; the same in every pass


@dataclass
class Tape(TorchFunctionMode):
    """Records (and may replace) the value of every operation while a network runs under it.

    `on_value(key, node, value)` is called after each operation of `watched` and returns the value to go on.
    `replace_op(kind, func, args, kwargs)` may compute an operation in another way, or return NotImplemented.
    """

    watched: Collection[Key] = ()
    on_value: Callable[[Key, Node, Tensor], Tensor] | None = None
    replace_op: Callable[..., Any] | None = None
    nodes: list[Node] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    outputs: dict[str, list[int]] = field(default_factory=dict)  # module path -> node of each call's output
    decides: bool = False  # whether the network read a number that depends on the picture

    def __post_init__(self) -> None:
        super().__init__()
        self._index_of: dict[int, tuple[int, weakref.ref[Tensor]]] = {}
        self._later: dict[int, weakref.ref[Tensor]] = {}
        # truth values and whole numbers computed from the picture
        self._answers: dict[int, weakref.ref[Tensor]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._calls: Counter[str] = Counter()
        self._stack: list[tuple[str, int]] = [("", 1)]

    @contextlib.contextmanager
    def watch(self, module: nn.Module, picture: Tensor) -> Iterator[Tape]:
        """Follow `picture` through `module`; every hook is removed again, also after an exception."""
        self._remember(picture, -1)
        handles = []
        try:
            for path, child in module.named_modules():
                if path and not isinstance(child, torch.jit.ScriptModule):
                    handles.append(child.register_forward_pre_hook(self._enter(path)))
                    # also after an exception, which the network may catch and continue
                    handles.append(child.register_forward_hook(self._leave(path), always_call=True))
            with self:
                yield self
        finally:
            for handle in handles:
                handle.remove()
            self._index_of.clear()
            self._answers.clear()
            self._later.clear()

    def _enter(self, path: str) -> Callable:
        def hook(module: nn.Module, args: Any) -> None:
            self._calls[path] += 1
            self._stack.append((path, self._calls[path]))

        return hook

    def _leave(self, path: str) -> Callable:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            self._stack.pop()
            first = next(iter(tensors_in(output)), None)
            index = None if first is None or self._is_later_part(first) else self.index_of(first)
            self.outputs.setdefault(path, []).append(-1 if index is None else index)

        return hook

    @property
    def where(self) -> str:
        """The module whose forward is running, "" for the network itself."""
        return self._stack[-1][0]

    def index_of(self, tensor: Tensor) -> int | None:
        """The node whose value this tensor is (-1: the picture), None if it does not depend on the picture."""
        index, alive = self._index_of.get(id(tensor), (None, None))
        return index if alive is not None and alive() is tensor else None

    def _is_later_part(self, tensor: Tensor) -> bool:
        """Whether it is an operation's second or later output; a layer's name stands for the first one only."""
        alive = self._later.get(id(tensor))
        return alive is not None and alive() is tensor

    def _is_answer(self, tensor: Tensor) -> bool:
        alive = self._answers.get(id(tensor))
        return alive is not None and alive() is tensor

    def _as_answer(self, value: Any) -> Any:
        for tensor in tensors_in(value):
            self._answers[id(tensor)] = weakref.ref(tensor)
        return value

    def _remember(self, tensor: Tensor, index: int) -> None:
        self._index_of[id(tensor)] = (index, weakref.ref(tensor))

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = tensors_in((args, kwargs))
        sources = [index for t in inputs if (index := self.index_of(t)) is not None]
        answers = any(self._is_answer(t) for t in inputs)
        if getattr(func, "__name__", "") in DECIDING:
            self.decides |= bool(sources) or answers
        if not sources:
            value = func(*args, **kwargs)
            return self._as_answer(value) if answers else value
        kind = kind_of(func)
        if kind in SILENT:
            value = func(*args, **kwargs)
            for tensor in tensors_in(value):
                self._remember(tensor, sources[0])
            return value
        return self._operation(kind, func, args, kwargs)

    def _operation(self, kind: str, func: Callable, args: tuple, kwargs: dict) -> Any:
        path, call = self._stack[-1]
        key = (path, kind, self._counts[path, kind] + 1)
        refs = self._refs(args), self._refs(kwargs)
        in_place = is_in_place(func, args, kwargs)
        original = args[0] if args and isinstance(args[0], Tensor) else None
        if in_place and original is not None and (key in self.watched or self.replace_op is not None):
            # a recorded value must not change with later in-place operations
            args = (original.clone(), *args[1:])
            if (index := self.index_of(original)) is not None:
                self._remember(args[0], index)
        value = self.replace_op(kind, func, args, kwargs) if self.replace_op else NotImplemented
        if value is NotImplemented:
            value = func(*args, **kwargs)
        if kind == "setitem":  # y[:, 1:] = x returns nothing; its value is y
            value = args[0]
        tensors = tensors_in(value)
        if not tensors or not tensors[0].is_floating_point():
            return self._as_answer(value)
        self._counts[path, kind] += 1
        shape = tuple(tensors[0].shape)
        node = Node(len(self.nodes), kind, path, call, func, *refs, shape, in_place)
        self.nodes.append(node)
        self.keys.append(key)
        if self.on_value is not None and key in self.watched:
            value = with_first(value, self.on_value(key, node, tensors[0]))
        if in_place and original is not None and args[0] is not original:
            # the network may go on using the tensor that it changed in place
            value = original.copy_(tensors_in(value)[0])
        for position, tensor in enumerate(tensors_in(value)):
            self._remember(tensor, node.index)
            if position:
                self._later[id(tensor)] = weakref.ref(tensor)
        return value

    def _refs(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            index = self.index_of(value)
            return value if index is None else Ref(index)
        if isinstance(value, Mapping):
            return {k: self._refs(v) for k, v in value.items()}
        if isinstance(value, (tuple, list)) and not isinstance(value, torch.Size):
            return type(value)(self._refs(v) for v in value) if type(value) in (tuple, list) else value
        return value


def with_first(value: Any, new: Tensor) -> Any:
    """`value`, which is a tensor or holds some, with its first tensor exchanged for `new`."""
    if isinstance(value, Tensor):
        return new
    rest = list(value)[1:]
    return (new, *rest) if type(value) is not list else [new, *rest]


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in a value, in nested lists, tuples and dictionaries too."""
    return [t for t in _leaves(value) if isinstance(t, Tensor)]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def name_nodes(tape: Tape) -> tuple[list[Node], dict[str, int]]:
    """Names for the nodes of one pass, and aliases for the outputs of container modules.

    An operation that is alone in its module has the module's name; one in the body of a larger module is
    called `path.kind`. A name that would occur several times is numbered from one: `relu#1`, `relu#2`.
    """
    last_of_call = {(node.path, node.call): node.index for node in tape.nodes}
    has_children = {parent for path in tape.outputs for parent in _ancestors(path)}
    bases = []
    for node in tape.nodes:
        last = last_of_call[node.path, node.call] == node.index
        own = bool(node.path) and last and node.path not in has_children
        bases.append(node.path if own else f"{node.path}.{node.kind}" if node.path else node.kind)
    total, seen = Counter(bases), Counter()
    named, aliases = [], {}
    for node, base in zip(tape.nodes, bases, strict=True):
        seen[base] += 1
        name = f"{base}#{seen[base]}" if total[base] > 1 else base
        named.append(replace(node, name=name))
    taken = {node.name for node in named} | set(total)
    for path, indices in tape.outputs.items():
        if path in taken:
            continue
        for call, index in enumerate(indices, 1):
            if index >= 0:
                aliases[f"{path}#{call}" if len(indices) > 1 else path] = index
    return named, aliases


def _ancestors(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path
