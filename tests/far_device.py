"""How can a machine without a GPU show that every tensor is brought to where the network is?

A `Far` tensor holds ordinary numbers and says that they are on another device ("meta", the one that every build of
PyTorch knows). As on a GPU, operations refuse to mix it with tensors that are here, and NumPy cannot see it; what a
GPU allows (a number, an index, a copy) is allowed. As on Apple's, there are no float64 numbers unless asked for. Inside of `far_device()`, `tensor.to("meta")` and
`torch.zeros(..., device="meta")` make such tensors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

FAR = torch.device("meta")
_knows_float64 = False
COPIES = ("aten::copy_", "aten::_to_copy")
INDEXED = (
    "aten::index",
    "aten::index_put",
    "aten::index_put_",
    "aten::_index_put_impl_",
    "aten::_unsafe_index",
)


class Far(Tensor):
    """Numbers that are elsewhere; `held` are the ones that they are here."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Far:
        far = Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=FAR, requires_grad=False,
        )  # fmt: skip
        far.held = held
        return far

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert a tensor on a far device to numpy; use Tensor.cpu() first")

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __format__(self, spec: str) -> str:
        return format(self.detach().cpu() if self.ndim else self.item(), spec)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Far({self.held})"


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


@contextlib.contextmanager
def far_device(float64: bool = False) -> Iterator[torch.device]:
    """Inside, tensors can be brought to the device that is yielded, which may know `float64`."""
    global _knows_float64
    _knows_float64 = float64
    with _Mode(), mock.patch("torch.tensor", _from_numbers(torch.tensor)):
        yield FAR


def _from_numbers(make: Any) -> Any:
    """torch.tensor makes a tensor where no mode sees it: here first, then there."""

    def tensor(data: Any, *, device: Any = None, **more: Any) -> Tensor:
        made = make(data, **more)
        return made if device is None else made.to(device)

    return tensor


def _run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    name = func._schema.name
    given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    far, asked = any(isinstance(t, Far) for t in given), kwargs.get("device")
    to = asked is not None and torch.device(asked) == FAR
    if far and not to and name not in COPIES:
        _refuse_mixed(name, args, given)
    if to and kwargs.get("generator") is not None:
        raise RuntimeError("Expected a generator of the far device, but found one of the CPU")
    known = {id(t.held): t for t in given if isinstance(t, Far)}
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu") if to else torch.device(asked)}
    with torch.utils._python_dispatch._disable_current_modes():
        found = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    goes = to if asked is not None else isinstance(args[0], Far) if name == COPIES[0] else far

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, Far):
            return value
        if id(value) in known:
            return known[id(value)]
        if not goes:
            return next((t for t in given if t is value), value)
        if value.dtype == torch.float64 and not _knows_float64:
            raise TypeError(f"Cannot convert a far tensor to float64 ({name}): that device does not know it")
        return Far(value)

    return tree_map(placed, found)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, Far) else value


def _refuse_mixed(name: str, args: tuple, given: list[Tensor]) -> None:
    """A tensor here beside one there is an error, unless it is a number, or an index."""
    indices = [t for t in tree_leaves(args[1]) if isinstance(t, Tensor)] if name in INDEXED else []
    for tensor in given:
        if not isinstance(tensor, Far) and tensor.ndim and not any(tensor is index for index in indices):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found a tensor {tuple(tensor.shape)} of the CPU "
                f"beside one that is far ({name})"
            )
