"""Which operations of a network are ReLUs or stand in for one, however they are written?

The three rules agree going forward and differ in what a rectifier hands back of the signal R that arrives at
its output, x being its input and f' its own slope (for a ReLU 1 where x > 0):

    gradient    R · f'(x)
    deconvnet   R · 1[R > 0]                        Zeiler & Fergus 2013, arXiv:1311.2901
    guided      R · f'(x) · 1[x > 0] · 1[R > 0]     Springenberg et al. 2014, arXiv:1412.6806

The papers define them for the ReLU; here every stand-in obeys the same line: ReLU6, `hardtanh(0, m)` and
`clamp(0, m)` (whose f' is 0 above m), LeakyReLU, PReLU, RReLU, ELU, SELU, CELU, GELU, SiLU, Mish, Hardswish
and Softplus. Gates and squashers (sigmoid, tanh, softmax, hardsigmoid) keep their derivative under each rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from convsight.network.operations import RECTIFIERS, SQUASHERS

NAMES = {"deconvnet": "the deconvnet", "guided": "guided backpropagation"}


def rectified(kind: str, args: tuple, kwargs: Mapping[str, Any]) -> Tensor | None:
    """The tensor that an operation rectifies, or None if it is no rectifier.

    >>> rectified("clamp", (torch.ones(2),), {"min": 0}) is None
    False
    >>> rectified("hardtanh", (torch.ones(2), -1.0, 1.0), {}) is None
    True
    """
    first = _argument(args, kwargs, 0, "input", "self", "condition")
    if kind == "where":  # where(x > 0, x, 0), and where(x <= 0, 0, x) of decomposed programs
        mask, other = first, _argument(args, kwargs, 2, "other")
        chosen = _argument(args, kwargs, 1, "input", "self")
        if _is_zero(chosen) and isinstance(mask, Tensor) and mask.dtype == torch.bool:
            mask, chosen, other = ~mask, other, chosen
        return chosen if _is_zero(other) and _is_positive_mask(mask, chosen) else None
    if not isinstance(first, Tensor):
        return None
    if kind in RECTIFIERS:
        return first
    second = _argument(args, kwargs, 1, "min", "min_val", "threshold", "other")
    if kind in ("clamp", "clip", "clamp_min", "hardtanh"):
        return first if _is_zero(second) else None
    if kind == "threshold":
        return first if _is_zero(second) and _is_zero(_argument(args, kwargs, 2, "value")) else None
    if kind in ("maximum", "max", "fmax") and isinstance(second, Tensor):
        return first if _is_zero(second) else second if _is_zero(first) else None
    if kind == "mul":  # x * (x > 0)
        pairs = ((first, second), (second, first))
        return next((x for x, mask in pairs if _is_positive_mask(mask, x)), None)
    return None


def _argument(args: tuple, kwargs: Mapping[str, Any], position: int, *names: str) -> Any:
    if position < len(args):
        return args[position]
    return next((kwargs[name] for name in names if name in kwargs), None)


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.requires_grad and value.numel() > 0 and not bool(value.any())
    return isinstance(value, (int, float)) and value == 0


def _is_positive_mask(mask: Any, x: Any) -> bool:
    """Whether `mask` is `x > 0` (or `x >= 0`), as a bool or as zeros and ones."""
    if not isinstance(mask, Tensor) or not isinstance(x, Tensor) or mask is x or mask.shape != x.shape:
        return False
    if mask.requires_grad:
        return False
    return torch.equal(mask, (x > 0).to(mask.dtype)) or torch.equal(mask, (x >= 0).to(mask.dtype))


@dataclass
class Rectifiers:
    """Computes the rectifiers of a pass by one rule and counts them: what `net.replace_ops` is given."""

    rule: str
    met: Counter[str] = field(default_factory=Counter)  # rectifiers in the network, by kind
    kept: Counter[str] = field(default_factory=Counter)  # other activations, whose derivative stays as it is
    passed: int = 0  # rectifiers that a signal came back through

    def __call__(self, kind: str, func: Callable, args: tuple, kwargs: Mapping[str, Any]) -> Any:
        x = rectified(kind, args, kwargs)
        if x is None:
            self.kept.update([kind] if kind in SQUASHERS else [])
            return NotImplemented
        self.met[kind] += 1
        if self.rule == "guided":
            open_ = x > 0  # before the operation, which may work in place
            value = func(*args, **kwargs)
            return _Backward.apply(value, value.detach(), open_, self)
        with torch.no_grad():
            value = func(*args, **kwargs)
        return _Backward.apply(x, value, None, self)


class _Backward(torch.autograd.Function):
    """Goes on with `value`; hands the positive part of the signal back to `source`, where it is open."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, value: Tensor, open_: Tensor | None, count: Rectifiers) -> Tensor:
        ctx.save_for_backward(open_)
        ctx.count = count
        return value.clone()  # a network may change it in place, and must not change `source` with it

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None, None]:
        (open_,) = ctx.saved_tensors
        ctx.count.passed += 1
        positive = signals[0].clamp(min=0)
        return positive if open_ is None else positive.masked_fill(~open_, 0), None, None, None
