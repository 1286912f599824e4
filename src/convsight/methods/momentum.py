"""Why does a step that remembers the steps before it get over a hump where plain gradient descent stops?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy import ndarray
from torch import Tensor

from convsight.method import Method, knob
from convsight.results import plot
from convsight.results.draw import number
from convsight.results.kinds import Curve, Pictures, Series

# The landscape: a bowl TILT·x², with a shallow well (a local minimum) and a deep one (the global minimum).
TILT, DEPTHS, CENTRES, WIDTHS = 0.06, (0.6, 1.2), (-1.5, 1.4), (0.75, 0.9)
LEFT, RIGHT = -4.0, 3.4
MOST_FRAMES = 32
REMEMBERED = 10  # how many of the past steps are drawn as bars
PLAIN, WITH = "#D55E00", "#0072B2"


@dataclass(frozen=True)
class Momentum(Method):
    """How momentum carries gradient descent over a hump: an animated ball, plain beside momentum.

    Plain gradient descent moves by `STEP(n) = −lr · slope(x_n)` alone. Momentum moves by
    `STEP(n) + β·STEP(n−1) + β²·STEP(n−2) + …`: a step made long ago matters less than the last one. At the
    bottom of the local minimum the slope is zero, and only the remembered steps still push.

    This sum is what `torch.optim.SGD(momentum=β)` does (Polyak's heavy ball, zero dampening, no Nesterov):
    its velocity is `v ← β·v + slope`, and unrolling it gives the sum.

    `beta` in [0, 1): turned up, older steps count more and the ball rolls farther, also past the global
    minimum. `lr` is the length of a step per unit of slope. `steps` and `start` (position on the landscape)
    choose how long and from where.

    Returns Pictures with `fps` (`.save("ball.gif")` animates them); `values` 2 (steps + 1) are the
    positions, plain first. Parts: the height over the steps, and where each β ends. Needs nothing but its
    knobs; raises InputError for a knob out of range.

    >>> plain, rolling = Momentum(beta=0.9, steps=60).path()
    >>> bool(plain[-1] < -1) and bool(rolling[-1] > 1)         # stuck in the local minimum; in the global one
    True
    """

    title = "Momentum: over the hump"
    kind = Pictures
    source = "Polyak 1964, USSR Comp. Math. 4(5); Sutskever et al. 2013, ICML"

    beta: float = knob(0.9, "makes older steps count more, and the ball roll farther", low=0.0, high=0.999)
    lr: float = knob(0.12, "makes each step longer", low=0.001, high=2.0)
    steps: int = knob(60, "lets the ball roll longer", unit="steps", low=1, high=1000)
    start: float = knob(-3.6, "where the ball is put down", low=LEFT, high=RIGHT)
    fps: float = knob(6.0, "plays the animation faster", unit="frames/s", low=0.5, high=30.0)

    def compute(self) -> Pictures:
        plain, rolling = self.path()
        shown = sorted({round(i) for i in np.linspace(0, self.steps, min(self.steps + 1, MOST_FRAMES))})
        frames = torch.stack(_frames(plain, rolling, self, shown))
        return Pictures(
            images=frames,
            values=torch.stack([plain, rolling]),
            columns=2,
            fps=self.fps,
            tile_px=frames.shape[2],
            caption=_outcome(plain, rolling, self.beta),
            notes=(
                f"move of momentum = STEP(n) + β·STEP(n−1) + β²·STEP(n−2) + …, β = {self.beta:g}; the bars are "
                "these terms. torch.optim.SGD(momentum=β) walks exactly this path.",
                "One hill in one dimension, chosen to show the idea: real losses have millions of directions, "
                "and momentum helps there mostly by averaging out zig-zags.",
            ),
            parts=(_heights(plain, rolling, self.beta), self._ends()),
        )

    def path(self) -> tuple[Float[Tensor, " steps+1"], Float[Tensor, " steps+1"]]:
        """Positions of the plain ball and of the one with momentum, float64."""
        return roll(self.start, self.lr, 0.0, self.steps), roll(self.start, self.lr, self.beta, self.steps)

    def _ends(self) -> Curve:
        betas = [round(0.05 * i, 2) for i in range(20)] + [0.97, 0.99]
        ends = [float(roll(self.start, self.lr, beta, self.steps)[-1]) for beta in betas]
        return Curve(
            series=(
                Series("height after the last step", tuple(betas), tuple(float(height(e)) for e in ends)),
            ),
            x_label="β",
            y_label="height after the last step",
            title="Which β gets over?",
            caption="A step down: the ball has left the local minimum. Near 1 it still rolls to and fro.",
        )


def height(x: Any) -> Any:
    """The landscape: what gradient descent makes small."""
    wells = sum(d * np.exp(-(((x - c) / w) ** 2)) for d, c, w in zip(DEPTHS, CENTRES, WIDTHS, strict=True))
    return TILT * x**2 - wells


def slope(x: Any) -> Any:
    """Derivative of `height`."""
    wells = sum(
        d * np.exp(-(((x - c) / w) ** 2)) * 2 * (x - c) / w**2
        for d, c, w in zip(DEPTHS, CENTRES, WIDTHS, strict=True)
    )
    return 2 * TILT * x + wells


def roll(start: float, lr: float, beta: float, steps: int) -> Float[Tensor, " steps+1"]:
    """Positions from `start` on; each move is the lesson's sum Σ_j β^j STEP(n − j), added up term by term."""
    places, made = [start], []
    for _ in range(steps):
        made.append(-lr * float(slope(places[-1])))
        places.append(places[-1] + float(terms(made, beta).sum()))
    return torch.tensor(places, dtype=torch.float64)


def terms(made: list[float], beta: float) -> ndarray:
    """STEP(n), β·STEP(n−1), β²·STEP(n−2), … of the steps made so far, newest first."""
    newest_first = np.asarray(made[::-1])
    return newest_first * beta ** np.arange(len(made))


def _outcome(plain: Tensor, rolling: Tensor, beta: float) -> str:
    def ends(path: Tensor) -> str:
        x = float(path[-1])
        return f"ends at x = {number(x)}, height {number(float(height(x)))}"

    beyond = float(rolling.max()) - float(rolling[-1])
    over = " (after rolling " + number(beyond) + " past it)" if beyond > 0.05 else ""
    return f"Plain gradient descent {ends(plain)}. Momentum β = {beta:g} {ends(rolling)}{over}."


def _heights(plain: Tensor, rolling: Tensor, beta: float) -> Curve:
    steps = tuple(range(len(plain)))
    return Curve(
        series=(
            Series(f"momentum, β = {beta:g}", steps, tuple(height(rolling.numpy()).tolist())),
            Series("plain", steps, tuple(height(plain.numpy()).tolist())),
        ),
        x_label="step",
        y_label="height",
        title="Height after each step",
        caption="Momentum may climb for a while before it arrives lower.",
    )


def _frames(plain: Tensor, rolling: Tensor, knobs: Momentum, shown: list[int]) -> list[Tensor]:
    """One picture a step; the landscape is drawn once and only the balls and bars anew."""
    with matplotlib.rc_context(plot.STYLE):
        scene = _Scene(plain.numpy(), rolling.numpy(), knobs)
        return [scene.at(n) for n in shown]


class _Scene:
    def __init__(self, plain: ndarray, rolling: ndarray, knobs: Momentum):
        self.paths, self.knobs = (plain, rolling), knobs
        self.made = plot.figure(5.0, 3.6)
        self.canvas = FigureCanvasAgg(self.made)
        self._landscape(plot.place(self.made, 0.08, 0.28, 4.84, 2.15))
        self._bars(plot.place(self.made, 0.5, 2.62, 4.45, 0.66))
        self.canvas.draw()
        self.still = self.canvas.copy_from_bbox(self.made.bbox)

    def _landscape(self, axes: Any) -> None:
        x = np.linspace(LEFT, RIGHT, 400)
        y = height(x)
        axes.fill_between(x, y, y.min() - 0.3, color="#eef1f4")
        axes.plot(x, y, color="#68686f", linewidth=1.6)
        axes.set(xlim=(LEFT, RIGHT), ylim=(y.min() - 0.3, y.max() + 0.12))
        axes.axis("off")
        for well, name in ((x < 0, "local minimum"), (x > 0, "global minimum")):
            low = int(np.argmin(np.where(well, y, np.inf)))
            axes.text(x[low], y[low] - 0.07, name, ha="center", va="top", fontsize=8.5, color="#4a4a52")
        self.title = axes.set_title("", fontsize=10, loc="left", animated=True)
        self.balls, self.trails = [], []
        for name, colour, size in (("plain", PLAIN, 10), (f"momentum β={self.knobs.beta:g}", WITH, 13)):
            (trail,) = axes.plot([], [], "o", color=colour, markersize=3, alpha=0.4, animated=True)
            (ball,) = axes.plot([], [], "o", color=colour, markersize=size, animated=True, label=name)
            ball.set(markeredgecolor="white", markeredgewidth=1.2)
            self.trails.append(trail)
            self.balls.append(ball)
        axes.legend(frameon=False, loc="upper right", fontsize=9, borderpad=0)

    def _bars(self, axes: Any) -> None:
        top = 1.05 * self.knobs.lr * max(abs(slope(self.paths[1])).max(), 1e-9)
        self.bars = axes.bar(range(REMEMBERED), [0.0] * REMEMBERED, color=WITH, animated=True, width=0.75)
        for age, bar in enumerate(self.bars):
            bar.set_alpha(max(0.25, 1 - 0.08 * age))
        axes.axhline(0, color="#68686f", linewidth=0.8)
        powers = ["", "β", *[f"β{_raised(j)}" for j in range(2, REMEMBERED)]]
        labels = [f"{p}{'·' if p else ''}STEP\n(n{f'−{j}' if j else ''})" for j, p in enumerate(powers)]
        axes.set_xticks(range(REMEMBERED), labels, fontsize=6)
        axes.set(ylim=(-top, top), yticks=[-top * 0.7, top * 0.7], xlim=(-0.6, REMEMBERED - 0.4))
        axes.set_yticklabels(["← left", "right →"], fontsize=7)
        axes.set_title(
            "momentum: the next move is the sum of these", fontsize=7.5, loc="left", color="#4a4a52", pad=2
        )
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    def at(self, n: int) -> Tensor:
        self.canvas.restore_region(self.still)
        for path, ball, trail in zip(self.paths, self.balls, self.trails, strict=True):
            trail.set_data(path[:n], height(path[:n]))
            ball.set_data([path[n]], [height(path[n]) + 0.05])
        made = (-self.knobs.lr * slope(self.paths[1][: n + 1])).tolist()
        now = terms(made, self.knobs.beta)[:REMEMBERED]
        for bar, push in zip(self.bars, [*now, *[0.0] * REMEMBERED], strict=False):
            bar.set_height(push)
        self.title.set_text(f"step {n}")
        for artist in (*self.trails, *self.balls, *self.bars, self.title):
            artist.axes.draw_artist(artist)
        rgba = np.asarray(self.canvas.buffer_rgba())[..., :3]
        return torch.from_numpy(rgba.copy()).permute(2, 0, 1).float() / 255


def _raised(power: int) -> str:
    return "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(power))
