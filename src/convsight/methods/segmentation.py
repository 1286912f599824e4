"""Where in the picture is the object, if the network's own saliency is the only hint?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convsight.images import Images
from convsight.imaging.blur import blurred
from convsight.imaging.segmentation_cut import grab_cut, largest_component, opencv
from convsight.method import Method, knob
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.progress import report_count
from convsight.results import draw
from convsight.results.kinds import Map, Pictures


@dataclass(frozen=True)
class Segmentation(Method):
    """The object cut out of its background, with no label but the class: the saliency says where to start.

    The saliency map is max over channels of |∂S/∂x|, S the score of the target. The colours of the pixels
    above its `foreground` quantile make a mixture of five Gaussians, those below its `background` quantile
    another one; the graph cut that separates them with the shortest, best placed border labels every pixel
    (Boykov & Jolly 2001, with the colour models of GrabCut, Rother et al. 2004). The largest connected
    component of the foreground is the answer.

    `foreground` lower and `background` higher learn the colours from more, less certain pixels. `iterations`
    learns the colours again from the cut and cuts again: more follows the object's edge, or drifts away from
    it. `smooth` blurs the saliency before the quantiles (gradients are speckled); 0 is the paper.

    Comes back: `values` n h w, 1 on the object, 0 elsewhere, at the size of the network's input. In `parts`
    the outline, the pixels the colours were learnt from, and the cut-out. A note says where the cut found
    nothing, or everything, or left most of the salient pixels out.

    Small networks often fail: their gradients lie on the background as much as on the object.

    Raises MissingExtra without OpenCV (`pip install 'convsight[segmentation]'`).

    Source: Simonyan, Vedaldi & Zisserman 2013, section 3.2, arXiv:1312.6034; the quantiles 95% and 30% are
    theirs. We differ: the saliency is smoothed a little, and `iterations` of GrabCut follow their single cut.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                  torch.nn.Linear(2 * 6 * 6, 2)), input_size=8, channels=1)
    >>> Segmentation()(net, torch.rand(1, 1, 8, 8)).values.shape
    torch.Size([1, 8, 8])
    """

    title = "Segmentation from saliency"
    kind = Map
    source = "Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034"

    foreground: float = knob(0.95, "lower learns the object's colours from more pixels", low=0.5, high=0.999)
    background: float = knob(0.30, "higher learns the background from more pixels", low=0.001, high=0.5)
    smooth: float = knob(
        2.0, "blur of the saliency; more forgets specks and edges", unit="px", low=0, high=50
    )
    iterations: int = knob(
        1, "more follow the object's edge, or drift", unit="cuts after the first", low=0, high=20
    )
    seed: int = knob(0, "another seed starts the colour clusters elsewhere")

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        opencv()
        aim = net.target(target, images)

        def run(part: slice) -> Tensor:
            return saliency(net, images.pixels[part], aim[part])

        salient = torch.cat(in_chunks(run, len(images), chunk_size(images.pixels.shape[1:])))
        salient = blurred(salient[:, None], self.smooth)[:, 0]
        fore = salient > _quantile(salient, self.foreground)
        back = salient < _quantile(salient, self.background)
        masks = []
        for i, picture in enumerate(images.pixels):
            masks.append(self._cut(picture, fore[i], back[i]))
            report_count(i + 1, len(images), "pictures", "cutting")
        return _result(images, aim, torch.stack(masks), fore, back)

    def _cut(
        self, picture: Float[Tensor, "c h w"], fore: Bool[Tensor, "h w"], back: Bool[Tensor, "h w"]
    ) -> Bool[Tensor, "h w"]:
        if not bool(fore.any()) or not bool(back.any()):
            return torch.zeros_like(fore)
        mask = grab_cut(
            draw.rgb(draw.in_rgb(picture[None])[0]), fore.numpy(), back.numpy(), self.iterations, self.seed
        )
        return torch.from_numpy(largest_component(mask))


def saliency(net: Classifier, pixels: Float[Tensor, "n c h w"], aim: Target) -> Float[Tensor, "n h w"]:
    """max over channels of |∂S/∂x|, S the target's score."""
    x = pixels.clone().requires_grad_()
    gradient = torch.autograd.grad(aim.score(net, x).sum(), x)[0]
    return gradient.abs().amax(1).float().cpu()


def _result(images: Images, aim: Target, masks: Tensor, fore: Tensor, back: Tensor) -> Map:
    shares = masks.float().mean((1, 2)).tolist()
    outlined, seeds, cut = [], [], []
    for pixels, mask, f, b in zip(images.pixels, masks, fore, back, strict=True):
        colour = draw.in_rgb(pixels[None])[0]
        width = max(1, min(mask.shape) // 112)
        outlined.append(_tensor(draw.outline(draw.rgb(colour), mask, width=width)))
        faded = 0.5 * colour.mean(0) + 0.5
        seeds.append(torch.where(f, _of((0.84, 0.37, 0.0)), torch.where(b, _of((0.0, 0.45, 0.7)), faded)))
        cut.append(torch.where(mask, colour, torch.ones(3, 1, 1)))
    held = ((masks & fore).sum((1, 2)) / fore.sum((1, 2)).clamp(min=1)).tolist()
    names = [f"{label}: {share:.0%} of the picture" for label, share in zip(aim.labels, shares, strict=True)]
    part = Pictures(
        images=torch.stack([p for row in zip(outlined, seeds, cut, strict=True) for p in row]),
        columns=3,
        headings=("object", "colours learnt from", "cut out"),
        captions=tuple(text for name in names for text in (name, "orange object, blue background", "")),
        title="The cut",
    )
    return Map(
        values=masks.float(),
        unit="object",
        pictures=images.pixels,
        labels_of=tuple(names),
        caption="1 where the graph cut, started from the network's saliency, finds the object.",
        notes=(
            *_warnings(shares, held),
            "No label but the class was used. It follows colours: an object of the background's colours leaks.",
        ),
        parts=(part,),
    )


def _warnings(shares: list[float], held: list[float]) -> list[str]:
    """Which masks not to trust: because of their size, or because most of the hint lies outside them. Counted from 1."""
    doubts: dict[str, list[int]] = {}
    for i, (share, inside) in enumerate(zip(shares, held, strict=True)):
        if share == 0:
            doubt = "nothing was found; the saliency is flat or its colours are the background's"
        elif not 0.005 < share < 0.95:
            doubt = "almost nothing or almost everything is called object; do not trust this mask"
        elif inside < max(1 / 3, 1.2 * share):
            doubt = (
                "most of the most salient pixels lie outside the mask, or no denser inside; it may be wrong"
            )
        else:
            continue
        doubts.setdefault(doubt, []).append(i + 1)
    return [
        f"Picture{'s' * (len(which) > 1)} {', '.join(map(str, which))}: {doubt}."
        for doubt, which in doubts.items()
    ]


def _quantile(maps: Float[Tensor, "n h w"], q: float) -> Float[Tensor, "n 1 1"]:
    return torch.from_numpy(np.quantile(maps.flatten(1).numpy(), q, axis=1)).to(maps)[:, None, None]


def _of(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour)[:, None, None]


def _tensor(rgb: np.ndarray) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
