"""How do class scores become probabilities that lie between 0 and 1 and add up to 1?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from convsight.errors import InputError
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results import draw, plot
from convsight.results.kinds import Pictures, Table

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#b4bac2"
MOST_DRAWN = 8  # pictures whose bars are drawn; `values` has all
BAR = 0.30  # inches from one bar to the next


@dataclass(frozen=True)
class Softmax(Method):
    """How scores of any size turn into a probability for each class: bars before and after.

    `p_i = exp(z_i ÷ T) ÷ Σ_j exp(z_j ÷ T)`. Every p is above 0 and below 1, their sum is 1, and their order is
    that of the scores z. The largest score is subtracted before exp, which changes nothing in the formula
    and keeps huge scores from overflowing.

    With a network and pictures the scores are the network's; without, they are `logits`, numbers separated by
    blanks or commas. `temperature` T: turned up the probabilities even out, turned down the largest takes
    all. `top` is how many classes are drawn, the most probable first (typed ones stay in their order).

    Returns Pictures; `values` n k float64 are the probabilities of all classes. The part lists score,
    exponential and probability. Raises InputError for scores that are no numbers, for pictures without a
    network (or the reverse), and for a network that predicts positions.

    >>> Softmax(logits="2.0 1.0 0.1")().values.round(decimals=3).tolist()
    [[0.659, 0.242, 0.099]]
    """

    title = "Softmax: from scores to probabilities"
    kind = Pictures
    source = "Bridle 1990, Neurocomputing (NATO ASI F68); temperature: Hinton et al. 2015, arXiv:1503.02531"

    logits: str = knob("2.0 1.0 0.1", "the scores when no network and picture are given")
    temperature: float = knob(1.0, "evens the probabilities out", low=0.01, high=100.0)
    top: int = knob(10, "draws more classes", unit="classes", low=1, high=100)

    def compute(self, net: Classifier | None = None, images: Images | None = None) -> Pictures:
        if (net is None) != (images is None):
            missing = "a network" if net is None else "pictures"
            raise InputError(
                f"softmax takes a network and pictures, or neither and `logits`; {missing} missing"
            )
        if net is not None and net.task != "classify":
            raise InputError(
                f"{net.name} predicts positions ({', '.join(net.classes)}), which have no softmax"
            )
        scores, names = self._scores(net, images)
        chances = probabilities(scores, self.temperature)
        orders = [self._order(row, net) for row in chances]
        figures = [
            self._figure(
                scores[i], chances[i], orders[i], names, None if images is None else images.pixels[i]
            )
            for i in range(min(len(scores), MOST_DRAWN))
        ]
        drawn = torch.stack([plot.as_pixels(figure) for figure in figures])
        return Pictures(
            images=drawn,
            values=chances,
            columns=1,
            tile_px=drawn.shape[2],
            captions=images.ids if images is not None and len(images) > 1 else (),
            caption=_sentence(chances[0], names),
            notes=self._notes(net, scores),
            svg=plot.svg(figures[0]) if len(scores) == 1 else None,
            parts=(self._table(scores[0], chances[0], orders[0], names, net),),
        )

    def _scores(self, net: Any, images: Images | None) -> tuple[Float[Tensor, "n k"], tuple[str, ...]]:
        if net is not None and images is not None:
            if not net.one_class:
                raise InputError(
                    f"{net.name} does not say one class a picture (its task is {net.task!r}), so its scores have no softmax; "
                    "net.probabilities(images) gives what they do have, and softmax(logits=...) takes numbers"
                )
            return net.softmax_scores(net.scores(images)).double(), net.classes
        typed = torch.tensor([_numbers(self.logits)], dtype=torch.float64)
        return typed, tuple(f"class {i + 1}" for i in range(typed.shape[1]))

    def _order(self, chances: Tensor, net: Any) -> list[int]:
        if net is None and len(chances) <= self.top:
            return list(range(len(chances)))
        return chances.argsort(descending=True, stable=True)[: self.top].tolist()

    def _figure(
        self,
        scores: Tensor,
        chances: Tensor,
        order: list[int],
        names: tuple[str, ...],
        picture: Tensor | None,
    ) -> Figure:
        tall = max(BAR * len(order), 0.9 if picture is None else 1.5)
        start = 0.1 if picture is None else 1.85
        made = plot.figure(start + 8.3, tall + 0.75)
        if picture is not None:
            axes = plot.place(made, 0.1, 0.4, 1.6, 1.6)
            axes.imshow(
                draw.rgb(picture), interpolation="nearest" if picture.shape[1] < 100 else "antialiased"
            )
            axes.axis("off")
            axes.set_anchor("NW")
        labels = [_short(names[i]) for i in order]
        height = BAR * len(order)
        left, right = (plot.place(made, start + at, 0.4, 2.6, height) for at in (1.65, 5.1))
        between = plot.place(made, start + 4.3, 0.4, 0.75, height)
        _bars(left, scores[order].tolist(), labels, "score z", [GREY] * len(order), True)
        colours = [ORANGE if i == int(chances.argmax()) else BLUE for i in order]
        _bars(right, chances[order].tolist(), [], "probability p", colours, False)
        right.set_xlim(0, 1.28)
        between.annotate("", (1, 0.5), (0.05, 0.5), arrowprops={"arrowstyle": "-|>", "color": "#4a4a52"})
        between.axis("off")
        warm = "z" if self.temperature == 1 else f"z ÷ {self.temperature:g}"
        between.text(0.5, 0.5 + 0.12 / height, f"exp({warm})", ha="center", va="bottom", fontsize=9)
        between.text(0.5, 0.5 - 0.12 / height, "÷ sum", ha="center", va="top", fontsize=9)
        shown = float(chances[order].sum())
        rest = len(chances) - len(order)
        words = (
            f"sum {shown:.4g}" if not rest else f"sum {shown:.4g}, the other {rest:,} classes {1 - shown:.2g}"
        )
        right.text(
            0, -0.1 / height, words, fontsize=8.5, va="top", transform=right.transAxes, color="#4a4a52"
        )
        return made

    def _notes(self, net: Any, scores: Tensor) -> tuple[str, ...]:
        lines = ["Adding the same number to every score changes no probability; doubling all scores does."]
        if net is not None:
            lines.append("A high probability is not a promise: networks are often surer than they are right.")
        if float((scores.max(1).values - scores.min(1).values).max()) / self.temperature > 700:
            lines.append("The scores lie so far apart that some probabilities round to 0 in 64-bit numbers.")
        if len(scores) > MOST_DRAWN:
            lines.append(f"Drawn are the first {MOST_DRAWN} of {len(scores):,} pictures; `values` has all.")
        return tuple(lines)

    def _table(
        self, scores: Tensor, chances: Tensor, order: list[int], names: tuple[str, ...], net: Any
    ) -> Table:
        weights = ((scores - scores.max()) / self.temperature).exp()
        rows: list[tuple] = [
            (_short(names[i]), float(scores[i]), float(weights[i]), float(chances[i])) for i in order
        ]
        if len(order) == len(scores):
            rows.append(("sum", "", float(weights.sum()), float(chances.sum())))
        columns = ("class", "score z", "exp((z − largest z) ÷ T)", "probability")
        return Table(
            columns=columns,
            rows=tuple(rows),
            title="The numbers" if net is None else "The numbers of the first picture",
        )


def probabilities(scores: Float[Tensor, "n k"], temperature: float = 1.0) -> Float[Tensor, "n k"]:
    """Softmax of each row in 64 bits; the row's largest score is subtracted first, so nothing overflows."""
    weights = ((scores.double() - scores.double().max(1, keepdim=True).values) / temperature).exp()
    return weights / weights.sum(1, keepdim=True)


