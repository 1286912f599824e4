"""What does the network see in a picture, if everything it sees is made stronger?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.dreaming.resolutions import resolutions
from convsight.dreaming.sizes import Size, largest, runs_at
from convsight.errors import InputError
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.progress import report_count
from convsight.results.draw import number
from convsight.results.kinds import Curve, Pictures, Series


@dataclass(frozen=True)
class Deepdream(Method):
    """Your picture with whatever a layer faintly recognises in it amplified: eyes in clouds, fur in grass.

    Gradient ascent on ½‖a‖², half the sum of the squared activations of `layer`: its gradient with respect to
    the layer is a itself, so what is strong grows. Each step adds `lr` · g ÷ mean|g| to the picture, rolled by
    a random shift and kept in [0, 1]. It runs on `octaves` sizes from small to full, each `octave_scale` times
    the last; the detail made so far is enlarged and added to the picture at the next size, so motifs of all
    sizes appear while the picture itself stays sharp.

    `layer`: a late one gives objects, an early one strokes; by default the last activation at
    the middle one of the network's resolutions.
    `steps` (per octave) and `lr` more change the picture further; `jitter` hides the borders of tiles;
    `longest_px` bounds the work: larger pictures are shrunk to it. Only the layers up to `layer` are run, so
    pictures need not have the network's input size; if those layers insist on it, a note says so, and octaves
    too small for them are left out.

    Comes back: `images` n c h w in [0, 1]; `values` n, how many times ½‖a‖² of the picture it has. In `parts`
    the picture after each octave, and the objective per unit of the layer over the steps.

    Raises InputError for a wrong layer, or where the layer answers the picture with zeros everywhere.

    Source: Mordvintsev, Olah & Tyka 2015, "Inceptionism", and their notebook google/deepdream, whose defaults
    (4 octaves of 1.4, 10 steps of 1.5/255, jitter 32 pixels) these are; the jitter shrinks for small pictures.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                  torch.nn.Linear(2 * 6 * 6, 2)), input_size=8, channels=1)
    >>> Deepdream(octaves=2)(net, torch.rand(1, 1, 20, 30), "1").images.shape
    torch.Size([1, 1, 20, 30])
    """

    title = "DeepDream"
    in_report = False
    kind = Pictures
    source = "Mordvintsev, Olah & Tyka 2015, Inceptionism, github.com/google/deepdream"
    resize = False

    octaves: int = knob(4, "more make motifs of more sizes, larger ones too", unit="sizes", low=1, high=12)
    octave_scale: float = knob(
        1.4, "ratio of two octaves' sizes; larger spreads motif sizes", low=1.05, high=4
    )
    steps: int = knob(10, "more change the picture further", unit="steps per octave", low=1)
    lr: float = knob(1.5 / 255, "mean change of a pixel in a step; more dreams wilder", low=1e-5, high=1)
    jitter: int = knob(32, "largest random roll; at most an eighth of the side is used", unit="px", low=0)
    longest_px: int = knob(640, "longer sides are shrunk to this; more takes longer", unit="px", low=8)
    seed: int = knob(0, "another seed rolls otherwise")

    def compute(self, net: Classifier, images: Images, layer: str | None = None) -> Pictures:
        name = layer or default_layer(net)
        if not net.layers[name].is_map:
            raise InputError(f"layer {name!r} has no feature maps; {_some_maps(net)}")
        pictures, notes = largest(net, (name,), images, self.longest_px)
        sizes = [s for s in self._sizes(pictures.size) if s == pictures.size or runs_at(net, (name,), s)]
        if len(sizes) < self.octaves:
            notes = (*notes, f"{len(sizes)} of {self.octaves} octaves: smaller pictures do not fit {name}.")

        def run(part: slice) -> _Dreamt:
            return self._dream(net, name, pictures.pixels[part], sizes)

        chunks = in_chunks(run, len(pictures), chunk_size(pictures.pixels.shape[1:]))
        before, after = (torch.cat([_strength(net, name, c.after_each[i]) for c in chunks]) for i in (0, -1))
        if not bool((before > 0).all()):
            raise InputError(f"layer {name!r} is silent on picture {int((before <= 0).nonzero()[0])}")
        return self._result(name, torch.cat([c.after_each for c in chunks], 1), chunks, after / before, notes)

    def _sizes(self, full: Size) -> list[Size]:
        shares = [self.octave_scale**-i for i in reversed(range(self.octaves))]
        every = [(max(1, round(full[0] * s)), max(1, round(full[1] * s))) for s in shares]
        return list(dict.fromkeys(every))

    def _dream(self, net: Classifier, layer: str, pictures: Tensor, sizes: list[Size]) -> _Dreamt:
        generator = torch.Generator().manual_seed(self.seed)
        detail = torch.zeros_like(pictures)
        after_each, strengths = [pictures], []
        for i, size in enumerate(sizes):
            base = resized(pictures, size)
            picture = (base + resized(detail, size)).clamp(0, 1)
            for step in range(self.steps):
                picture, strength = self._step(net, layer, picture, generator)
                strengths.append(strength)
                done, total = i * self.steps + step + 1, len(sizes) * self.steps
                report_count(done, total, "steps", f"octave {i + 1}", picture[0])
            detail = picture - base
            after_each.append((pictures + resized(detail, pictures.shape[2:])).clamp(0, 1))
        return _Dreamt(torch.stack([*after_each[:-1], picture]), torch.stack(strengths), len(sizes))

    def _step(
        self, net: Classifier, layer: str, picture: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The picture one step on, and per picture the mean of ½a² before it."""
        reach = min(self.jitter, min(picture.shape[2:]) // 8)
        roll = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
        rolled = torch.roll(picture, roll, (2, 3)).requires_grad_()
        energy, units = half_square(net, layer, rolled)
        gradient = torch.autograd.grad(energy.sum(), rolled)[0]
        mean = gradient.abs().mean((1, 2, 3), keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
        stepped = (rolled.detach() + self.lr * gradient / mean).clamp(0, 1)
        return torch.roll(stepped, [-r for r in roll], (2, 3)), (energy.detach() / units).cpu()

    def _result(
        self, layer: str, after_each: Tensor, chunks: list[_Dreamt], gain: Tensor, notes: tuple[str, ...]
    ) -> Pictures:
        n, octaves = after_each.shape[1], chunks[0].octaves
        strengths = torch.cat([c.strengths for c in chunks], 1)
        lines = tuple(
            Series(f"picture {i + 1}", tuple(range(len(strengths))), tuple(strengths[:, i].tolist()))
            for i in range(n)
        )
        titles = ("picture", *(f"after octave {i + 1}" for i in range(octaves)))
        grown = Pictures(
            images=after_each.transpose(0, 1).flatten(0, 1), columns=len(titles), headings=titles,
            title="Octave by octave",
        )  # fmt: skip
        curve = Curve(
            series=lines, x_label="step", y_label="mean of ½a²", title=f"What grew: the activity of {layer}",
            caption=f"It starts anew with each of the {octaves} octaves, when the picture gets larger.",
        )  # fmt: skip
        return Pictures(
            images=after_each[-1],
            values=gain,
            captions=tuple(f"½‖a‖² × {number(g)}" for g in gain.tolist()),
            columns=min(3, n),
            caption=f"The picture with what {layer} sees in it made stronger.",
            notes=("It shows what the layer responds to, not what decides the class.", *notes),
            parts=(grown, curve),
            tile_px=after_each.shape[3] if min(after_each.shape[3:]) >= 160 else None,
        )


@dataclass(frozen=True)
class _Dreamt:
    after_each: Tensor  # octaves + 1, n c h w: the picture, then after each octave at full size
    strengths: Tensor  # steps n
    octaves: int


def half_square(
    net: Classifier, layer: str, pixels: Float[Tensor, "n c h w"]
) -> tuple[Float[Tensor, " n"], int]:
    """½‖a‖² of a layer for each picture, and how many units it sums over; only the layers up to it run."""
    with net.record(layer, stop=True) as seen:
        net.forward(pixels)
    value = seen[layer].float().flatten(1)
    return value.square().sum(1) / 2, value.shape[1]


def resized(pixels: Float[Tensor, "n c h w"], size: Any) -> Float[Tensor, "n c h w"]:
    if tuple(pixels.shape[2:]) == tuple(size):
        return pixels
    return F.interpolate(pixels, tuple(size), mode="bilinear", antialias=True)


def default_layer(net: Classifier) -> str:
    """The last activation at the middle one of the network's resolutions: past strokes, before whole objects."""
    found = resolutions(net)
    return found[len(found) // 2][-1].name


def _strength(net: Classifier, layer: str, pixels: Tensor) -> Tensor:
    with torch.no_grad():
        return half_square(net, layer, pixels)[0].cpu()


def _some_maps(net: Classifier) -> str:
    names = [layer.name for layer in net.layers.maps()]
    return f"these have: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}"
