"""Which pictures does the network keep together, and how do the groups hang together?"""

from __future__ import annotations

from dataclasses import dataclass

from convsight.datasets import Dataset
from convsight.features import manifold
from convsight.features.finished_map import COLOURS, Colour, points, scene
from convsight.features.selection import SPLITS
from convsight.features.vectors import query_vectors
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Points

HONEST = (
    "Read who is next to whom. Distances between clusters follow mostly from where the map started (its first "
    "principal components), and the sizes of clusters mean nothing."
)


@dataclass(frozen=True)
class Umap(Method):
    """A map like t-SNE's that is quicker on large data sets and keeps more of the broad arrangement.

    Each picture's `neighbours` nearest become edges of a fuzzy graph, with weights exp(−(d − ρ)/σ) that fall
    from its nearest (at ρ) outward; on the map an edge has weight 1 / (1 + a·d^2b), with a and b set by
    `min_distance`. Positions minimise the cross-entropy between both graphs. The vectors are first reduced to 50
    principal components, the neighbours are exact, and the start is PCA.

    Needs `pip install 'convsight[umap]'`. Pictures of your own (`images`) settle on the finished map. The same seed
    gives the same map on one machine.

    Returns `Points`: `.xy` n × 2 or 3, in arbitrary units. Raises InputError for fewer than 5 pictures, MissingExtra
    without umap-learn.

    Source: McInnes, Healy & Melville 2018 (arXiv:1802.03426); on the start: Kobak & Linderman 2021.

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.umap(net, data, epochs=20).xy.shape
    torch.Size([20, 2])
    """

    title = "What the network keeps together (UMAP)"
    kind = Points
    source = "McInnes, Healy & Melville 2018, arXiv:1802.03426"
    in_report = False  # an extra, and t-SNE is there

    space: str = knob(
        "features", "map what the network sees, or plain pixels", choices=("features", "pixels")
    )
    layer: str | None = knob(None, "the layer whose vector is mapped; none takes the last before the scores")
    dims: int = knob(2, "3 makes a room of it, to be turned about", unit="axes", low=2, high=3)
    neighbours: int = knob(
        15, "how many nearest each picture is tied to: few show small knots, many the broad arrangement",
        unit="pictures", low=2, high=500,
    )  # fmt: skip
    min_distance: float = knob(
        0.1,
        "how close neighbours may lie: small packs clusters tight, large spreads them out",
        low=0,
        high=0.99,
    )
    epochs: int | None = knob(
        None, "more settle the map further; none takes 500, or 200 above 10,000 pictures", low=10
    )
    split: str = knob("test", "which pictures are mapped", choices=(*SPLITS, "all"))
    most: int = knob(5000, "more pictures give a fuller map and take longer", unit="pictures", low=5)
    colour: str = knob("class", "what the colours stand for", choices=COLOURS)
    label: str | None = knob(
        None,
        "of several labels a picture: which one the colours show; none takes the one nearest to half of them",
    )
    seed: int = knob(0, "another seed takes other pictures where there are more than `most`, and other noise")

    def compute(self, net: Classifier, data: Dataset, images: Images | None = None) -> Points:
        shown = scene(net, data, self.split, self.most, self.seed, self.space, self.layer)
        made = manifold.umap(
            shown.vectors.values, self.dims, self.neighbours, self.min_distance, self.epochs, self.seed
        )
        extra = None
        if images is not None:
            extra = (made.place(query_vectors(net, images, self.space, self.layer, map_px=True)), images)
        fewer = made.neighbours < self.neighbours
        lowered = (
            [f"Tied to {made.neighbours} neighbours each: there are only {len(made.xy)} pictures."]
            if fewer
            else []
        )
        return points(
            shown, made.xy, ("", "", "")[: self.dims], Colour(self.colour, self.label),
            caption=f"{shown.chosen.describe()} in {shown.words}; near on the map is near there.",
            notes=(HONEST, *lowered), extra=extra, seed=self.seed,
        )  # fmt: skip