def _numbers(text: str) -> list[float]:
    words = text.replace(",", " ").replace("−", "-").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise InputError(f'logits are numbers such as "2.0 1.0 0.1"; {error}') from None
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        raise InputError(f'logits are two or more finite numbers such as "2.0 1.0 0.1", not {text!r}')
    return numbers


def _sentence(chances: Tensor, names: tuple[str, ...]) -> str:
    best = int(chances.argmax())
    return (
        f"{names[best]} has the largest score and so the largest probability, {float(chances[best]):.3g}; "
        f"the {len(chances):,} probabilities add up to 1."
    )


def _short(name: str) -> str:
    """The first of several names ("tabby, tabby cat"), at most 20 letters."""
    name = name if len(name) <= 20 else name.split(",")[0]
    return name if len(name) <= 20 else name[:19] + "…"


def _bars(
    axes: Any, values: list[float], labels: list[str], name: str, colours: list[str], scores: bool
) -> None:
    places = range(len(values))
    axes.barh(places, values, color=colours, height=0.72)
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = 0.25 * ((high - low) or 1.0)
    axes.set(ylim=(len(values) - 0.5, -0.5), xlim=(low - room * (low < 0), high + room), xticks=[])
    axes.set_yticks(places if labels else [], labels, fontsize=9)
    axes.tick_params(length=0)
    for at, value in zip(places, values, strict=True):
        text = (plot.cell_text(value) if scores else _chance(value)).replace("-", "−")
        side = "right" if value < 0 else "left"
        axes.text(
            value + (0.02 if value >= 0 else -0.02) * (high - low), at, text, va="center", ha=side, fontsize=9
        )
    axes.axvline(0, color="#68686f", linewidth=0.8)
    axes.set_title(name, fontsize=10, loc="left", weight="bold")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _chance(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.2g}"
