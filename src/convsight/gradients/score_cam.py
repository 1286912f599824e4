"""How high is the score when only one feature map's places are left in the picture? The weighting of Score-CAM."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.gradients.cam import Activation, enlarged
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.targets import Target
from convsight.progress import report_count

Scores = Callable[[Float[Tensor, "m c h w"]], Float[Tensor, "m 1"]]  # of one picture's target


def score_activation(
    net: Classifier,
    aim: Target,
    pixels: Float[Tensor, "n c h w"],
    layer: str,
    scores_of: Callable[[int, int], Scores],
) -> Activation:
    """Σ_c A_c · softmax_c(S_c), S_c the score of the picture seen through map c, scaled to 0 … 1 (Wang et al. 2020).

    Where the map is 0 the picture is the network's mean colour. No gradient is needed; the network runs once for each
    map of the layer and each picture, by what `scores_of(picture's number, how many maps)` gives.
    """
    with torch.no_grad(), net.record(layer) as seen:
        scores = aim.score(net, pixels).cpu()
    maps = net.layers.as_maps(layer)(seen[layer]).float().cpu()
    weights = torch.stack(
        [_weights(net, pixels[i], maps[i], scores_of(i, len(maps[i]))) for i in range(len(pixels))]
    )
    return Activation((weights[:, :, None, None] * maps).sum(1), scores, torch.ones(len(pixels)))


def _weights(
    net: Classifier, picture: Float[Tensor, "c h w"], maps: Float[Tensor, "m rows cols"], scores: Scores
) -> Float[Tensor, " m"]:
    mean = torch.zeros(1, 1, 1) if net.mean is None else net.mean.cpu()[0].clamp(0, 1)

    def run(part: slice) -> Tensor:
        masks = scaled(enlarged(maps[part], tuple(picture.shape[1:])))[:, None]  # type: ignore[arg-type]
        found = scores(mean + (picture - mean) * masks)[:, 0]
        report_count(part.stop, len(maps), "feature maps")
        return found

    return torch.cat(in_chunks(run, len(maps), chunk_size(picture.shape))).softmax(0)


def scaled(maps: Float[Tensor, "m h w"]) -> Float[Tensor, "m h w"]:
    """Each map from 0 to 1; one that is the same everywhere becomes 0."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-8)
