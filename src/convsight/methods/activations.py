"""What does each feature map of a layer show, and do the maps answer differently to different classes?"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convsight.errors import ModelError
from convsight.images import Images
from convsight.method import Method, knob
from convsight.network import nonlinear
from convsight.network.batching import chunk_size, in_chunks
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.network.untrained import untrained
from convsight.results import draw
from convsight.results.kinds import Pictures
from convsight.results.sheet import Legend
from convsight.units import Responses, gather
from convsight.units.channels import choose_channels
from convsight.units.names import name_of
from convsight.units.report import channel_table, class_curve, faults, told_apart
from convsight.units.sample import SPLITS, sample

MOST_PICTURES = 12
NO_CLASSES = "η² is not told: it needs two classes, and a class with two pictures."

ORDERS = {
    "channel": "",
    "response": ", those that answer most strongly",
    "class": ", those that tell the classes apart best",
}


@dataclass(frozen=True)
class Activations(Method):
    """The feature maps that a layer really computes: light cells are where a channel found what it looks for.

    `layer` is any layer by name, by default the first non-linearity; `stage` shows the value that goes into
    ("before") or comes out of ("after") the non-linearity at that layer instead of the layer's own. Maps with
    negative values are red (+) and blue (−) with white 0, all others dark (0) to light.

    With `data` one pass over up to `most_images` pictures of a split answers whether the maps respond
    differently to different classes: η² = SS between ÷ SS total of a map's mean response, the share of its
    variance that the classes explain, in [0, 1]. The yardstick is the same network untrained (a copy with
    fresh random weights from `seed`): random filters tell classes apart too, by size and brightness, so only
    what lies above the ticks was learned. Classes that mean nothing give (k − 1) ÷ (n − 1). The class-selectivity
    index is not used: it is highest for channels that hardly ever answer.

    Channels are called dead if they are nowhere above zero on more than 95% of the pictures, near-duplicates if
    their values correlate by more than 0.95 over all cells, and noise if the mean Moran's I of their maps
    (1 smooth, 0 noise) is below 0.1; without `data` by the given pictures, which may be few.

    `order="response"` shows the channels with the largest mean first, "class" those with the largest η².
    `scale="layer"` colours all channels on one scale, "channel" each on its own over all pictures.

    Returns Pictures: `values` n c h w are the maps of the channels shown (for a vector 1×1 maps); `parts` hold a
    Table of every channel's numbers and, with `data`, a Curve of η² beside the untrained network's. Raises
    InputError (layer, channel, or no non-linearity for `stage`).

    η²: Pearson 1911; Moran 1950, Biometrika 37.

    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 6, 3), ReLU(), Flatten(), Linear(216, 2))
    >>> net = Classifier(module, input_size=8, channels=1)
    >>> Activations()(net, torch.rand(1, 1, 8, 8)).values.shape
    torch.Size([1, 6, 6, 6])
    """

    title = "Feature maps"
    per_layer = True
    for_report = MappingProxyType({"most": 16, "order": "class"})
    kind = Pictures
    source = "Zeiler & Fergus 2013, arXiv:1311.2901; Moran 1950"

    channels: str = knob("", "which channels, such as 3 or 0-4,9; all if empty")
    stage: str = knob("layer", "before or after its non-linearity", choices=("layer", "before", "after"))
    order: str = knob("channel", "which channels come first", choices=("channel", "response", "class"))
    scale: str = knob("channel", "layer puts all channels on one scale", choices=("channel", "layer"))
    most: int = knob(64, "more channels at once, smaller", unit="channels", low=1)
    split: str = knob("test", "which pictures of the data set are gone through", choices=SPLITS)
    most_images: int = knob(2000, "more pictures make η² surer and take longer", unit="pictures", low=2)
    seed: int = knob(0, "other weights of the untrained network")

    def compute(
        self, net: Classifier, images: Images, layer: str | None = None, data: Any = None
    ) -> Pictures:
        chosen = self._layer(net, layer)
        pictures, words = (images, "") if data is None else sample(data, self.split, self.most_images)
        found = gather(net, pictures, [chosen.name], alike=True)[chosen.name]
        chance, why_not = self._untrained(net, pictures, chosen) if data is not None else (None, ())
        rank = {"channel": None, "response": found.means, "class": found.eta2}[self.order]
        shown = choose_channels(self.channels, chosen.name, chosen.channels, self.most, rank)
        values = _values(net, images, chosen.name)[:, shown]
        signed = bool((values < 0).any())
        tiles, layout = _layout(
            images[:MOST_PICTURES], values[:MOST_PICTURES], shown, self._limits(values), signed
        )
        end = "max of the layer" if self.scale == "layer" else "max of each channel"
        return Pictures(
            caption=f"What {chosen.name} of {net.name} ({chosen.kind}, {_size(chosen)}) answers to each picture.",
            notes=(
                *((told_apart(found, chance) if found.eta2 is not None else NO_CLASSES,) if words else ()),
                f"Judged by {words or _given(len(images))}. {faults(found)}",
                *why_not,
                *_left_out(
                    len(found.means), len(shown), len(images), ORDERS[self.order] if rank is not None else ""
                ),
            ),
            images=tiles,
            values=values,
            legend=Legend(f"−{end.split()[0]}" if signed else "0", end, signed, "activation"),
            parts=(
                *(class_curve(found, chance) if words else ()),
                channel_table(found, shown, classes=bool(words)),
            ),
            **layout,
        )

    def _layer(self, net: Classifier, name: str | None) -> Layer:
        layer = nonlinear.rectified_maps(net)[0] if name is None else net.layers[name]
        if self.stage == "layer":
            return layer
        return (
            nonlinear.before(net, layer.name) if self.stage == "before" else nonlinear.after(net, layer.name)
        )

    def _limits(self, values: Tensor) -> Float[Tensor, " c"]:
        largest = values.abs().amax((0, 2, 3))
        return largest.amax().expand_as(largest) if self.scale == "layer" else largest

    def _untrained(
        self, net: Classifier, pictures: Any, layer: Layer
    ) -> tuple[Responses | None, tuple[str, ...]]:
        try:
            return gather(untrained(net, self.seed), pictures, [layer.name])[layer.name], ()
        except ModelError as error:
            return None, (str(error),)


def _values(net: Classifier, images: Images, layer: str) -> Float[Tensor, "n c h w"]:
    def run(part: slice) -> Tensor:
        with torch.no_grad(), net.record(layer, stop=True) as seen:
            net.forward(images.pixels[part])
        value = seen[layer].float().cpu()
        return value if value.ndim == 4 else value[..., None, None]

    return torch.cat(in_chunks(run, len(images), chunk_size(images.pixels.shape[1:])))


def _layout(
    images: Images, values: Tensor, shown: list[int], limits: Tensor, signed: bool
) -> tuple[Tensor, dict[str, Any]]:
    """The pictures beside their maps: a grid for one picture, a row for each channel for several."""
    n, size = len(images), images.size
    maps = torch.stack(
        [_coloured(values[i, c], float(limits[c]), signed, size) for c in range(len(shown)) for i in range(n)]
    )
    tiles = torch.cat([draw.in_rgb(images.pixels), maps])
    names = [str(c) for c in shown]
    if n == 1:
        return tiles, {"captions": ("picture", *names), "columns": min(8, len(tiles))}
    return tiles, {
        "columns": n,
        "row_labels": ("", *names),
        "headings": tuple(name_of(images, i) for i in range(n)),
    }


def _coloured(values: Tensor, limit: float, signed: bool, size: tuple[int, int]) -> Float[Tensor, "3 h w"]:
    rgb = torch.from_numpy(draw.colours(values, signed, limit or 1.0)).permute(2, 0, 1) / 255
    return F.interpolate(rgb[None], size, mode="nearest-exact")[0]


def _size(layer: Layer) -> str:
    return "×".join(map(str, layer.output_shape))


def _given(n: int) -> str:
    return (
        f"the {n} given pictures; data= judges by a data set"
        if n > 1
        else "one picture; data= judges by a data set"
    )


def _left_out(channels: int, shown: int, pictures: int, order: str) -> tuple[str, ...]:
    notes = []
    if shown < channels:
        notes.append(f"{shown} of {channels} channels are shown{order}; most= and channels= show others.")
    if pictures > MOST_PICTURES:
        notes.append(f"The first {MOST_PICTURES} of {pictures} pictures are drawn; .values has them all.")
    return tuple(notes)
