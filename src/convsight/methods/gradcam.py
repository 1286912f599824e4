"""Which region of the picture speaks for the class, as the last feature maps see it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convsight.coalitions.game import scores_for
from convsight.errors import InputError
from convsight.gradients.cam import averaging_notes, class_activation, enlarged, map_layer
from convsight.gradients.cam_weights import TITLES
from convsight.gradients.notes import empty_cam_notes, score_labels
from convsight.gradients.score_cam import score_activation
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.results.kinds import Map


@dataclass(frozen=True)
class Gradcam(Method):
    """Bright regions are those whose features the class score rests on; coarse, but specific to the class.

    M = ReLU(Σ_c α_c A_c), with A_c the maps of `layer` and α_c = mean over the map of ∂S/∂A_c; then enlarged
    bilinearly to the picture. `positive` off leaves out the ReLU: blue regions then speak against the class.

    `weights` chooses another α, of the same family:

    - `gradcam++` counts several objects of the class alike: α_c = Σ_cells a·ReLU(g), g = ∂S/∂A_c, with
      a = g² ÷ (2g² + ΣA_c·g³) (Chattopadhyay et al. 2018, arXiv:1710.11063).
    - `hirescam`: each cell's own gradient, α_c(y, x) = g; right where a network flattens its maps (Draelos & Carin
      2020, arXiv:2011.08891).
    - `layercam`: each cell's own gradient where it is positive, ReLU(g); sharp in early layers, whose maps are finer
      (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943).
    - `scorecam` needs no gradient: the picture is seen through each map, scaled to 0 … 1, and α is the softmax over the
      maps of the scores that come out (Wang et al. 2020, arXiv:1910.01279). It runs the network once for each map,
      hundreds to thousands of times. Where the map is 0 the picture has the network's mean colour.

    The default layer is the last feature maps: the output of the last convolution after its normalisation,
    skip and non-linearity, before pooling makes the maps smaller. An earlier layer gives finer maps that
    know less about the class, because α_c averages away where in the map the gradient was. If the score is
    the mean of the last maps times weights (ResNet, MobileNet), Grad-CAM and HiResCAM both equal CAM (Zhou et al.
    2015) and LayerCAM is the same without the maps that speak against the class. In a network that flattens its maps
    for a linear layer (the lesson's, VGG) the mean may have little to do with the gradient, and the map points
    elsewhere: a note says which share is left. `average` off is another word for `weights="hirescam"`.

    In a transformer, or another network that keeps its maps as tokens, the default is the last row of tokens that the
    score depends on, laid out as they lie in the picture; class tokens are left out. Behind the last attention of a
    network that reads its class token, no other token counts, so it is the input of that attention.

    Enlarging lays the map over the whole picture, as the paper does, although without padding the centres of
    the outermost cells lie up to half a receptive field inside it.

    `target` as everywhere. Returns a Map: `values` n h w ≥ 0 (signed if not `positive`), unscaled. Raises
    InputError (a target or a layer that has no maps, or that the target does not depend on; `average` off with other
    weights) and ModelError.

    Selvaraju et al. 2016, arXiv:1610.02391.

    >>> import torch
    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 2, 3), ReLU(), Flatten(), Linear(72, 4))
    >>> net = Classifier(module, input_size=8, channels=1)
    >>> Gradcam()(net, torch.rand(2, 1, 8, 8)).values.shape
    torch.Size([2, 8, 8])
    """

    title = "Grad-CAM"
    kind = Map
    source = "Selvaraju et al. 2016, arXiv:1610.02391"

    weights: str = knob(
        "gradcam",
        "how much each feature map counts, see above; scorecam takes minutes",
        choices=tuple(TITLES),
    )
    positive: bool = knob(True, "off shows regions that speak against the class too, in blue")
    average: bool = knob(
        True, "off is weights=hirescam: each cell with its own gradient, right for networks that flatten"
    )

    def compute(self, net: Classifier, images: Images, target: Any = None, layer: str | None = None) -> Map:
        aim = net.target(target, images)
        chosen = map_layer(net, layer, aim, images.pixels)
        weights = self._weights()
        if weights == "scorecam":
            scores_of = lambda i, maps: scores_for(net, aim, [i], maps)  # noqa: E731
            found = score_activation(net, aim, images.pixels, chosen.name, scores_of)
        else:
            found = class_activation(net, aim, images.pixels, chosen.name, weights)
        cam = found.cam.clamp(min=0) if self.positive else found.cam
        return Map(
            title=TITLES[weights],
            caption=f"Bright: the features of {chosen.name} that the score rests on are here.",
            notes=(
                _coarseness(net, chosen, images.size),
                *(averaging_notes(found) if weights == "gradcam" else ()),
                *empty_cam_notes(cam, self.positive),
                *net.notes_on(aim),
            ),
            values=enlarged(cam, images.size),
            signed=not self.positive,
            unit="class activation",
            pictures=images.pixels,
            labels_of=score_labels(aim, found.scores),
        )

    def _weights(self) -> str:
        if self.average:
            return self.weights
        if self.weights in ("gradcam", "hirescam"):
            return "hirescam"
        raise InputError(
            f"average=False is HiResCAM, and weights={self.weights!r} another technique; leave average as it is"
        )


def _coarseness(net: Classifier, layer: Layer, size: tuple[int, int]) -> str:
    grid = None if layer.is_map else net.layers.grid(layer.name)
    rows, columns = layer.output_shape[1:] if grid is None else (grid.rows, grid.columns)
    words = "" if grid is None else " of tokens"
    if grid is not None and grid.beside:
        words = f" of tokens ({grid.beside} beside them, the class token or such, left out)"
    height, width = (min(a, b) for a, b in zip(layer.receptive_field, size, strict=True))
    sees = "the whole picture" if (height, width) == size else f"up to {height}×{width} pixels"
    return f"{layer.name} has {rows}×{columns} cells{words}, each seeing {sees}: this shows regions, not outlines."
