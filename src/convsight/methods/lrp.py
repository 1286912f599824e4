"""How is a score shared out among the pixels, layer by layer? Layer-wise relevance propagation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsight.gradients.notes import pixel_fields
from convsight.gradients.relevance.composites import COMPOSITES, FIRST, Strengths, composite
from convsight.gradients.relevance.heatmap import relevance
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Lrp(Method):
    """Red pixels are what the score is made of, blue ones speak against it: the score, shared out layer by layer.

    The score starts as the relevance R of the target, and each layer hands its outputs' relevance to its inputs in
    proportion to what each of them counted for: R_i = Σ_j z_ij ÷ z_j · R_j. The `rule` says what counts:

    - `epsilon`: z_ij = x_i w_ij (+ ε); noisy, and for ReLU networks nearly gradient × input.
    - `gamma`: positive weights count (1 + γ) times; `alpha-beta`: positive parts α times, negative ones −β = 1 − α
      times; `z-plus` is α = 1: only what speaks for the outputs.
    - `flat`: every input that is seen counts alike; `w-square`: as the square of its weight.
    - mixtures, ε in dense layers and another rule in convolutions: `epsilon-plus` (z⁺), `epsilon-plus-flat` (and flat
      at the picture), `epsilon-gamma-box` (γ, and z^B at the picture), `epsilon-alpha-beta`.

    z^B is the rule for pixels between black and white: z_ij = x_i w_ij − l_i w_ij⁺ − h_i w_ij⁻.

    The rules act on operations, not on modules: `F.relu`, layers that are used twice, `x += y`, concatenation and
    exported programs need no preparation ("canonizers"). Sums share by value; average pooling too; max-pooling gives
    all to the largest. Batch normalisation is one layer with the convolution or dense layer in front; alone it hands
    relevance on, as do layer and group normalisation. ReLU, SiLU, GELU and hardswish hand it on. In a product, the
    gate of a squeeze-and-excite block gets nothing and the signal all; two values of the same standing get half each.
    Attention is refused, because no rule of these holds for it.

    When it misleads: with z⁺, γ or αβ in every convolution a map depends little on the class (Sixt et al. 2020,
    arXiv:1912.09818); it shows what the network looks at, more than what speaks for the class. On ten photographs the
    maps of MobileNetV2 for two classes correlate by 0.97 with the default rule (median), 0.99 with
    `epsilon-gamma-box` and −0.06 with `epsilon`, beside 0.68 of Grad-CAM. Compare two targets before you conclude.

    `target` is a class, an output, or a unit (layer, channel[, y, x]). A network's final softmax is left out.

    Returns a Map: `values` n h w, signed, in the score's unit, and `per_channel` n c h w. Without biases the values
    add up to the score; biases keep a part of it, as does an output that nothing speaks for (z⁺ behind SiLU, `flat`
    at a sum of 0), and a note says how much arrived. A pixel of the mean colour, which is 0 inside the network, gets
    nothing from `epsilon`, `gamma` and `z-plus` at the picture. Raises InputError (target, knobs) and ModelError (an
    operation without a rule, or one that cannot be seen).

    Bach et al. 2015, doi:10.1371/journal.pone.0130140; Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10; the
    mixtures as in zennit, arXiv:2106.13200.

    >>> import torch
    >>> linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
    >>> net = Classifier(linear, input_size=2, channels=1)
    >>> result = Lrp(rule="epsilon")(net, torch.ones(1, 1, 2, 2), target=0)
    >>> torch.allclose(result.values.sum(), net.scores(torch.ones(1, 1, 2, 2))[0, 0], atol=1e-4)
    True
    """

    title = "LRP"
    kind = Map
    source = "Bach et al. 2015, doi:10.1371/journal.pone.0130140"

    rule: str = knob(
        "epsilon-plus-flat", "what an input counts for in each layer, see above", choices=tuple(COMPOSITES)
    )
    first: str = knob(
        "default",
        "rule of the layers that see the picture: default is what `rule` says, same is that of all others",
        choices=tuple(FIRST),
    )
    epsilon: float = knob(1e-6, "more takes relevance from outputs near 0: a sparser, calmer map", low=0)
    gamma: float = knob(0.25, "more favours what speaks for the outputs, in the gamma rules", low=0)
    alpha: float = knob(2.0, "more weighs what speaks for and against alike, in the alpha-beta rules", low=1)

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        aim = net.target(target, images)
        strengths = Strengths(self.epsilon, self.gamma, self.alpha)
        found = relevance(net, aim, images.pixels, composite(self.rule, self.first, strengths))
        return Map(
            caption="Red: the score is made of this; blue: this speaks against it.",
            notes=(*found.notes, *net.notes_on(aim)),
            values=found.pixels.sum(1),
            signed=True,
            unit="score",
            **pixel_fields(images, found, aim, found.pixels),
        )
