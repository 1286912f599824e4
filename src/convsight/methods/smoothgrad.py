"""Which pixels matter in the pictures around this one? The gradient averaged over noisy copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convsight.gradients.backprop import backpropagate, weighted_gradient
from convsight.gradients.notes import pixel_fields, zero_notes
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Smoothgrad(Method):
    """Saliency with its speckle averaged away: bright pixels matter for noisy copies of the picture too.

    Ĝ = 1/n Σ_k ∂S/∂I at I + σ ε_k, with ε_k normal and σ = noise × (max − min of the picture); then
    M = max_c |Ĝ|. More `samples` give a smoother map and take proportionally longer; more `noise` shows
    broader structure and, above about 0.3, pictures that the network no longer knows. Every picture gets the
    same ε_k (from `seed`), so that a picture's map does not depend on its neighbours in the batch. Noisy
    copies are not cut to [0, 1], as in the authors' code.

    `target` as everywhere; without one, the class predicted for the clean picture. Returns a Map: `values`
    n h w ≥ 0, `per_channel` n c h w the mean gradient, signed. Raises InputError and ModelError as saliency.

    Smilkov et al. 2017, arXiv:1706.03825.

    >>> import torch
    >>> linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> net = Classifier(linear, input_size=2, channels=1)
    >>> result = Smoothgrad(samples=4)(net, torch.zeros(1, 1, 2, 2), target=1)   # a constant gradient
    >>> torch.allclose(result.per_channel.flatten(), linear[1].weight[1])
    True
    """

    title = "SmoothGrad"
    kind = Map
    many_passes = True
    source = "Smilkov et al. 2017, arXiv:1706.03825"

    samples: int = knob(25, "more samples give a smoother map and take proportionally longer", low=1)
    noise: float = knob(
        0.15, "more noise shows broader structure", unit="of the picture's range", low=0.0, high=1.0
    )
    seed: int = knob(0, "another seed draws other noise")

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim = net.target(target, images)
        clean = backpropagate(net, aim, images.pixels)
        mean = weighted_gradient(
            net,
            aim,
            tuple(images.pixels.shape),
            torch.full((self.samples,), 1 / self.samples),
            self.copies(images.pixels),
        )
        return Map(
            caption=f"Bright: this pixel matters on average over {self.samples} noisy copies of the picture.",
            notes=(*zero_notes(net, aim, mean, clean.scores), *net.notes_on(aim)),
            values=mean.abs().amax(1),
            unit="|mean ∂ score ÷ ∂ pixel|",
            **pixel_fields(images, clean, aim, mean),
        )

    def copies(self, pixels: Tensor):
        """Makes the noisy copies k of pictures i."""
        draws = torch.Generator().manual_seed(self.seed)
        epsilon = torch.randn(self.samples, *pixels.shape[1:], generator=draws)
        sigma = self.noise * (pixels.flatten(1).amax(1) - pixels.flatten(1).amin(1)).reshape(-1, 1, 1, 1)
        return lambda i, k: pixels[i] + sigma[i] * epsilon[k]
