"""Which nodes does dropout turn off at each epoch, and does every node get the same treatment on average?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor

from convsight.method import Method, knob
from convsight.results import plot
from convsight.results.kinds import Curve, Pictures, Series

LAYERS = (3, 5, 4, 2)  # inputs, two hidden layers (these have dropout), outputs
HIDDEN = tuple(f"{'AB'[layer]}{i + 1}" for layer in range(2) for i in range(LAYERS[1 + layer]))
BLUE, RED, PALE = "#0072B2", "#B3261E", "#d7dbe0"


@dataclass(frozen=True)
class Dropout(Method):
    """Which nodes of a small network are switched off at each epoch, and how often each one is in the long run.

    Each hidden node is off with probability p, independently of the others and anew every epoch. A node that
    is off passes nothing forward and learns nothing; the others have to do its work. Over many epochs every
    node is off for a share p of them, give or take `√(p(1 − p) ÷ epochs)`.

    Inverted dropout, as in `torch.nn.Dropout`: while training, the values of the nodes that stay on are
    multiplied by `1 ÷ (1 − p)`, so that what reaches the next layer is right on average,
    `(1 − p) · x ÷ (1 − p) = x`; afterwards nothing is dropped and nothing is scaled.

    `p` in [0, 0.95]: turned up more nodes are off. `epochs` makes the shares come closer to p. `shown` is how
    many epochs are drawn. `seed` draws other nodes.

    We draw once an epoch, as the lesson tells it; PyTorch draws anew for every picture of every batch.

    Returns Pictures; `values` epochs 9 is 1 where a node was off. The part is the running share of each node
    that was off. Raises InputError for a knob out of range.

    >>> Dropout(epochs=1000)().values.mean().sub(0.5).abs() < 0.02
    tensor(True)
    """

    title = "Dropout: nodes that are off, epoch by epoch"
    kind = Pictures
    source = "Srivastava et al. 2014, JMLR 15; Hinton et al. 2012, arXiv:1207.0580"

    p: float = knob(0.5, "turns more nodes off", low=0.0, high=0.95)
    epochs: int = knob(100, "brings the shares closer to p", unit="epochs", low=1, high=100_000)
    shown: int = knob(4, "draws more epochs", unit="epochs", low=1, high=12)
    seed: int = knob(1, "another seed draws other nodes")

    def compute(self) -> Pictures:
        off = self.masks()
        figure = self._figure(off)
        return Pictures(
            images=plot.as_pixels(figure)[None],
            values=off.float(),
            columns=1,
            caption=self._caption(off),
            notes=(
                f"Nodes that stay on are multiplied by 1 ÷ (1 − p) = {1 / (1 - self.p):.3g} while training, so "
                "that the next layer receives the right amount on average; in use nothing is dropped.",
                "Drawn once an epoch, as the lesson tells it; torch.nn.Dropout draws anew for every picture.",
            ),
            svg=plot.svg(figure),
            parts=(self._running(off),),
        )

    def masks(self) -> Bool[Tensor, "epochs nodes"]:
        """True where a hidden node is off: one draw per epoch and node."""
        generator = torch.Generator().manual_seed(self.seed)
        return torch.rand(self.epochs, len(HIDDEN), generator=generator) < self.p

    def _figure(self, off: Tensor) -> Figure:
        count = min(self.shown, self.epochs)
        columns = min(count, 4)
        rows = -(-count // columns)
        made = plot.figure(max(2.5 * columns, 6.0) + 0.2, 2.65 * rows + 2.2)
        for epoch in range(count):
            row, column = divmod(epoch, columns)
            axes = plot.place(made, 0.1 + 2.5 * column, 0.35 + 2.65 * row, 2.4, 2.1)
            _network(axes, off[epoch].tolist())
            gone = ", ".join(n for n, is_off in zip(HIDDEN, off[epoch].tolist(), strict=True) if is_off)
            axes.set_title(f"epoch {epoch + 1}", fontsize=10.5, loc="left", weight="bold")
            axes.text(0, -0.02, f"off: {gone or 'none'}", transform=axes.transAxes, fontsize=8.5, va="top")
        wide = max(2.5 * columns, 6.0) - 0.75
        self._shares(plot.place(made, 0.7, 2.65 * rows + 0.55, wide, 1.2), off)
        return made

    def _shares(self, axes: Any, off: Tensor) -> None:
        """How often each node was off, with the band where 95% of the shares are expected."""
        shares = off.float().mean(0).tolist()
        spread = 1.96 * (self.p * (1 - self.p) / self.epochs) ** 0.5
        axes.axhspan(max(0.0, self.p - spread), min(1.0, self.p + spread), color="#fbe3d0", zorder=0)
        axes.bar(HIDDEN, shares, color=BLUE, width=0.6)
        axes.axhline(self.p, color="#B34700", linewidth=1.4)
        for i, share in enumerate(shares):
            axes.text(
                i, 0, f"{share:.2f}", ha="center", va="bottom", fontsize=8.5, color="white" if share else RED
            )
        axes.set(
            ylim=(0, max(1.15 * max(shares), 1.05 * (self.p + spread), 0.1)), xlim=(-0.6, len(HIDDEN) - 0.4)
        )
        axes.set_yticks([self.p], [f"p = {self.p:g}"], color="#B34700", fontsize=9)
        name = f"share of {self.epochs:,} epochs in which each node was off (band: 95% of such shares)"
        axes.set_title(name, fontsize=10, loc="left")
        axes.tick_params(length=0)
        for side in ("left", "top", "right"):
            axes.spines[side].set_visible(False)

    def _caption(self, off: Tensor) -> str:
        shares = off.float().mean(0)
        return (
            f"Crossed nodes are off. Over {self.epochs:,} epochs the nodes were off in {float(shares.min()):.0%} "
            f"to {float(shares.max()):.0%} of them; p = {self.p:g} is where all shares go."
        )

    def _running(self, off: Tensor) -> Curve:
        """The share so far, at most 200 points a node."""
        running = off.float().cumsum(0) / torch.arange(1, self.epochs + 1)[:, None]
        at = sorted({round(i) for i in np.geomspace(1, self.epochs, 200)})
        series = [
            Series(name, tuple(at), tuple(running[[i - 1 for i in at], node].tolist()))
            for node, name in enumerate(HIDDEN)
        ]
        return Curve(
            series=(*series, Series("p", (1, self.epochs), (self.p, self.p))),
            x_label="epochs",
            y_label="share of epochs a node was off",
            title="Every node alike in the long run",
        )


def _network(axes: Any, off: list[bool]) -> None:
    """Circles and lines; a node that is off is crossed and its lines are gone."""
    places = [[(x, (n - 1) / 2 - i) for i in range(n)] for x, n in enumerate(LAYERS)]
    first = LAYERS[1]
    gone = [[False] * LAYERS[0], off[:first], off[first:], [False] * LAYERS[3]]
    for layer in range(len(LAYERS) - 1):
        for a, a_off in zip(places[layer], gone[layer], strict=True):
            for b, b_off in zip(places[layer + 1], gone[layer + 1], strict=True):
                cut = a_off or b_off
                colour = "#eceef1" if cut else "#8d98a5"
                axes.plot(*zip(a, b, strict=True), color=colour, linewidth=0.7, zorder=0 if cut else 1)
    for layer, nodes in enumerate(places):
        for i, (place, is_off) in enumerate(zip(nodes, gone[layer], strict=True)):
            hidden = 0 < layer < len(LAYERS) - 1
            _node(axes, place, f"{'AB'[layer - 1]}{i + 1}" if hidden else "", hidden, is_off)
    axes.set(xlim=(-0.3, 3.3), ylim=(-2.4, 2.4))
    axes.axis("off")


def _node(axes: Any, place: tuple[float, float], name: str, hidden: bool, off: bool) -> None:
    x, y = place
    wide, tall = 0.19, 0.29  # the axes are wider than tall per unit
    face = "white" if off else BLUE if hidden else PALE
    axes.add_patch(
        Ellipse(place, 2 * wide, 2 * tall, facecolor=face, edgecolor=PALE if off else face, zorder=3)
    )
    axes.text(
        x, y, name, ha="center", va="center", fontsize=7.5, color="#9aa2ab" if off else "white", zorder=4
    )
    if off:
        for sign in (1, -1):
            axes.plot(
                (x - wide, x + wide), (y - sign * tall, y + sign * tall), color=RED, linewidth=1.6, zorder=5
            )
