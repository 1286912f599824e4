"""Along which two or three directions do pictures differ most, to the network or as plain pixels?"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from convsight.datasets import Dataset
from convsight.features.finished_map import COLOURS, Colour, Scene, points, scene
from convsight.features.projection import principal
from convsight.features.selection import SPLITS
from convsight.features.vectors import query_vectors
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.results.kinds import Pictures, Points

ENDS = 6  # pictures shown at either end of an axis


@dataclass(frozen=True)
class Pca(Method):
    """A flat map of all pictures along the directions in which they differ most.

    Coordinates are (x − mean) · v for the eigenvectors v of the vectors' covariance with the largest
    eigenvalues λ; the share of the variance that an axis shows is λ over their sum. Straight lines stay
    straight and far stays far, unlike on a t-SNE map, but what is not along these axes is not seen: pictures
    that lie on each other may be far apart. Each axis comes with the pictures at its two ends, as `.parts`.

    Pictures of your own (`images`) are placed on the map without changing it. Pixel space takes pictures
    larger than 32 pixels a side averaged down to that.

    Returns `Points`: `.xy` n × 2 or 3, in the units of the features. The sign of an axis has no meaning.

    Source: Pearson 1901, "On lines and planes of closest fit to systems of points in space".

    >>> import torch
    >>> import convsight as cs
    >>> data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=20)
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.Linear(8, 10))
    >>> net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    >>> cs.pca(net, data, dims=3).xy.shape
    torch.Size([20, 3])
    """

    title = "Where pictures differ most (PCA)"
    kind = Points
    source = "Pearson 1901"

    space: str = knob(
        "features", "map what the network sees, or plain pixels", choices=("features", "pixels")
    )
    layer: str | None = knob(None, "the layer whose vector is mapped; none takes the last before the scores")
    dims: int = knob(2, "3 adds a third axis, and more of the variance", unit="axes", low=2, high=3)
    split: str = knob("test", "which pictures are mapped", choices=(*SPLITS, "all"))
    most: int = knob(100_000, "more pictures give a fuller map and take longer", unit="pictures", low=2)
    colour: str = knob("class", "what the colours stand for", choices=COLOURS)
    label: str | None = knob(
        None,
        "of several labels a picture: which one the colours show; none takes the one nearest to half of them",
    )
    seed: int = knob(0, "another seed takes other pictures where there are more than `most`")

    def compute(self, net: Classifier, data: Dataset, images: Images | None = None) -> Points:
        shown = scene(net, data, self.split, self.most, self.seed, self.space, self.layer)
        found = principal(shown.vectors.values, self.dims)
        xy = torch.zeros(len(shown.chosen), self.dims)
        xy[:, : len(found.directions)] = found.place(shown.vectors.values)
        shares = [*found.shares.tolist(), *[0.0] * self.dims][: self.dims]
        axes = tuple(f"axis {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(shares))
        extra = None
        if images is not None:
            placed = torch.zeros(len(images), self.dims)
            placed[:, : len(found.directions)] = found.place(
                query_vectors(net, images, self.space, self.layer, map_px=True)
            )
            extra = (placed, images)
        left = max(0.0, 1 - sum(shares))
        return points(
            shown, xy, axes, Colour(self.colour, self.label),
            caption=f"{shown.chosen.describe()} in {shown.words}, along its {self.dims} widest directions.",
            notes=(f"{left:.0%} of the variance is in directions that this map does not show.",),
            parts=(_ends(shown, xy, shares),), extra=extra, seed=self.seed,
        )  # fmt: skip


def _ends(shown: Scene, xy: torch.Tensor, shares: list[float]) -> Pictures:
    """The pictures furthest out at both ends of each axis, a row an axis."""
    each = max(1, min(ENDS, len(xy) // 2))
    rows = [
        torch.cat([order[:each], order[-each:]])
        for order in (xy[:, a].argsort(stable=True) for a in range(xy.shape[1]))
    ]
    chosen = shown.chosen[torch.cat(rows)]
    classes = shown.chosen.classes
    labels = chosen.labels.tolist() if classes and chosen.labels is not None else []
    names = [classes[i] for i in labels if isinstance(i, int)] or chosen.ids
    return Pictures(
        title="The pictures at the ends of each axis",
        caption=f"Left to right: the {each} lowest, then the {each} highest.",
        images=chosen.pixels,
        captions=tuple(names),
        columns=2 * each,
        row_labels=tuple(f"axis {a + 1} ({share:.0%})" for a, share in enumerate(shares)),
    )
