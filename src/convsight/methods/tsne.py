"""Which pictures does the network keep together? A map on which neighbours stay neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from convsight.datasets import Dataset
from convsight.features import embedding
from convsight.features.finished_map import COLOURS, Colour, points, scene
from convsight.features.selection import SPLITS
from convsight.features.thumbnails import dots
from convsight.features.vectors import query_vectors
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.progress import report_count
from convsight.results.kinds import Points

HONEST = (
    "Read who is next to whom, and no more: on a t-SNE map the distances between clusters, their sizes and "
    "the directions of the axes mean nothing."
)


@dataclass(frozen=True)
class Tsne(Method):
    """A map of all pictures on which those that the network finds alike lie together.

    Each picture i gives its neighbours j probabilities p ∝ exp(−‖xᵢ−xⱼ‖² / 2σᵢ²), with σᵢ so wide that about
    `perplexity` of them count; on the map q ∝ 1 / (1 + ‖yᵢ−yⱼ‖²). The positions y minimise KL(p‖q).
    The vectors are first reduced to 50 principal components; the neighbours are exact; the start is PCA, so that the
    large-scale arrangement is not an accident of the seed.

    Every 50 iterations the map so far is reported as progress. Pictures of your own (`images`) settle on the
    finished map without moving it. Below 10,000 pictures the same seed gives the same bytes on one machine.

    Returns `Points`: `.xy` n × 2 or 3, in arbitrary units. Raises InputError for fewer than 5 pictures.

    Source: van der Maaten & Hinton 2008; FFT: Linderman et al. 2019 (arXiv:1712.09005); start: Kobak & Berens
    2019; computed with openTSNE (Poličar et al. 2019).

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.tsne(net, data, iterations=50).xy.shape
    torch.Size([20, 2])
    """

    title = "What the network keeps together (t-SNE)"
    kind = Points
    source = "van der Maaten & Hinton 2008; Linderman et al. 2019, arXiv:1712.09005"

    space: str = knob(
        "features", "map what the network sees, or plain pixels", choices=("features", "pixels")
    )
    layer: str | None = knob(None, "the layer whose vector is mapped; none takes the last before the scores")
    dims: int = knob(2, "3 makes a room of it: slower, and to be turned about", unit="axes", low=2, high=3)
    perplexity: float = knob(
        30.0, "about how many neighbours each picture tries to stay near: few show small knots, many the "
        "broad arrangement", unit="pictures", low=2, high=500,
    )  # fmt: skip
    exaggeration: float = knob(
        12.0, "how hard neighbours are pulled together in the first third: more separates clusters further",
        unit="×", low=1, high=100,
    )  # fmt: skip
    iterations: int = knob(750, "more settle the map further, and take proportionally longer", low=50)
    split: str = knob("test", "which pictures are mapped", choices=(*SPLITS, "all"))
    most: int = knob(5000, "more pictures give a fuller map: 5,000 take half a minute, 70,000 some minutes",
                     unit="pictures", low=5)  # fmt: skip
    colour: str = knob("class", "what the colours stand for", choices=COLOURS)
    label: str | None = knob(
        None,
        "of several labels a picture: which one the colours show; none takes the one nearest to half of them",
    )
    seed: int = knob(0, "another seed takes other pictures where there are more than `most`, and other noise")

    def compute(self, net: Classifier, data: Dataset, images: Images | None = None) -> Points:
        shown = scene(net, data, self.split, self.most, self.seed, self.space, self.layer)
        labels = shown.chosen.labels

        def watch(iteration: int, xy: Tensor) -> None:
            report_count(iteration, self.iterations, "steps", "t-SNE", dots(xy[:, :2], labels))

        layout = embedding.tsne(
            shown.vectors.values,
            self.dims,
            self.perplexity,
            self.exaggeration,
            self.iterations,
            self.seed,
            watch,
        )
        extra = None
        if images is not None:
            asked = query_vectors(net, images, self.space, self.layer, map_px=True)
            extra = (layout.place(asked), images)
        return points(
            shown, layout.xy, ("", "", "")[: self.dims], Colour(self.colour, self.label),
            caption=f"{shown.chosen.describe()} in {shown.words}; near on the map is near there.",
            notes=(HONEST, *self._limits(layout)), extra=extra, seed=self.seed,
        )  # fmt: skip

    def _limits(self, layout: embedding.Layout) -> list[str]:
        notes = [
            f"KL divergence {layout.divergence:.2f} (lower is better, for the same pictures and perplexity)."
        ]
        if layout.perplexity < self.perplexity:
            notes.append(
                f"Perplexity was lowered to {layout.perplexity:.3g} for only {len(layout.xy)} pictures."
            )
        if layout.reduction is not None:
            kept = float(layout.reduction.shares.sum())
            notes.append(
                f"Made from {len(layout.reduction.shares)} principal components ({kept:.0%} of the variance)."
            )
        return notes
