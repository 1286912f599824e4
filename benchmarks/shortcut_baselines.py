"""What would simpler ways of finding a shortcut say? Four of them, each a score and the class it points at.

Each looks at the held-out pictures as they are (with the cue, as in life), scores every class, and names the
class with the highest score; nothing is pasted and no training is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.images import Images
from convsight.network.classifier import Classifier
from convsight.shortcuts.probes import background_level, coarse_energy, fine_energy

GRID = 7  # cells a side of coarse maps
PER_CLASS = 100
Scores = list[float]  # one a class; -inf where there are too few pictures


def clustering(net: Classifier, images: Images) -> Scores:
    """SpRAy-like (Lapuschkin et al. 2019): do the attribution maps of a class fall into two clean clusters?

    Gradient × input maps at 7×7, normalised; silhouette of two clusters.
    """
    from sklearn.cluster import SpectralClustering
    from sklearn.metrics import silhouette_score

    def score(maps: Tensor) -> float:
        flat = F.normalize(maps.flatten(1), dim=1).numpy()
        groups = SpectralClustering(2, affinity="nearest_neighbors", n_neighbors=10, random_state=0)
        labels = groups.fit_predict(flat)
        return float(silhouette_score(flat, labels)) if len(set(labels)) == 2 else 0.0

    return [score(maps) if len(maps) >= 30 else float("-inf") for maps in _maps(net, images)]


def slices(net: Classifier, images: Images) -> Scores:
    """Error slices (as Domino, Eyuboglu et al. 2022): clusters of features in which a class is often wrong.

    The class's accuracy minus that of its worst of five clusters of features (of at least five pictures).
    """
    from sklearn.cluster import KMeans

    assert images.labels is not None
    right, features = net.predict(images) == images.labels, net.features(images)
    scores = []
    for k in range(len(net.classes)):
        own = (images.labels == k).nonzero().flatten()
        if len(own) < 30:
            scores.append(float("-inf"))
            continue
        clusters = torch.from_numpy(
            KMeans(5, n_init="auto", random_state=0).fit_predict(features[own].numpy())
        )
        ok = right[own].float()
        worst = [ok[clusters == c].mean() for c in range(5) if (clusters == c).sum() >= 5]
        scores.append(float(ok.mean() - min(worst)) if worst else 0.0)
    return scores


def concentration(net: Classifier, images: Images) -> Scores:
    """Attribution in one place: the share of a class's mean |gradient × input| that the best of 7×7 cells has."""
    shares = []
    for maps in _maps(net, images, signed=False):
        mean = maps.mean(0).flatten() if len(maps) >= 30 else torch.zeros(1)
        shares.append(float(mean.max() / mean.sum().clamp(min=1e-9)) if len(maps) >= 30 else float("-inf"))
    return shares


def statistics(net: Classifier, images: Images) -> Scores:
    """The data alone: how far the median of a class is from all others', in any cell or simple statistic.

    Mean and contrast of each of 7×7 cells, rim, fine and coarse detail; the distance to the nearest other class
    in units of the spread within the class.
    """
    assert images.labels is not None
    pixels = images.pixels
    cells = F.adaptive_avg_pool2d(pixels, GRID).flatten(1)
    contrast = F.adaptive_max_pool2d((pixels - F.avg_pool2d(pixels, 3, 1, 1)).abs().mean(1, True), GRID)
    simple = [
        background_level(pixels).flatten(1),
        fine_energy(pixels)[:, None],
        coarse_energy(pixels)[:, None],
    ]
    values = torch.cat([cells, contrast.flatten(1), *simple], 1)
    classes = [values[images.labels == k] for k in range(len(net.classes))]
    middles = torch.stack([v.median(0).values for v in classes])
    scores = []
    for k, own in enumerate(classes):
        spread = (own - middles[k]).abs().mean(0) + 0.02
        others = torch.cat([middles[:k], middles[k + 1 :]])
        scores.append(float(((others - middles[k]).abs() / spread).min(0).values.max()))
    return scores


def _maps(net: Classifier, images: Images, *, signed: bool = True) -> list[Float[Tensor, "n y x"]]:
    """Gradient × input of the predicted class at 7×7, for up to 100 pictures predicted as each class."""
    predicted = net.predict(images)
    found = []
    for k in range(len(net.classes)):
        own = (predicted == k).nonzero().flatten()[:PER_CLASS]
        x = images.pixels[own].clone().requires_grad_(True)
        if not len(own):
            found.append(torch.zeros(0, GRID, GRID))
            continue
        with torch.enable_grad():
            total = net.forward(x)[:, k].sum()
        maps = (torch.autograd.grad(total, x)[0] * x.detach()).sum(1, keepdim=True)
        found.append(F.adaptive_avg_pool2d(maps if signed else maps.abs(), GRID)[:, 0])
    return found


BASELINES: dict[str, Callable[[Classifier, Images], Scores]] = {
    "clusters of attributions (SpRAy-like)": clustering,
    "error slices (Domino-like)": slices,
    "concentration of attribution": concentration,
    "statistics of the data alone": statistics,
}
