"""What remains of a picture if only the network's late layer keeps it, and another picture gives the texture?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convsight.dreaming import descent
from convsight.dreaming.fourier import Canvas
from convsight.dreaming.sizes import largest, within
from convsight.dreaming.style import Goal, default_layers
from convsight.errors import InputError
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.progress import report_count, span
from convsight.results.kinds import Curve, Pictures, Series

FRAMES = 5  # pictures kept on the way, at steps that grow in equal ratios
DECAY = 1.0


@dataclass(frozen=True)
class StyleTransfer(Method):
    """Your picture painted in the manner of another: its things stay, the other's colours and strokes cover them.

    Minimises, over pictures x in [0, 1],

        c · ‖F(x) − F(p)‖² ÷ ‖F(p)‖²  +  s · mean over layers of ‖G(x) − G(a)‖² ÷ ‖G(a)‖²  +  t · TV(x)

    for the content picture p and the style a. F is the content layer's maps, G the Gram matrix of a style
    layer's (which features occur together, regardless of where), TV the mean squared difference of
    neighbouring pixels. Dividing by the target's own size makes one setting serve any network.

    `content_weight` (c) more keeps its things, `style_weight` (s) more paints over them, `tv_weight` (t) more is
    smoother; `start` "noise" forgets the picture's
    colours first; `steps` more converge further; `longest_px` bounds the work. `basis` "fourier" turns waves in
    independent colours instead of pixels, with which networks other than VGG paint strokes and no static
    (Mordvintsev et al. 2018). `optimiser` "adam" is there for losses on which L-BFGS stalls; `lr` is its step.
    `content_layer` and `style_layers` (with commas between) are by default the activations that Gatys et al.
    chose in VGG, and what corresponds to them elsewhere: the first activation of every resolution for style,
    the second of the last but one for content (relu1_1, relu2_1, ... relu5_1, and relu4_2).

    Comes back: `images` n c h w in [0, 1]; `values` n 3, the content, style and TV losses, before their
    weights. In `parts` the pictures on the way and the losses.

    Raises InputError for layers that are no feature maps, or if neither 1 nor n styles are given.

    Source: Gatys, Ecker & Bethge 2015, arXiv:1508.06576. We differ: relative losses (theirs are scaled for one
    VGG), TV (Mahendran & Vedaldi 2014, arXiv:1412.0035) and the basis (Mordvintsev, Pezzotti, Schubert & Olah
    2018, doi:10.23915/distill.00012).

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                  torch.nn.Linear(2 * 6 * 6, 2)), input_size=8, channels=1)
    >>> StyleTransfer(steps=3)(net, torch.rand(1, 1, 16, 24), torch.rand(1, 1, 20, 20)).images.shape
    torch.Size([1, 1, 16, 24])
    """

    title = "Style transfer"
    kind = Pictures
    source = "Gatys, Ecker & Bethge 2015, arXiv:1508.06576"
    resize = False

    content_weight: float = knob(1.0, "weight of the things in the picture; more keeps them", low=0)
    style_weight: float = knob(30.0, "weight of the texture; more paints over more", low=0)
    tv_weight: float = knob(1.0, "weight of smoothness; more blurs strokes and noise", low=0)
    steps: int = knob(120, "more converge further and take longer", unit="steps", low=1)
    start: str = knob("content", "where the picture starts from", choices=("content", "noise"))
    basis: str = knob("fourier", "what the optimiser turns: waves or pixels", choices=("fourier", "pixels"))
    optimiser: str = knob("lbfgs", "how it is turned", choices=("lbfgs", "adam"))
    lr: float = knob(0.05, "Adam's step; larger is faster and rougher", low=1e-5, high=10.0)
    content_layer: str | None = knob(None, "a later one keeps less of the picture's detail")
    style_layers: str | None = knob(None, "with commas between; later ones add larger motifs")
    longest_px: int = knob(256, "longer sides are shrunk to this; more takes longer", unit="px", low=8)
    seed: int = knob(0, "another seed starts from other noise")

    def compute(self, net: Classifier, images: Images, style: Images) -> Pictures:
        if net.channels not in (1, 3):
            raise InputError(
                f"style transfer paints pictures that are seen, grey or RGB; {net.name} takes {net.channels} channels. "
                "A network of 1 or 3 channels paints them; deepdream takes any number"
            )
        if len(style) not in (1, len(images)):
            raise InputError(f"{len(style)} styles for {len(images)} pictures; give one, or one per picture")
        content_layer, style_layers = self._layers(net)
        layers = tuple(dict.fromkeys([content_layer, *style_layers]))
        pictures, notes = largest(net, layers, images, self.longest_px)
        styles = net.fit(style) if notes else within(style, self.longest_px)
        painted = []
        for i in range(len(pictures)):
            goal = Goal.of(
                net, pictures.pixels[i : i + 1], styles.pixels[[i % len(styles)]], content_layer, style_layers
            )
            with span(i / len(pictures), (i + 1) / len(pictures)):
                painted.append(self._paint(goal, pictures.pixels[i : i + 1]))
        return self._result(pictures, styles, painted, (content_layer, style_layers), notes)

    def _layers(self, net: Classifier) -> tuple[str, list[str]]:
        usual = default_layers(net)
        named = [name.strip() for name in (self.style_layers or "").split(",") if name.strip()]
        content, style = self.content_layer or usual[0], named or usual[1]
        for name in [content, *style]:
            if not net.layers[name].is_map:
                those = f"content {usual[0]}, style {', '.join(usual[1])}"
                raise InputError(f"layer {name!r} has no feature maps; the usual ones are: {those}")
        return content, style

    def _paint(self, goal: Goal, picture: Tensor) -> _Painted:
        numbers, decode, box = self._start(picture)
        frames, history, keep = [decode(numbers).detach()], [], descent.milestones(self.steps, FRAMES)
        latest: list[Tensor] = []

        def loss(x: Tensor) -> Tensor:
            terms = goal.losses(decode(x))
            latest[:] = [terms.detach()]
            return (
                terms * torch.tensor([self.content_weight, self.style_weight, self.tv_weight]).to(terms)
            ).sum()

        def on_step(step: int, x: Tensor) -> None:
            history.append(latest[0].cpu())
            shown = decode(x).detach() if step in keep or step % 10 == 0 else None
            if step in keep and shown is not None:
                frames.append(shown)
            told = None if shown is None else shown[0]
            report_count(step, self.steps, "steps", f"style loss {latest[0][1]:.3g}", told)

        if self.optimiser == "adam":
            found = descent.adam(loss, numbers, self.steps, on_step, box, self.lr)
        else:
            found = descent.lbfgs(loss, numbers, self.steps, on_step, box)
        final = decode(found).detach()
        with torch.no_grad():
            values = goal.losses(final).cpu()
        return _Painted(final, values, frames, torch.stack(history or [values]))

    def _start(
        self, picture: Tensor
    ) -> tuple[Tensor, Callable[[Tensor], Tensor], tuple[float, float] | None]:
        """The numbers to turn, how they become a picture, and the range each is kept in."""
        generator = torch.Generator().manual_seed(self.seed)
        size = (picture.shape[2], picture.shape[3])
        noise = Canvas.noise(1, picture.shape[1], size, DECAY, generator)
        if self.basis == "pixels":
            start = noise.pixels() if self.start == "noise" else picture
            return start.clone(), lambda x: x.clamp(0, 1), (0.0, 1.0)
        canvas = noise if self.start == "noise" else Canvas.of(picture, DECAY)
        return canvas.spectrum, lambda x: Canvas(x, size, DECAY).pixels(), None

    def _result(
        self, pictures: Images, styles: Images, painted: list[_Painted], layers: tuple[str, list[str]],
        notes: tuple[str, ...],
    ) -> Pictures:  # fmt: skip
        final = torch.cat([p.final for p in painted])
        values = torch.stack([p.values for p in painted])
        size = pictures.size
        rows = []
        for i, p in enumerate(painted):
            manner = styles.fit(size).pixels[i % len(styles)]
            rows.append(torch.stack([pictures.pixels[i], manner, *(f[0] for f in p.frames[1:])]))
        longest = max(len(row) for row in rows)
        rows = [torch.cat([row, row[-1:].expand(longest - len(row), -1, -1, -1)]) for row in rows]
        steps = [f"step {s}" for s in descent.milestones(self.steps, FRAMES)][: longest - 2]
        grown = Pictures(
            images=torch.cat(rows), columns=longest, title="How it was painted",
            headings=("content", "style (cropped)", *steps),
        )  # fmt: skip
        series = tuple(
            Series(
                name if len(painted) == 1 else f"{name}, picture {i + 1}",
                tuple(range(1, len(p.history) + 1)),
                tuple(p.history[:, j].tolist()),
            )
            for i, p in enumerate(painted)
            for j, name in enumerate(("content", "style"))
        )
        curve = Curve(
            series=series,
            x_label="step",
            y_label="loss relative to the target's own size",
            title="The two losses",
        )
        kept = ", ".join(layers[1])
        return Pictures(
            images=final,
            values=values,
            captions=tuple(f"content {c:.2g}, style {s:.2g}" for c, s, _ in values.tolist()),
            columns=min(3, len(final)),
            caption=f"Content kept in {layers[0]}; style by the Gram matrices of {kept}.",
            notes=(
                "A loss of 0 is a match, 1 as far off as an empty picture. Which layers are compared decides a lot.",
                *notes,
            ),
            parts=(grown, curve),
            tile_px=size[0] if min(size) >= 120 else None,
        )


@dataclass(frozen=True)
class _Painted:
    final: Tensor
    values: Tensor
    frames: list[Tensor]
    history: Tensor  # steps 3
