"""Where does showing a place raise the score? The mean over many random masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from convsight.coalitions.game import scores_for
from convsight.coalitions.masks import effect_of_showing, random_masks
from convsight.errors import InputError
from convsight.gradients.notes import score_labels
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.occluding.occluders import FILLS, fill_pictures
from convsight.occluding.whole import WholePasses
from convsight.progress import span
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Rise(Method):
    """Red where the score is higher than usual when the place is shown, over random masks, with 95% intervals.

    M(x) = 1/(N p) Σ_k (S(picture under mask k) − S̄) · mask_k(x): smooth random masks, made from grids of `cells` ×
    `cells` whose cells are shown with chance p = `shown`, and S̄ the mean score over the masks. S is the target's
    probability where the network has some, else the target's value. What a mask hides shows `fill`, black as in the
    paper.

    Colours fade where a pixel's 95% interval (`half_width`) reaches zero. More `passes` narrow it with their square
    root. `shapley` asks much the same of regions and is certain after far fewer passes; this one has finer places.

    Returns a signed Map: `values` n h w in probability (or score), `half_width` n h w, `clean_score` n. The same masks
    are used for every picture. Raises InputError and ModelError as other techniques.

    Source: Petsiuk, Das & Saenko 2018, arXiv:1806.07421. They leave S̄ in, which adds about S̄ to every pixel: the
    picture is the same, but for its lack of contrast; the notes give S̄.

    >>> import torch
    >>> net = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)), ["a", "b"], 8, 1)
    >>> result = Rise(passes=50, cells=3)(net, torch.rand(1, 1, 8, 8), "a")
    >>> result.values.shape, bool((result.half_width > 0).all())
    (torch.Size([1, 8, 8]), True)
    """

    title = "RISE"
    kind = Map
    source = "Petsiuk, Das & Saenko 2018, arXiv:1806.07421"
    in_report = False

    passes: int = knob(1000, "more masks narrow the intervals with their square root", unit="passes", low=2)
    cells: int = knob(7, "more cells a side make smaller holes and need more passes", low=2)
    shown: float = knob(0.5, "the chance that a cell is shown: less hides more at once", low=0.05, high=0.95)
    fill: str = knob("black", "what hidden places show", choices=tuple(FILLS))
    seed: int = knob(0, "another seed draws other masks")

    def compute(self, net: Classifier, images: Images, target: Any = None) -> Map:
        if self.cells > min(images.size):
            raise InputError(
                f"cells={self.cells} are more than the picture's {min(images.size)} px a side",
                works="give fewer",
            )
        aim = net.target(target, images)
        likely = aim.outputs is not None and aim.through is None and net.has_probabilities
        fills = fill_pictures(
            self.fill, images.pixels, data_mean=net.mean, reach=min(images.size) / 14, seed=self.seed
        )
        means, halves, clean, usual = [], [], [], []
        for i, picture in enumerate(images.pixels):
            score = self._score(net, aim, i, likely)
            draws = torch.Generator().manual_seed(self.seed)
            masks = lambda m, d=draws: random_masks(m, images.size, self.cells, self.shown, d)  # noqa: E731
            with span(i / len(images), (i + 1) / len(images)):
                mean, half, scores = effect_of_showing(
                    picture, fills[i], score, masks, self.passes, self.shown
                )
            means.append(mean)
            halves.append(half)
            usual.append(scores)
            clean.append(score(picture[None]))
        what, wide = "probability" if likely else "score", float(torch.stack(halves).mean())
        means_of = ", ".join(f"{value:.3g}" for value in usual)
        return Map(
            caption=f"Red: the {what} is higher than usual when this place is shown; blue: lower.",
            notes=(
                f"Over {self.passes} masks the {what} is {means_of} on average; a pixel's 95% interval is ±{wide:.2g} on average.",
                *net.notes_on(aim),
            ),
            values=torch.stack(means), half_width=torch.stack(halves), signed=True, unit=f"{what} above its mean",
            pictures=images.pixels, labels_of=score_labels(aim, torch.cat(clean)), clean_score=torch.cat(clean),
        )  # fmt: skip

    def _score(self, net: Classifier, aim: Any, i: int, likely: bool):
        """The target's probability, or its value, of pictures."""
        if not likely:
            of_target = scores_for(net, aim, [i], self.passes)
            return lambda pixels: of_target(pixels)[:, 0]
        rows, output = WholePasses(net, self.passes), int(aim.outputs[i])
        return lambda pixels: net.probabilities_of(rows(pixels))[:, output].float()
