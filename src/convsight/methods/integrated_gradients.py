"""How is the score's rise from a blank picture to this one shared out among the pixels?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from convsight.gradients.backprop import backpropagate, weighted_gradient
from convsight.gradients.notes import pixel_fields, zero_notes
from convsight.images import Images
from convsight.imaging.blur import blurred
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.draw import number
from convsight.results.kinds import Map

TOLERATED = 0.05  # of the score's rise: the completeness gap above which more steps are advised


@dataclass(frozen=True)
class IntegratedGradients(Method):
    """Red pixels carry the score up from a blank picture to this one, blue ones hold it down; all add up.

    M(y, x) = Σ_c (I − I') ∫ ∂S/∂I (I' + a (I − I')) da over a in [0, 1], with I' the `baseline`. The integral
    is a sum over `steps` points, Gauss-Legendre or midpoint. By completeness Σ M = S(I) − S(I'); `notes`
    gives both sides, and advises more steps where they differ by over 5%.

    baseline: "black", "white", "grey" (0.5), "mean" (each picture's own mean colour) or "blur" (the picture
    under a Gaussian of a tenth of its shorter side). A pixel that equals the baseline counts nothing: black
    garments vanish against "black". `steps`: more give a smaller gap and take proportionally longer.

    `target` as everywhere. Returns a Map: `values` n h w, signed, in units of the score; `per_channel`
    n c h w; `clean_score` n is S(I). Raises InputError and ModelError as saliency.

    Sundararajan, Taly & Yan 2017, arXiv:1703.01365.

    >>> import torch
    >>> from torch.nn import Flatten, GELU, Linear, Sequential
    >>> net = Classifier(Sequential(Flatten(), Linear(4, 3), GELU(), Linear(3, 2)), input_size=2, channels=1)
    >>> ones = torch.ones(1, 1, 2, 2)
    >>> result = IntegratedGradients()(net, ones, target=1)
    >>> torch.allclose(result.values.sum(), (net.scores(ones) - net.scores(0 * ones))[0, 1], atol=1e-5)
    True
    """

    title = "Integrated gradients"
    kind = Map
    many_passes = True
    source = "Sundararajan et al. 2017, arXiv:1703.01365"

    baseline: str = knob(
        "black", "the picture that counts as nothing", choices=("black", "white", "grey", "mean", "blur")
    )
    steps: int = knob(50, "more steps close the completeness gap and take proportionally longer", low=1)
    quadrature: str = knob(
        "gauss-legendre", "where on the way the steps lie", choices=("gauss-legendre", "midpoint")
    )

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim, pixels = net.target(target, images), images.pixels
        start = blank(pixels, self.baseline)
        at, weights = nodes(self.steps, self.quadrature)

        def point(i: Tensor, k: Tensor) -> Tensor:
            return start[i] + at[k].reshape(-1, 1, 1, 1) * (pixels[i] - start[i])

        mean = weighted_gradient(net, aim, tuple(pixels.shape), weights, point)
        shares = mean * (pixels - start)
        here, there = backpropagate(net, aim, pixels), backpropagate(net, aim, start)
        rise = here.scores - there.scores
        return Map(
            caption=f"Red carries the score up on the way from {NAMES[self.baseline]} to this, blue down.",
            notes=(
                *zero_notes(net, aim, shares, here.scores),
                *net.notes_on(aim),
                completeness(shares.double().sum((1, 2, 3)).float(), rise),
            ),
            values=shares.sum(1),
            signed=True,
            unit="score",
            clean_score=here.scores,
            **pixel_fields(images, here, aim, shares),
        )


NAMES = {
    "black": "a black picture",
    "white": "a white picture",
    "grey": "a grey picture",
    "mean": "the picture's mean colour",
    "blur": "the blurred picture",
}


def nodes(steps: int, quadrature: str) -> tuple[Float[Tensor, " k"], Float[Tensor, " k"]]:
    """Points in (0, 1) and weights that sum to 1.

    >>> nodes(2, "midpoint")[0].tolist()
    [0.25, 0.75]
    """
    if quadrature == "midpoint":
        return (torch.arange(steps) + 0.5) / steps, torch.full((steps,), 1 / steps)
    x, w = np.polynomial.legendre.leggauss(steps)
    return torch.from_numpy((x + 1) / 2).float(), torch.from_numpy(w / 2).float()


def blank(pixels: Float[Tensor, "n c h w"], baseline: str) -> Float[Tensor, "n c h w"]:
    """The picture that counts as nothing, for each of n."""
    levels = {"black": 0.0, "grey": 0.5, "white": 1.0}
    if baseline in levels:
        return torch.full_like(pixels, levels[baseline])
    if baseline == "mean":
        return pixels.mean((2, 3), keepdim=True).expand_as(pixels).clone()
    return blurred(pixels, 0.1 * min(pixels.shape[2:])).clamp(0, 1)


def completeness(sums: Float[Tensor, " n"], rise: Float[Tensor, " n"]) -> str:
    """How far the map's sum is from the score's rise, in the worst of n pictures."""
    gaps = (sums - rise).abs()
    shares = gaps / rise.abs().clamp(min=1e-6)
    worst = int(shares.argmax())
    here, there, gap = (number(float(v[worst])) for v in (sums, rise, 100 * shares))
    which = ", the largest of all pictures" if len(rise) > 1 else ""
    text = f"Completeness: the map sums to {here}, the score rises by {there} (gap {gap}%{which})."
    return text + (" Take more steps before trusting details." if float(shares[worst]) > TOLERATED else "")
