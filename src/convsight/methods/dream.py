"""What would the network's ideal picture of a class, a feature map or one unit look like?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsight.dreaming.descent import milestones
from convsight.dreaming.fourier import Canvas
from convsight.dreaming.objective import Objective
from convsight.dreaming.transforms import Wobble
from convsight.errors import InputError, ModelError
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.progress import report_count, span
from convsight.results.draw import number
from convsight.results.kinds import Pictures

FRAMES = 6  # pictures kept on the way, at steps that grow in equal ratios


@dataclass(frozen=True)
class Dream(Method):
    """The picture that excites a class, a feature map or one unit most, found by gradient ascent from grey noise.

    Maximises S(x) over pictures x = sigmoid(M · F⁻¹(z ÷ frequency^decay)): z are Fourier coefficients (F⁻¹ the
    inverse transform), M mixes three independent colours as natural pictures do (a grey network has no M).
    Adam turns z; before each step the picture is shifted, turned and zoomed a little at random, so that only
    what survives being moved can grow. S is the score before the softmax of a class, the *mean* of a channel's
    map (`objective="channel"`) or the value of its middle unit ("neuron"); of a unit (layer, channel, y, x) it
    is that unit's value. While a rectifier leaves S at exactly 0, its input is raised instead.

    `target` is as everywhere, or a list of them for one row each. `steps` more give stronger pictures and take
    longer; `lr` larger is faster and rougher; `size` other than the network's only for targets in layers that
    take it; `variants` starts from several noises, which `diversity` > 0 drives apart (it weighs the mean
    cosine of the pictures' Gram matrices, relative to the score).

    Comes back: `images` n c h w in [0, 1], one per target and variant; `values` n, the score S of each. The
    pictures on the way are in `parts`.

    We differ from the paper's Lucid: one bilinear move (shift, turn ±10°, zoom ±10%, borders mirrored) instead
    of two jitters, a zoom and a turn on grey padding.

    Raises InputError without a target or for an unknown one, ModelError if the score is not a finite number.

    Source: Olah, Mordvintsev & Schubert 2017, "Feature Visualization", Distill, doi:10.23915/distill.00007.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                  torch.nn.Linear(2 * 6 * 6, 2)), input_size=8, channels=1)
    >>> Dream(steps=5)(net, ("0", 1)).images.shape
    torch.Size([1, 1, 8, 8])
    """

    title = "Dream"
    kind = Pictures
    source = "Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007"

    steps: int = knob(256, "more give stronger, more detailed pictures and take longer", unit="steps", low=1)
    lr: float = knob(0.05, "Adam's step; larger is faster and rougher", low=1e-5, high=10.0)
    size: int | None = knob(None, "side of the picture; the network's input if left out", unit="px", low=4)
    objective: str = knob(
        "channel",
        "a channel's whole map makes a texture, its middle unit one object",
        choices=("channel", "neuron"),
    )
    jitter: float = knob(
        0.04, "largest random shift; more makes motifs survive anywhere", unit="of the side", low=0, high=0.5
    )
    turn: float = knob(
        10.0, "largest random turn; more makes motifs upright no longer", unit="degrees", low=0
    )
    zoom: float = knob(0.1, "largest random zoom; more makes motifs of mixed size", low=0, high=0.9)
    decay: float = knob(1.0, "strength of the 1 ÷ frequency prior; more is smoother", low=0, high=3.0)
    variants: int = knob(1, "how many dreams, each from its own noise", unit="pictures", low=1)
    diversity: float = knob(0.0, "how much variants are driven apart; 0 not at all", low=0)
    seed: int = knob(0, "another seed starts from other noise")

    def compute(self, net: Classifier, target: Any) -> Pictures:
        if target is None or (isinstance(target, list) and not target):
            raise InputError("a dream needs a target: a class name, an output index or (layer, channel)")
        targets = target if isinstance(target, list) else [target]
        goals = [
            Objective.of(net, one, self.variants, self.objective == "neuron", self.diversity)
            for one in targets
        ]
        dreams = []
        for i, goal in enumerate(goals):
            with span(i / len(goals), (i + 1) / len(goals)):
                dreams.append(self._one(net, goal))
        return self._result(net, goals, dreams)

    def _one(self, net: Classifier, goal: Objective) -> _Dreamt:
        size = net.input_size if self.size is None else (self.size, self.size)
        generator = torch.Generator().manual_seed(self.seed)
        canvas = Canvas.noise(self.variants, net.channels, size, self.decay, generator)
        wobble = Wobble(round(self.jitter * min(size)), self.turn, self.zoom)
        spectrum = canvas.spectrum.requires_grad_()
        adam = torch.optim.Adam([spectrum], lr=self.lr)
        frames, keep = [canvas.pixels().detach()], milestones(self.steps, FRAMES)
        for step in range(1, self.steps + 1):
            score, alike = goal.climb(net, wobble(canvas.pixels(), generator))
            gain = score.sum() - self.diversity * score.detach().abs().sum() * alike
            spectrum.grad = -torch.autograd.grad(gain, spectrum)[0]
            adam.step()
            if step in keep:
                frames.append(canvas.pixels().detach())
                told = f"{_short(goal.aim.labels[0])}, score {number(float(score.detach().max()))}"
                report_count(step, self.steps, "steps", told, frames[-1][0])
        with torch.no_grad():
            before, after = goal.score(net, frames[0]).cpu(), goal.score(net, frames[-1]).cpu()
        if not bool(after.isfinite().all()):
            raise ModelError(
                f"the score of {goal.aim.labels[0]} is {after.tolist()}: no picture can raise it"
            )
        return _Dreamt(torch.stack(frames), before, after)

    def _result(self, net: Classifier, goals: list[Objective], dreams: list[_Dreamt]) -> Pictures:
        after = torch.cat([d.after for d in dreams])
        names = [_short(label) for goal in goals for label in goal.aim.labels]
        images = torch.cat([d.frames[-1] for d in dreams])
        captions = tuple(f"{n}: {number(s)}" for n, s in zip(names, after.tolist(), strict=True))
        steps = (0, *milestones(self.steps, FRAMES))
        grown = Pictures(
            images=torch.cat([d.frames[:, v] for d in dreams for v in range(self.variants)]),
            columns=len(steps),
            captions=tuple(f"step {s}" for s in steps) * len(images),
            row_labels=tuple(names) if len(images) > 1 else (),
            title="How it grew",
            tile_px=None if len(images) == 1 else 112,
        )
        rows = zip(names, torch.cat([d.before for d in dreams]).tolist(), after.tolist(), strict=True)
        never = [name for name, s in zip(names, after.tolist(), strict=True) if s == 0]
        silent = [f"{name} never fired: no picture on the way gave it a gradient." for name in never]
        rise = "; ".join(f"{name} from {number(b)} to {number(a)}" for name, b, a in rows)
        return Pictures(
            images=images,
            values=after,
            captions=captions,
            columns=self.variants if self.variants > 1 else min(5, len(images)),
            caption="What the network wants to see more of. Only the motifs count; place and colour are loose.",
            notes=(
                f"Score: {rise} (start: grey noise).",
                *silent,
                "A dream shows what raises a number, not what the network saw in training; other seeds differ.",
            ),
            parts=(grown,),
            tile_px=224,
        )


@dataclass(frozen=True)
class _Dreamt:
    frames: Tensor  # steps n c h w
    before: Tensor
    after: Tensor


def _short(label: str) -> str:
    """The first of a class's names, "goldfish, Carassius auratus"; a unit's label as it is."""
    return label if ", channel " in label else label.split(",")[0]
