"""Which pieces of real pictures excite each channel most?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from convsight.method import Method, knob
from convsight.network import nonlinear
from convsight.network.classifier import Classifier
from convsight.network.layers import Layer
from convsight.results.draw import number
from convsight.results.kinds import Pictures
from convsight.units import gather
from convsight.units.channels import choose_channels
from convsight.units.crops import OUTSIDE, Excitation, canvas_size, cut_out, excitation
from convsight.units.names import name_of
from convsight.units.sample import SPLITS, sample


@dataclass(frozen=True)
class TopCrops(Method):
    """A row for each channel: the pieces of real pictures that excite it most show what it has learned to find.

    Of every picture a channel's maximum over all places counts (the first, if several are equal), so no
    picture appears twice in a row; the `crops` pictures with the largest maxima are shown, strongest first.
    Each is cut to exactly what the unit at that place can see: its receptive field, computed through the graph
    (strides, padding, skips, pools) and clipped at the picture's borders, where the rest is light grey. Pictures
    on which the channel is no larger than its lowest value anywhere (for a ReLU, silent) are left out.

    `layer` by name; by default the deepest non-linearity that sees at most half the picture's side, because
    crops of a deeper one are nearly whole pictures. One pass over up to `most_images` pictures of a split,
    classes in proportion; memory does not grow with their number.

    Returns Pictures in rows of `crops`: `images` in [0, 1]; `values` has 8 numbers a picture: activation,
    number in the pictures looked at, y and x of the unit, then top, left, bottom, right of the crop in pixels
    of the network's input (all −1 where a row has fewer crops). Raises InputError (layer, channel, empty split).

    Zeiler & Fergus 2013, arXiv:1311.2901, figure 2; receptive fields: Araujo, Norris & Sim 2019, Distill.

    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> module = Sequential(Conv2d(1, 2, 5), ReLU(), Flatten(), Linear(1152, 10))
    >>> net = Classifier(module, input_size=28, channels=1)
    >>> TopCrops(most_images=30)(net, "drawn-garments").images.shape
    torch.Size([18, 1, 5, 5])
    """

    title = "What excites each channel"
    kind = Pictures
    source = "Zeiler & Fergus 2013, arXiv:1311.2901"

    channels: str = knob("", "which channels, such as 3 or 0-4,9; the first ones if empty")
    crops: int = knob(9, "more pieces a channel", unit="pictures", low=1, high=100)
    order: str = knob(
        "channel",
        "class puts the channels first whose mean response classes explain best",
        choices=("channel", "class"),
    )
    most: int = knob(16, "more channels at once", unit="channels", low=1)
    split: str = knob("test", "which pictures of the data set are gone through", choices=SPLITS)
    most_images: int = knob(2000, "more pictures to choose from; takes longer", unit="pictures", low=1)

    def compute(self, net: Classifier, data: Any, layer: str | None = None) -> Pictures:
        chosen = _readable(net) if layer is None else net.layers[layer]
        pictures, words = sample(data, self.split, self.most_images)
        found = gather(net, pictures, [chosen.name], k=self.crops)[chosen.name]
        rank = found.eta2 if self.order == "class" else None
        shown = choose_channels(self.channels, chosen.name, chosen.channels, self.most, rank)
        rows = [excitation(net, pictures, found, channel) for channel in shown]
        silent = [str(row.channel) for row in rows if not len(row.images)]
        left = f"{len(shown)} of {chosen.channels} channels are shown; most= and channels= show others."
        return Pictures(
            caption=f"The pieces of {words} that excite each channel of {chosen.name} most, as the unit sees them.",
            notes=(
                _field(net, chosen),
                *((f"Silent on all of them: {', '.join(silent)}.",) if silent else ()),
                *((left,) if len(shown) < chosen.channels else ()),
            ),
            columns=self.crops,
            row_labels=tuple(str(c) for c in shown),
            **self._tiles(rows, net.channels),
        )

    def _tiles(self, rows: list[Excitation], channels: int) -> dict[str, Any]:
        size = canvas_size([box for row in rows for box in row.boxes])
        images = torch.full((len(rows), self.crops, channels, *size), OUTSIDE)
        values = torch.full((len(rows), self.crops, 8), -1.0)
        captions = []
        for r, row in enumerate(rows):
            k = len(row.images)
            images[r, :k], values[r, :k] = cut_out(row.images.pixels, row.boxes, size), row.rows()
            captions += [f"{name_of(row.images, i)} {number(float(row.values[i]))}" for i in range(k)]
            captions += [""] * (self.crops - k)
        return {"images": images.flatten(0, 1), "values": values.flatten(0, 1), "captions": tuple(captions)}


def _readable(net: Classifier) -> Layer:
    maps, (height, width) = nonlinear.rectified_maps(net), net.input_size
    small = [a for a in maps if 2 * a.receptive_field[0] <= height and 2 * a.receptive_field[1] <= width]
    return small[-1] if small else maps[0]


def _field(net: Classifier, layer: Layer) -> str:
    height, width = (min(a, b) for a, b in zip(layer.receptive_field, net.input_size, strict=True))
    return f"A unit of {layer.name} sees {height}×{width} of {net.input_size[0]}×{net.input_size[1]} pixels; light grey lies outside the picture."
