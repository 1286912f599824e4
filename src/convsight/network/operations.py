"""What is an operation called, which kinds belong to one family, and what are they called in a sentence?

The names are PyTorch's own, as the tape records them: "conv2d" from eager code, "convolution" from exported programs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

SPELLINGS = {
    "iadd": "add", "radd": "add", "imul": "mul", "rmul": "mul", "isub": "sub", "truediv": "div",
    "itruediv": "div", "conv2d_padding": "conv2d",
}  # fmt: skip
CONVOLUTIONS = frozenset({"conv2d", "convolution"})
DECONVOLUTIONS = frozenset({"conv_transpose2d"})
LINEAR = frozenset({"linear", "addmm"})
WEIGHTED = CONVOLUTIONS | DECONVOLUTIONS | LINEAR

RECTIFIERS = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "prelu_kernel", "rrelu", "rrelu_with_noise",
    "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "softplus",
})  # fmt: skip
CLIPPERS = frozenset({"hardtanh", "clamp", "clip", "clamp_min", "threshold"})  # rectifiers for some bounds
GATES = frozenset({"sigmoid", "tanh", "hardsigmoid", "softsign"})
SQUASHERS = GATES | CLIPPERS | {
    "softmax", "log_softmax", "logsigmoid", "log_sigmoid", "glu", "tanhshrink", "hardshrink", "softshrink",
    "sin", "erf",
}  # fmt: skip
NONLINEAR = RECTIFIERS | CLIPPERS | GATES

SPOKEN = {
    "relu": "ReLU", "relu6": "ReLU6", "hardtanh": "ReLU6", "clamp": "ReLU", "clamp_min": "ReLU", "clip": "ReLU",
    "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU", "silu": "SiLU",
    "gelu": "GELU", "mish": "Mish", "hardswish": "hard swish", "softplus": "softplus", "sigmoid": "sigmoid",
    "tanh": "tanh", "hardsigmoid": "hard sigmoid", "softsign": "softsign", "threshold": "threshold",
    "rrelu": "RReLU",
}  # fmt: skip


def is_convolution(kind: str) -> bool:
    """Whether filters slide over the picture or over maps; not so for transposed convolutions."""
    return kind in CONVOLUTIONS


def kind_of(func: Callable) -> str:
    """The plain name of an operation: `aten.relu_.default`, `Tensor.relu_` and `F.relu` are all 'relu'."""
    overload = getattr(func, "_schema", None)
    name = overload.name.split("::")[-1] if overload is not None else getattr(func, "__name__", str(func))
    if name == "__get__":  # a property: x.T, x.shape
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    name = name.strip("_")
    return SPELLINGS.get(name, name)


def is_in_place(func: Callable, args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Whether an operation changes its first argument: x.relu_(), x += y, F.relu(x, inplace=True)."""
    overload = getattr(func, "_schema", None)
    name = overload.name if overload is not None else getattr(func, "__name__", "")
    if name.startswith("__"):
        return name == "__setitem__" or (
            name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")
        )
    if name.endswith("_"):
        return True
    if "inplace" in kwargs:
        return bool(kwargs["inplace"])
    position = _inplace_position(func)
    return position is not None and position < len(args) and bool(args[position])


@functools.cache
def _inplace_position(func: Callable) -> int | None:
    try:
        names = list(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return None
    return names.index("inplace") if "inplace" in names else None
