"""Which rule does each layer get? The mixtures that people use, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convsight.errors import check_known
from convsight.gradients.relevance.rules import (
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Rule,
    Weighted,
    WSquare,
    ZBox,
)

ZPlus = AlphaBeta(1.0)


@dataclass(frozen=True)
class Composite:
    """The rule of convolutions, of dense layers, and of the layers that see the picture itself (None: as the others)."""

    convolution: Rule
    dense: Rule
    first: Rule | None = None

    def rule_of(self, layer: Weighted) -> Rule:
        if layer.bounds is not None and self.first is not None:
            return self.first
        return self.convolution if layer.is_convolution else self.dense


@dataclass(frozen=True)
class Strengths:
    """The numbers that rules take."""

    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0


def _same(rule: Callable[[Strengths], Rule]) -> Callable[[Strengths], Composite]:
    return lambda a: Composite(rule(a), rule(a))


COMPOSITES: dict[str, Callable[[Strengths], Composite]] = {
    "epsilon-plus-flat": lambda a: Composite(ZPlus, Epsilon(a.epsilon), Flat()),
    "epsilon-plus": lambda a: Composite(ZPlus, Epsilon(a.epsilon)),
    "epsilon-gamma-box": lambda a: Composite(Gamma(a.gamma), Epsilon(a.epsilon), ZBox()),
    "epsilon-alpha-beta": lambda a: Composite(AlphaBeta(a.alpha), Epsilon(a.epsilon)),
    "epsilon": _same(lambda a: Epsilon(a.epsilon)),
    "gamma": _same(lambda a: Gamma(a.gamma)),
    "alpha-beta": _same(lambda a: AlphaBeta(a.alpha)),
    "z-plus": _same(lambda _: ZPlus),
    "flat": _same(lambda _: Flat()),
    "w-square": _same(lambda _: WSquare()),
}
FIRST: dict[str, Rule | None] = {
    "default": None, "same": None, "flat": Flat(), "w-square": WSquare(), "z-box": ZBox(),
}  # fmt: skip


def composite(rule: str, first: str = "default", strengths: Strengths = Strengths()) -> Composite:
    """The mixture called `rule`, and the rule that `first` says for the layers that see the picture.

    `first`: "default" is what the mixture says, "same" the rule of all other layers.

    >>> composite("epsilon-plus-flat").first
    Flat()
    >>> composite("epsilon", first="z-box").first
    ZBox()
    """
    check_known(rule, COMPOSITES, f"no rule {rule!r}")
    check_known(first, FIRST, f"no rule {first!r} for the first layer")
    made = COMPOSITES[rule](strengths)
    if first == "default":
        return made
    return Composite(made.convolution, made.dense, FIRST[first])
